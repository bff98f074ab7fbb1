"""Student-t processes: Gaussian processes of unknown scale, integrated exactly."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.predictive import Normal, StudentT
from pfnbo.surrogates.draws import NoiseFree
from pfnbo.surrogates.gp import GP, GPPosterior
from pfnbo.surrogates.nngp import NNGP


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StudentPosterior:
    """A Gaussian process whose variances, noise included, have an unknown factor."""

    process: GPPosterior
    shape: jax.Array  # () of the inverse-gamma prior of the factor, and its rate

    @property
    def df(self) -> jax.Array:
        """Degrees of freedom of every marginal, (outputs,)."""
        return 2 * self.shape + jnp.sum(self.seen, 1)

    @property
    def factor(self) -> jax.Array:
        """Squared scale of the marginals over the variance of the process, (outputs,).

        Source: Shah et al. 2014, arXiv 1402.4306, eq. 6.
        """
        square = jnp.sum(self.y * self.process.alpha, 1)
        return (2 * self.shape + square) / self.df

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> StudentT:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return self._student(self.process.predict(x))

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> StudentT:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        return self._student(self.process.observe(x))

    def _student(self, normal: Normal) -> StudentT:
        return StudentT(self.df, normal.loc, normal.scale * jnp.sqrt(self.factor))

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        return self.process.means(x)

    def _sizes(self, key: jax.Array, n: int) -> jax.Array:
        """Return draws of the root of the factor, (n, outputs)."""
        df = jnp.broadcast_to(self.df[None], (n, len(self.y)))
        gamma = jax.random.gamma(key, df / 2)
        return jnp.sqrt(self.factor[None] * df / 2 / gamma)

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
        return mean + self._sizes(to_size, n)[:, :, None] * (draws - mean)

    def path(self, key: jax.Array) -> "StudentPath":
        """Return one joint draw of the latent outputs as a function of the point."""
        to_size, draw = jax.random.split(key)
        size = self._sizes(to_size, 1)[0]
        return StudentPath(self.process, self.process.path(draw), size)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> "StudentNoiseFree":
        """Return draws as `GPPosterior.noise_free` does."""
        to_size, draw = jax.random.split(key)
        draws = self.process.noise_free(draw, n, quiet)
        size = self._sizes(to_size, n)
        mean = self.fitted[None]
        apart = size[:, :, None] * (draws.values - mean)
        values = jnp.where(self.seen[None], mean + apart, 0)
        root = draws.shared.root
        solved = jnp.einsum("son,omn,omk->sok", values, root, root)
        return StudentNoiseFree(replace(draws, values=values, alpha=solved), size)

    def condition(self, data: Data) -> "StudentPosterior":
        """Return the posterior after other data, hyper-parameters unchanged."""
        return StudentPosterior(self.process.condition(data), self.shape)

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
        """Noise variances at the most likely factor, (outputs,)."""
        return self.process.noise * self.factor


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StudentPath:
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
class StudentNoiseFree:
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

    def __post_init__(self):
        """Refuse a prior that is none."""
        if not self.shape > 0:
            raise SettingError(f"shape is {self.shape}: a number above 0 is wanted.")

    def fit(self, key: jax.Array, data: Data) -> StudentPosterior:
        """Return the maximum a posteriori fit of every output; nothing is random."""
        del key
        model = self.gp.gp if isinstance(self.gp, NNGP) else self.gp
        process = model.search(data, self.shape)
        return StudentPosterior(process, jnp.asarray(self.shape, data.x.dtype))
