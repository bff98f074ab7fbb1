"""A trained network as a scikit-learn regressor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from pfnbo.compilation import enable_compilation_cache, jit
from pfnbo.data import bucket, pad
from pfnbo.predictive import Predictive
from pfnbo.surrogates.pfn import PFN

CHUNK = 1024  # queries answered together
MARGIN = 0.1  # of the range of a column that the box is wider on each side


class PFNRegressor(RegressorMixin, BaseEstimator):
    """Regression on few rows by a network that was trained once, on synthetic tasks.

    It is conditioned on the data, not trained on them, in compiled calls whose time
    grows with the cube of the number of rows. Far beyond the tables that the network
    was trained on, a Gaussian process predicts instead.

    Args:
        network: name of a checkpoint that comes with pfnbo, or the path of one.
        kept: number of Gaussian processes of the mixture that predicts or is corrected.
        bounds: lowest and highest value of each column `(d, 2)`; None takes those of
            the data, a tenth of their range wider on each side. Queries beyond them
            are answered at the edge.

    Attributes:
        bounds_: the same, as an array.
        posterior_: the fitted surrogate.
        n_features_in_: number of columns.
    """

    def __init__(
        self,
        network: str | Path = "anchored",
        kept: int = 6,
        bounds: ArrayLike | None = None,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.network = network
        self.kept = kept
        self.bounds = bounds

    def fit(self, X: ArrayLike, y: ArrayLike) -> "PFNRegressor":
        """Condition on rows `(n, d)` and their outputs `(n,)`, n at least 2.

        Raises:
            ValueError: when X, y or the bounds are no finite arrays of these shapes.
        """
        enable_compilation_cache()
        checks: dict[str, Any] = dict(y_numeric=True, ensure_min_samples=2)
        rows, out = validate_data(self, X, y, dtype=np.float64, **checks)  # type: ignore
        out = np.asarray(out, np.float64)
        self.bounds_ = self._box(np.asarray(rows))
        self._centre, self._scale = np.mean(out), np.std(out) or 1.0
        z = (out - self._centre) / self._scale
        data = pad(self._cube(np.asarray(rows)), z[None], bucket(len(z)))
        with jax.enable_x64(True):
            surrogate = PFN(self.network, self.kept)
            posterior = surrogate.fit(jax.random.key(0), data)
            # Unpickled elsewhere, an array of JAX would be cut to float32.
            self.posterior_ = jax.tree.map(np.asarray, posterior)
        return self

    def predict(
        self,
        X: ArrayLike,
        return_std: bool = False,
        *,
        quantiles: Sequence[float] | None = None,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return the mean of a new observation in each row of X `(m, d)`.

        Args:
            X: rows.
            return_std: whether to return standard deviations, too.
            quantiles: probabilities in (0, 1); then, instead of all else, the
                quantiles at them are returned, `(len(quantiles), m)`.

        Returns:
            Means `(m,)`, or means and standard deviations `(m,)` of what would be
            observed, noise included.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)  # type: ignore
        x = self._cube(np.asarray(rows))
        if quantiles is not None:
            p = np.asarray(quantiles, np.float64).reshape(-1)
            if not np.all((p > 0) & (p < 1)):
                raise ValueError(f"quantiles must be between 0 and 1, got {quantiles}.")
            return self._centre + self._scale * self._ask(x, _quantiles, p)
        mean, sd = self._ask(x, _moments)
        mean, sd = self._centre + self._scale * mean, self._scale * sd
        return (mean, sd) if return_std else mean

    def _box(self, X: np.ndarray) -> np.ndarray:
        if self.bounds is None:
            low, high = X.min(0), X.max(0)
            # A column of one value needs some width, too.
            more = MARGIN * np.where(high > low, high - low, 1.0)
            return np.stack([low - more, high + more], 1)
        box = np.asarray(self.bounds, np.float64)
        if box.shape != (X.shape[1], 2) or not np.all(box[:, 0] < box[:, 1]):
            raise ValueError(
                f"bounds must be {X.shape[1]} pairs (low, high) with low < high, "
                f"got {self.bounds!r}."
            )
        return box

    def _cube(self, X: np.ndarray) -> np.ndarray:
        low, high = self.bounds_.T
        return np.clip((X - low) / (high - low), 0, 1)

    def _ask(self, x: np.ndarray, question: Any, *args: np.ndarray) -> np.ndarray:
        """Return the answers `(k, m)` to a question about the rows `(m, d)`."""
        answers = []
        with jax.enable_x64(True):
            for start in range(0, len(x), CHUNK):
                rows = x[start : start + CHUNK]
                size = min(bucket(len(rows)), CHUNK)
                padded = np.pad(rows, ((0, size - len(rows)), (0, 0)))
                answer = np.asarray(question(self.posterior_, padded, *args))
                answers.append(answer[:, : len(rows)])
        return np.concatenate(answers, 1)


def _observed(posterior: Any, x: jax.Array) -> Predictive:
    at = jax.vmap(posterior.observe)(x)
    return jax.tree.map(lambda a: a[:, 0], at)  # of the only output


@jit
def _moments(posterior: Any, x: jax.Array) -> jax.Array:
    at = _observed(posterior, x)
    return jnp.stack([at.mean, jnp.sqrt(at.var)])


@jit
def _quantiles(posterior: Any, x: jax.Array, p: jax.Array) -> jax.Array:
    return jax.vmap(_observed(posterior, x).icdf)(p)
