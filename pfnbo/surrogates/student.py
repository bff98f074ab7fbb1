"""Gaussian processes of unknown scale: Student-t processes and their kin."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.predictive import Normal, Predictive
from pfnbo.surrogates.draws import NoiseFree
from pfnbo.surrogates.factors import InverseGamma, Weighed
from pfnbo.surrogates.gp import GP, GPPosterior
from pfnbo.surrogates.nngp import NNGP

EFFECTIVE = 16  # draws of a factor that have to count


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ScaledPosterior:
    """A Gaussian process whose variances, noise included, have an unknown factor."""

    process: GPPosterior
    prior: InverseGamma | Weighed  # of the factor, one for all outputs

    @property
    def factor(self) -> InverseGamma | Weighed:
        """The factor of each output after the data."""
        square = jnp.sum(self.y * self.process.alpha, 1)
        return self.prior.after(square, jnp.sum(self.seen, 1))

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return self.factor.marginal(self.process.predict(x))

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        return self.factor.marginal(self.process.observe(x))

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        return self.process.means(x)

    def covariance(
        self,
        a: jax.Array,  # (p, d)
        b: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the posterior covariance at the middle factor, (outputs, p, q)."""
        return self.factor.level[:, None, None] * self.process.covariance(a, b)

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        to_size, draw = jax.random.split(key)
        mean = self.means(x)[None]
        draws = self.process.sample(draw, x, n)
        return mean + self.factor.roots(to_size, n)[:, :, None] * (draws - mean)

    def path(self, key: jax.Array) -> "ScaledPath":
        """Return one joint draw of the latent outputs as a function of the point."""
        to_size, draw = jax.random.split(key)
        size = self.factor.roots(to_size, 1)[0]
        return ScaledPath(self.process, self.process.path(draw), size)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> "ScaledNoiseFree":
        """Return draws as `GPPosterior.noise_free` does."""
        to_size, draw = jax.random.split(key)
        draws = self.process.noise_free(draw, n, quiet)
        size = self.factor.roots(to_size, n)
        mean = self.fitted[None]
        apart = size[:, :, None] * (draws.values - mean)
        values = jnp.where(self.seen[None], mean + apart, 0)
        root = draws.shared.root
        solved = jnp.einsum("son,omn,omk->sok", values, root, root)
        return ScaledNoiseFree(replace(draws, values=values, alpha=solved), size)

    def condition(self, data: Data) -> "ScaledPosterior":
        """Return the posterior after other data, hyper-parameters unchanged."""
        return replace(self, process=self.process.condition(data))

    @property
    def x(self) -> jax.Array:
        """Rows of the data, (n, d)."""
        return self.process.x

    @property
    def y(self) -> jax.Array:
        """Observed outputs, (outputs, n)."""
        return self.process.y

    @property
    def seen(self) -> jax.Array:
        """Which outputs are known, (outputs, n) bool."""
        return self.process.seen

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self.process.fitted

    @property
    def length_scales(self) -> jax.Array:
        """Those of the process, (outputs, d)."""
        return self.process.length_scales

    @property
    def noise(self) -> jax.Array:
        """Noise variances at the middle factor, (outputs,)."""
        return self.process.noise * self.factor.level


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ScaledPath:
    """One posterior draw of all latent outputs, a function of the point."""

    process: GPPosterior
    draw: Any
    size: jax.Array  # (outputs,)

    def __call__(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""
        mean = self.process.means(x[None])[:, 0]
        return mean + self.size * (self.draw(x) - mean)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ScaledNoiseFree:
    """Posteriors after noise-free data, each with a factor of its own."""

    draws: NoiseFree
    size: jax.Array  # (s, outputs)

    @property
    def values(self) -> jax.Array:
        """The drawn values at the data, (s, outputs, n)."""
        return self.draws.values

    @property
    def seen(self) -> jax.Array:
        """Which values belong to observations, (outputs, n) bool."""
        return self.draws.seen

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, (s, outputs)."""
        normal = self.draws.predict(x)
        return Normal(normal.loc, normal.scale * self.size)


@dataclass(frozen=True)
class TProcess:
    """A Student-t process: the scale of a Gaussian process is integrated out.

    The factor of its covariance, noise included, is inverse gamma; for an infinite
    network that is the variance of the weights of its last layer.

    Args:
        gp: the Gaussian process, `GP` or `NNGP`.
        shape: shape and rate of the prior of the factor; many make it a GP again.

    Source: Shah et al. 2014, arXiv 1402.4306; Lee et al. 2022, arXiv 2107.01408.
    """

    gp: GP | NNGP = NNGP()
    shape: float = 2.0
    exact = True

    def __post_init__(self):
        """Refuse a prior that is none."""
        if not self.shape > 0:
            raise SettingError(f"shape is {self.shape}: a number above 0 is wanted.")

    def fit(self, key: jax.Array, data: Data) -> ScaledPosterior:
        """Return the maximum a posteriori fit of every output; nothing is random."""
        del key
        shape = jnp.asarray(self.shape, data.x.dtype)
        return _fit(self.gp, data, InverseGamma(shape, shape))


@dataclass(frozen=True)
class ScaleMixture:
    """A Gaussian process whose scale has any prior, integrated by its draws.

    For an infinite network it is the prior of the variance of the weights of its last
    layer. The draws are quantiles of the prior, so that nothing is random, and weighed
    by the data.

    Args:
        factor: prior of the factor of its covariance, noise included, a distribution
            of SciPy: `scipy.stats.burr12(2, 1)`.
        gp: the Gaussian process, `GP` or `NNGP`.
        draws: number of quantiles.

    Source: Lee et al. 2022, arXiv 2107.01408.
    """

    factor: Any
    gp: GP | NNGP = NNGP()
    draws: int = 1000
    exact = True

    def __post_init__(self):
        """Refuse a prior that is none, or of what may not be a factor."""
        if self.draws < EFFECTIVE:
            raise SettingError(
                f"draws is {self.draws}: at least {EFFECTIVE} are wanted."
            )
        try:
            positive = np.all(self._quantiles() > 0)
        except (AttributeError, TypeError):  # no distribution, or one of no shape
            positive = False
        if not positive:
            raise SettingError(
                f"factor is {self.factor!r}: wanted a distribution of positive "
                "numbers, scipy.stats.burr12(2, 1) say."
            )

    def _quantiles(self) -> np.ndarray:
        return self.factor.ppf((np.arange(self.draws) + 0.5) / self.draws)

    def fit(self, key: jax.Array, data: Data) -> ScaledPosterior:
        """Return the maximum a posteriori fit of every output; nothing is random.

        Warns where few draws of the factor explain the data.
        """
        del key
        values = jnp.asarray(self._quantiles(), data.x.dtype)
        prior = Weighed(values, jnp.asarray(float(self.draws), data.x.dtype))
        posterior = _fit(self.gp, data, prior)
        effective = float(np.min(posterior.factor.effective))  # type: ignore[attr-defined]
        if effective < EFFECTIVE:
            warnings.warn(
                f"only {effective:.1f} of {self.draws} draws of the factor count: type "
                f"draws={10 * self.draws}, or a narrower prior.",
                stacklevel=2,
            )
        return posterior


def _fit(gp: GP | NNGP, data: Data, prior: InverseGamma | Weighed) -> ScaledPosterior:
    model = gp.gp if isinstance(gp, NNGP) else gp
    return ScaledPosterior(model.search(data, prior), prior)
