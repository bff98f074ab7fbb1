"""Surrogates whose doubts are corrected by how rows held out were predicted."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.isotonic import Isotonic, shares
from pfnbo.predictive import Normal, Predictive, stretched

METHODS = ("scale", "isotonic")
TRUST = 4  # observations that the deviations are worth, as they came


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecalibratedPosterior:
    """A posterior with other doubts.

    All deviations are multiplied by a factor and then, if isotonic, all probabilities
    pass an increasing map; the joint draws of several points keep their ranks.
    """

    base: Any
    factor: jax.Array  # (outputs,) of the deviations
    shares: jax.Array  # (outputs, k) as in `Isotonic`
    isotonic: bool = field(metadata=dict(static=True))

    def _told(self, base: Any) -> Predictive:
        told = stretched(base, self.factor)
        return Isotonic(told, self.shares) if self.isotonic else told

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return self._told(self.base.predict(x))

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        return self._told(self.base.observe(x))

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        if not self.isotonic:
            return self.base.means(x)
        return jax.vmap(lambda row: self.predict(row).mean, out_axes=1)(x)

    def moved(
        self,
        x: jax.Array,  # (d,)
        values: jax.Array,  # (..., outputs) of the base
    ) -> jax.Array:
        """Return the values of the same rank in the corrected marginals at a point."""
        base = self.base.predict(x)
        mean, factor = (
            a.reshape((1,) * (values.ndim - 1) + (-1,))
            for a in (base.mean, self.factor)
        )
        values = mean + factor * (values - mean)
        if not self.isotonic:
            return values
        told, info = stretched(base, self.factor), jnp.finfo(values.dtype)
        p = jnp.clip(told.cdf(values), info.tiny, 1 - info.eps)
        return Isotonic(told, self.shares).icdf(p)

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        draws = self.base.sample(key, x, n)
        return jax.vmap(self.moved, (0, -1), -1)(x, draws)

    def path(self, key: jax.Array) -> "RecalibratedPath":
        """Return one joint draw of the latent outputs as a function of the point."""
        return RecalibratedPath(self, self.base.path(key))

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> "RecalibratedDraws":
        """Return `n` posteriors, each after a joint draw of the latents at the data.

        They are normal, so that the factor corrects them, whatever the method.
        """
        draws = self.base.noise_free(key, n, quiet)
        return RecalibratedDraws(replace(self, isotonic=False), draws)

    def condition(self, data: Data) -> "RecalibratedPosterior":
        """Return the posterior after other data, the correction unchanged."""
        return replace(self, base=self.base.condition(data))

    @property
    def covariance(self) -> Any:
        """The base's correlations of two sets of points, with corrected deviations."""
        base = self.base.covariance

        def corrected(a: jax.Array, b: jax.Array) -> jax.Array:
            to_a, to_b = (jax.vmap(self._wider, out_axes=1)(x) for x in (a, b))
            return to_a[:, :, None] * to_b[:, None] * base(a, b)

        return corrected

    def _wider(self, x: jax.Array) -> jax.Array:
        """Return by how much the deviations at one point are corrected, (outputs,)."""
        if not self.isotonic:
            return self.factor
        return jnp.sqrt(self.predict(x).var / self.base.predict(x).var)

    @property
    def x(self) -> jax.Array:
        """Rows of the data, (n, d)."""
        return self.base.x

    @property
    def y(self) -> jax.Array:
        """Observed outputs, (outputs, n)."""
        return self.base.y

    @property
    def seen(self) -> jax.Array:
        """Which outputs are known, (outputs, n) bool."""
        return self.base.seen

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self.means(self.x) if self.isotonic else self.base.fitted

    @property
    def noise(self) -> jax.Array:
        """Noise variances, (outputs,)."""
        return self.factor**2 * self.base.noise

    @property
    def length_scales(self) -> jax.Array:
        """Length-scales of the outputs, (outputs, d)."""
        return self.base.length_scales


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecalibratedPath:
    """A draw of the base, moved to the corrected marginals."""

    posterior: RecalibratedPosterior
    base: Any

    def __call__(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""
        return self.posterior.moved(x, self.base(x))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecalibratedDraws:
    """Noise-free posteriors of the base, further from its means."""

    posterior: RecalibratedPosterior
    base: Any

    @property
    def values(self) -> jax.Array:
        """Drawn values at the data, (s, outputs, n)."""
        move = jax.vmap(self.posterior.moved, (0, -1), -1)
        values = move(self.posterior.x, self.base.values)
        return jnp.where(self.seen[None], values, 0)

    @property
    def seen(self) -> jax.Array:
        """Which values belong to observations, (outputs, n) bool."""
        return self.base.seen

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, (s, outputs)."""
        told = self.base.predict(x)
        mean = self.posterior.base.predict(x).mean
        return stretched(told, self.posterior.factor[None], mean[None])


@dataclass(frozen=True)
class Recalibrated:
    """A surrogate whose doubts are made as large as its errors on rows held out.

    Where the posterior knows its leave-one-out predictions, these serve; elsewhere the
    surrogate is fitted without each fold, too.

    Args:
        surrogate: what predicts.
        method: "scale" multiplies all deviations by the ratio of errors to doubts,
            "isotonic" then gives every quantile the probability that it turned out to
            have.
        folds: parts of the rows, held out by turns.

    Source: Levi et al. 2022, arXiv 1905.11659 (scale); Kuleshov et al. 2018, arXiv
    1807.00263 (isotonic).
    """

    surrogate: Any
    method: str = "scale"
    folds: int = 5

    def __post_init__(self):
        """Refuse an unknown method and a single fold."""
        _check(self.method)
        if self.folds < 2:
            raise SettingError(f"folds is {self.folds}: at least 2 are needed.")

    def fit(self, key: jax.Array, data: Data) -> RecalibratedPosterior:
        """Return the corrected posterior of every output."""
        whole, rest = jax.random.split(key)
        posterior = self.surrogate.fit(whole, data)
        if hasattr(posterior, "leave_one_out"):
            told = _left_out(posterior)
        else:
            told = self._held_out(rest, data)
        return _corrected(posterior, told, data.y, data.seen, self.method)

    @property
    def exact(self) -> bool:
        """Whether the base conditions exactly on more data."""
        return getattr(self.surrogate, "exact", False)

    def told(self, rows: int, columns: int, posterior: Any = None) -> str:
        """Return what predicts, for the words of a result."""
        told, base = getattr(self.surrogate, "told", None), posterior and posterior.base
        name = told(rows, columns, base) if told else type(self.surrogate).__name__
        return f"Recalibrated({name})"

    def _held_out(self, key: jax.Array, data: Data) -> Predictive:
        """Return predictions of each row by the fit without its fold, (outputs, n)."""
        seen = np.asarray(data.seen)
        fold, told = np.cumsum(seen.any(0)) % self.folds, None
        for i, own in enumerate(jax.random.split(key, self.folds)):
            rest = seen & (fold != i)
            less = replace(data, y=np.where(rest, data.y, 0), seen=rest)
            new = _observed(self.surrogate.fit(own, less), data.x)
            told = new if told is None else _rows(fold == i, new, told)
        return told  # type: ignore[return-value]  # there are two folds or more


def recalibrated(
    posterior: Any, x: jax.Array, y: jax.Array, method: str = "scale"
) -> RecalibratedPosterior:
    """Return a posterior corrected by observations that it has not seen.

    Args:
        posterior: what `fit` of any surrogate returned.
        x: rows of the unit cube `(n, d)`.
        y: observations `(outputs, n)`, standardised as those of the fit were; of one
            output `(n,)` will do. A NaN is unknown.
        method: as of `Recalibrated`.

    Raises:
        SettingError: when there is no such method, or the shapes do not agree.
    """
    _check(method)
    with jax.enable_x64(True):
        told = _observed(posterior, jnp.asarray(x))
        wanted = told.mean.shape
        if np.shape(y) != wanted and (1, *np.shape(y)) != wanted:
            raise SettingError(f"y has the shape {np.shape(y)}: wanted {wanted}.")
        y = jnp.reshape(jnp.asarray(y), wanted)
        return _corrected(posterior, told, y, jnp.isfinite(y), method)


def _check(method: str) -> None:
    if method not in METHODS:
        raise SettingError(f"method is {method!r}: wanted one of {METHODS}.")


@jax.jit
def _observed(posterior: Any, x: jax.Array) -> Any:
    """Return the marginals of observations at rows `(n, d)`, (outputs, n)."""
    return jax.vmap(posterior.observe, out_axes=1)(x)


@jax.jit
def _left_out(posterior: Any) -> Any:
    return posterior.leave_one_out()


@jax.jit
def _rows(own: jax.Array, new: Any, old: Any) -> Any:
    """Return the new predictions of some rows `(n,)`, and the old ones of others."""

    def pick(a, b):
        return jnp.where(own.reshape(1, -1, *(1,) * (a.ndim - 2)), a, b)

    return jax.tree.map(pick, new, old)


def _corrected(posterior, told, y, seen, method: str) -> RecalibratedPosterior:
    """Return the posterior with what predictions of rows held out ask for."""
    factor, left = _correction(told, y, seen)
    return RecalibratedPosterior(posterior, factor, left, method == "isotonic")


@jax.jit
def _correction(told, y, seen) -> tuple[jax.Array, jax.Array]:
    """Return the factor (outputs,), and the shares that are left to correct.

    The variances have the factor that is expected under an inverse-gamma prior around
    1; where a prediction has no variance its error tells nothing.
    """
    squares = (y - told.mean) ** 2 / told.var
    squares = jnp.where(jnp.isfinite(told.var) & jnp.isfinite(squares), squares, 1)
    total = jnp.sum(jnp.where(seen, squares, 0), 1)
    factor = jnp.sqrt((TRUST + total) / (TRUST + jnp.sum(seen, 1)))
    pit = stretched(told, jnp.broadcast_to(factor[:, None], y.shape)).cdf(y)
    return factor, shares(pit, seen & jnp.isfinite(pit))
