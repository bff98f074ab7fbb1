"""A mixture of Gaussian processes: particles of the hyper-posterior of each output."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from pfnbo.data import Data
from pfnbo.predictive import Mixture, Normal
from pfnbo.surrogates.draws import NoiseFree, Path
from pfnbo.surrogates.gp import GPPosterior
from pfnbo.surrogates.members import tempered


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ParticlePosterior:
    """Each output is a mixture of members that stand side by side in one posterior."""

    members: GPPosterior  # of (outputs * k) outputs, those of one output together
    log_weight: jax.Array  # (outputs, k), normalised
    diagnostics: Any = None  # of the inference

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Mixture:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return self._mixed(self.members.predict(x))

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> Mixture:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        return self._mixed(self.members.observe(x))

    def _mixed(self, each: Normal) -> Mixture:
        return Mixture(self.log_weight, jax.tree.map(self._apart, each))

    def _apart(self, a: jax.Array) -> jax.Array:
        return a.reshape(*self.log_weight.shape, *a.shape[1:])

    def _average(self, a: jax.Array) -> jax.Array:
        """Return the weighted mean over the members of each output."""
        return jnp.einsum("ok,ok...->o...", jnp.exp(self.log_weight), self._apart(a))

    def leave_one_out(self) -> Mixture:
        """Return predictions of each observation from the others, (outputs, n).

        The weights of the members are those after all observations.
        """
        each = jax.tree.map(self._apart, self.members.leave_one_out())
        each = jax.tree.map(lambda a: a.swapaxes(1, 2), each)
        return Mixture(self.log_weight[:, None], each)

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        return self._average(self.members.means(x))

    def covariance(
        self,
        a: jax.Array,  # (p, d)
        b: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the covariance of the mixture, (outputs, p, q).

        It is the mean of those of the members and the covariance of their means.
        """

        def apart(x):
            each = self._apart(self.members.means(x))
            return each - self.means(x)[:, None]

        weight = jnp.exp(self.log_weight)
        between = jnp.einsum("ok,okp,okq->opq", weight, apart(a), apart(b))
        return self._average(self.members.covariance(a, b)) + between

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        pick, draw = jax.random.split(key)
        outputs = len(self.log_weight)
        member = jax.random.categorical(pick, self.log_weight, shape=(n, outputs))
        each = self.members.sample(draw, x, n)
        each = each.reshape(n, *self.log_weight.shape, -1)
        return jnp.take_along_axis(each, member[:, :, None, None], 2)[:, :, 0]

    def path(self, key: jax.Array) -> Path:
        """Return one joint draw of the latent outputs, of one member each."""
        pick, draw = jax.random.split(key)
        return self._only(jax.random.categorical(pick, self.log_weight)).path(draw)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> NoiseFree:
        """Return draws as `GPPosterior.noise_free` does, of the heaviest members."""
        return self._only(jnp.argmax(self.log_weight, 1)).noise_free(key, n, quiet)

    def _only(self, member: jax.Array) -> GPPosterior:
        """Return the posterior of one member of each output, (outputs,) indices."""
        outputs, k = self.log_weight.shape
        rows = jnp.arange(outputs) * k + member
        m = self.members
        shared: Any = None  # all members have the same x
        picked = jax.tree.map(lambda a: a[rows], replace(m, x=shared))
        return replace(picked, x=m.x)

    def condition(self, data: Data) -> "ParticlePosterior":
        """Return the posterior after other data, members weighed by their evidence.

        Each member is exact. Where the evidence would leave too few of them effective,
        only as high a power of it counts as does not.
        """
        members = self.members.condition(repeat(data, self.log_weight.shape[1]))
        gain = self._apart(members.log_likelihood - self.members.log_likelihood)
        power = jax.vmap(tempered)(self.log_weight, gain)
        log_weight = jax.nn.log_softmax(self.log_weight + power[:, None] * gain)
        return replace(self, members=members, log_weight=log_weight)

    @property
    def x(self) -> jax.Array:
        """Rows of the data, (n, d)."""
        return self.members.x

    @property
    def y(self) -> jax.Array:
        """Observed outputs, (outputs, n)."""
        return self._apart(self.members.y)[:, 0]

    @property
    def seen(self) -> jax.Array:
        """Which outputs are known, (outputs, n) bool."""
        return self._apart(self.members.seen)[:, 0]

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self._average(self.members.fitted)

    @property
    def length_scales(self) -> jax.Array:
        """Geometric means over the members, (outputs, d)."""
        return jnp.exp(self._average(jnp.log(self.members.length_scales)))

    @property
    def noise(self) -> jax.Array:
        """Geometric means of the noise variances, (outputs,)."""
        return jnp.exp(self._average(jnp.log(self.members.noise)))


def repeat(data: Data, k: int) -> Data:
    """Return data in which each output stands `k` times in a row."""
    return Data(data.x, jnp.repeat(data.y, k, 0), jnp.repeat(data.seen, k, 0))
