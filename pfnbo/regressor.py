"""A trained network as a scikit-learn regressor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from pfnbo.compilation import enable_compilation_cache, jit, make_room_for_programs
from pfnbo.data import bucket, pad
from pfnbo.predictive import Mixture, Predictive
from pfnbo.surrogates.pfn import PFN

CHUNK = 1024  # queries answered together
MARGIN = 0.1  # of the range of a column that the box is wider on each side
REACH = 10.0  # ranges of the outputs by which a transformed prediction may exceed them
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


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
        transformer: of the outputs, such as `PowerTransformer()` of scikit-learn for
            costs over decades: increasing, with an inverse. Predictions are those of
            the outputs themselves, at most ten times their range beyond them.

    Attributes:
        bounds_: the same, as an array.
        transformer_: the fitted transformer, or None.
        posterior_: the fitted surrogate.
        n_features_in_: number of columns.
    """

    def __init__(
        self,
        network: str | Path = "anchored",
        kept: int = 6,
        bounds: ArrayLike | None = None,
        transformer: Any = None,
    ) -> None:
        """Keep the settings; `fit` checks them."""
        self.network = network
        self.kept = kept
        self.bounds = bounds
        self.transformer = transformer

    def fit(self, X: ArrayLike, y: ArrayLike) -> "PFNRegressor":
        """Condition on rows `(n, d)` and their outputs `(n,)`, n at least 2.

        Raises:
            ValueError: when X, y or the bounds are no finite arrays of these shapes.
        """
        enable_compilation_cache()
        make_room_for_programs()
        checks: dict[str, Any] = dict(y_numeric=True, ensure_min_samples=2)
        rows, out = validate_data(self, X, y, dtype=np.float64, **checks)  # type: ignore
        out = np.asarray(out, np.float64)
        self.bounds_ = self._box(np.asarray(rows))
        out = self._transformed(out)
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
            return self._back(self._ask(x, _quantiles, p))
        if self.transformer_ is None:
            mean, sd = self._ask(x, _moments)
            mean, sd = self._back(mean), self._scale * sd
        else:
            share, values = np.split(self._ask(x, _nodes), 2)
            values = self._back(values)
            mean = np.sum(share * values, 0)
            sd = np.sqrt(np.sum(share * (values - mean) ** 2, 0))
        return (mean, sd) if return_std else mean

    def _transformed(self, out: np.ndarray) -> np.ndarray:
        """Return the outputs as the network sees them, but for their units."""
        if self.transformer is None:
            self.transformer_ = None
            return out
        unfitted: Any = clone(self.transformer)
        self.transformer_ = unfitted.fit(out[:, None])
        ends = np.array([out.min(), out.max()])
        apart = REACH * np.array([-1, 1])
        both = np.stack([ends, ends + apart * np.ptp(ends)])
        with np.errstate(invalid="ignore", divide="ignore"):
            near, far = self.transformer_.transform(both.reshape(-1, 1)).reshape(2, 2)
        # An end out of the domain, as of a logarithm, has no value.
        self._ends = np.where(np.isfinite(far), far, near + apart * np.ptp(near))
        return self.transformer_.transform(out[:, None])[:, 0]

    def _back(self, z: np.ndarray) -> np.ndarray:
        """Return values of the network in units of the outputs."""
        values = self._centre + self._scale * z
        if self.transformer_ is None:
            return values
        values = np.clip(values, *self._ends).reshape(-1, 1)
        return self.transformer_.inverse_transform(values).reshape(z.shape)

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


@jit
def _nodes(posterior: Any, x: jax.Array) -> jax.Array:
    """Return shares and values of a quadrature over each predictive, (2 k, m)."""
    at: Any = _observed(posterior, x)
    if not isinstance(at, Mixture):
        at = Mixture(jnp.zeros((1, 1)), jax.tree.map(lambda a: a[:, None], at))
    each: Any = at.components
    values = each.loc[..., None] + each.scale[..., None] * NODES
    share = jax.nn.softmax(at.log_weights)[..., None] * WEIGHTS
    both = [jnp.broadcast_to(a, values.shape) for a in (share, values)]
    return jnp.concatenate([a.reshape(len(x), -1).T for a in both])
