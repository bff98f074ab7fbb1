"""Beliefs about an unknown factor of a covariance, noise included.

What data say of it is a function of two numbers: y' inverse(K) y and their count.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from pfnbo.predictive import Mixture, Normal, StudentT

KEPT = 64  # factors that stand for all after data


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InverseGamma:
    """The conjugate belief, under which a Gaussian process is a Student-t process.

    Source: Shah et al. 2014, arXiv 1402.4306, eq. 6.
    """

    shape: jax.Array  # () or (outputs,)
    rate: jax.Array  # alike; before data it is the shape

    def log_evidence(self, square: jax.Array, count: jax.Array) -> jax.Array:
        """Return the log evidence of one output's data, less -log|K| / 2, ()."""
        return -(self.shape + count / 2) * jnp.log1p(square / (2 * self.rate))

    def after(self, square: jax.Array, count: jax.Array) -> "InverseGamma":
        """Return the belief of each output after its data, both (outputs,)."""
        return InverseGamma(self.shape + count / 2, self.rate + square / 2)

    def marginal(self, normal: Normal) -> StudentT:
        """Return what is normal for a factor of 1, (outputs,)."""
        scale = normal.scale * jnp.sqrt(self.level)
        return StudentT(2 * self.shape, normal.loc, scale)

    def roots(self, key: jax.Array, n: int) -> jax.Array:
        """Return draws of the root of the factor of each output, (n, outputs)."""
        shape = jnp.broadcast_to(self.shape[None], (n, *self.shape.shape))
        return jnp.sqrt(self.rate[None] / jax.random.gamma(key, shape))

    @property
    def level(self) -> jax.Array:
        """The square of the scale of the marginals, (outputs,)."""
        return self.rate / self.shape


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Weighed:
    """Any belief: draws from it, weighed by how well they explain the data.

    Source: Lee et al. 2022, arXiv 2107.01408 (importance sampling).
    """

    values: jax.Array  # (k,) in order, or (outputs, k) after data
    effective: jax.Array  # () or (outputs,) how many draws count

    def _fit(self, square: jax.Array, count: jax.Array) -> jax.Array:
        return -count / 2 * jnp.log(self.values) - square / (2 * self.values)

    def log_evidence(self, square: jax.Array, count: jax.Array) -> jax.Array:
        """Return the log evidence of one output's data, less -log|K| / 2, ()."""
        return logsumexp(self._fit(square, count)) - jnp.log(self.values.size)

    def after(self, square: jax.Array, count: jax.Array) -> "Weighed":
        """Return the belief of each output after its data, both (outputs,).

        It is told by the quantiles of the weighed draws.
        """

        def one(square, count):
            weight = jax.nn.softmax(self._fit(square, count))
            below = jnp.cumsum(weight) - weight / 2
            levels = (jnp.arange(KEPT, dtype=below.dtype) + 0.5) / KEPT
            kept = jnp.exp(jnp.interp(levels, below, jnp.log(self.values)))
            return kept, 1 / jnp.sum(weight**2)

        return Weighed(*jax.vmap(one)(square, count))

    def marginal(self, normal: Normal) -> Mixture:
        """Return what is normal for a factor of 1, (outputs,)."""
        loc, scale = (jnp.asarray(a)[..., None] for a in (normal.loc, normal.scale))
        each = Normal(loc, scale * jnp.sqrt(self.values))
        return Mixture(jnp.zeros_like(self.values), each)

    def roots(self, key: jax.Array, n: int) -> jax.Array:
        """Return draws of the root of the factor of each output, (n, outputs)."""
        outputs, k = self.values.shape
        picks = jax.random.randint(key, (n, outputs), 0, k)
        return jnp.sqrt(self.values[jnp.arange(outputs)[None], picks])

    @property
    def level(self) -> jax.Array:
        """The mean, (outputs,)."""
        return jnp.mean(self.values, -1)
