"""The posterior of surrogates that are some functions, each as likely as its weight."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data
from pfnbo.predictive import Mixture, Normal
from pfnbo.surrogates.mlp import MLP

FLOOR = 1e-6  # smallest standard deviation of a prediction
SPARED = 0.5  # share of the effective members that reweighting must leave
TEMPERS = 20  # powers of the likelihood tried, each half of the last


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MemberPosterior:
    """Members of each output: networks or, after `condition`, sums of networks."""

    x: jax.Array  # (n, d)
    y: jax.Array  # (outputs, n)
    seen: jax.Array  # (outputs, n) bool
    params: jax.Array  # (outputs, s, p)
    mix: jax.Array  # (outputs, s, s) members as sums of networks
    log_weight: jax.Array  # (outputs, s), normalised
    noises: jax.Array  # (outputs, s) noise variance of each
    diagnostics: Any  # of the inference, or None
    network: MLP = field(metadata=dict(static=True))
    heads: jax.Array | None = None  # (outputs, s, p) of the noise, as in `noise_at`

    def values(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the values of all members at one point, (outputs, s)."""
        each = jax.vmap(jax.vmap(lambda p: self.network(p, x)))(self.params)
        return jnp.einsum("ost,ot->os", self.mix, each)

    def noise_at(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the noise variances of all members at one point, (outputs, s)."""
        if self.heads is None:
            return self.noises
        log_ratio = jax.vmap(jax.vmap(lambda p: head(self.network, p, x)))(self.heads)
        return self.noises * jnp.exp(log_ratio)

    def _smooth(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return a location of each member and one scale, (outputs, s), (outputs,).

        Members are a sample: kernels, shrunk to the mean so that mean and variance do
        not change (West 1993), fill the gaps with the width of Silverman 1986.
        """
        weight, values = jnp.exp(self.log_weight), self.values(x)
        mean = jnp.sum(weight * values, 1, keepdims=True)
        var = jnp.sum(weight * (values - mean) ** 2, 1)
        h = (4 / 3 * jnp.sum(weight**2, 1)) ** 0.2
        h = jnp.minimum(h, 0.999)
        shrink = jnp.sqrt(1 - h**2)[:, None]
        return mean + shrink * (values - mean), jnp.sqrt(h**2 * var + FLOOR**2)

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Mixture:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        loc, scale = self._smooth(x)
        return Mixture(self.log_weight, Normal(loc, scale[:, None]))

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> Mixture:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        loc, scale = self._smooth(x)
        scale = jnp.sqrt(scale[:, None] ** 2 + self.noise_at(x))
        return Mixture(self.log_weight, Normal(loc, scale))

    def parts(
        self,
        x: jax.Array,  # (d,)
    ) -> tuple[jax.Array, jax.Array]:
        """Return the epistemic and the aleatoric variance at one point, (outputs,).

        They sum to the variance of an observation (law of total variance).
        """
        return self.predict(x).var, self._average(self.noise_at(x))

    def _average(self, a: jax.Array) -> jax.Array:
        """Return the weighted mean over the members, `a` (outputs, s, ...)."""
        return jnp.einsum("os,os...->o...", jnp.exp(self.log_weight), a)

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        one = lambda row: self._average(self.values(row))  # noqa: E731
        return jax.vmap(one, out_axes=1)(x)

    def covariance(
        self,
        a: jax.Array,  # (p, d)
        b: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the covariance of the members, (outputs, p, q).

        That of few members is not 0 where it should be: by 0.25 of the product of the
        deviations with 16 of them, by 0.12 with 64.
        """

        def apart(x):
            values = jax.vmap(self.values, out_axes=-1)(x)
            return values - self._average(values)[:, None]

        weight = jnp.exp(self.log_weight)
        return jnp.einsum("os,osp,osq->opq", weight, apart(a), apart(b))

    def _picks(self, key: jax.Array, n: int) -> jax.Array:
        """Return `n` members of every output at random, (n, outputs)."""
        shape = (n, self.log_weight.shape[0])
        return jax.random.categorical(key, self.log_weight[None], -1, shape)

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        values = jax.vmap(self.values, out_axes=-1)(x)
        return _picked(values, self._picks(key, n))

    def path(self, key: jax.Array) -> "MemberPath":
        """Return one member of each output as a function of the point."""
        rows = _picked(self.mix, self._picks(key, 1))[0]
        return MemberPath(self.params, rows, self.network)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> "MemberDraws":
        """Return `n` members of each output, which know no noise whatever it is."""
        del quiet
        picks = self._picks(key, n)
        loc = jax.vmap(lambda row: self._smooth(row)[0], out_axes=-1)(self.x)
        values = jnp.where(self.seen[None], _picked(loc, picks), 0)
        return MemberDraws(self, picks, values)

    def condition(self, data: Data) -> "MemberPosterior":
        """Return the posterior after more data; rows seen before count once."""
        return _condition(self, data)

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self.means(self.x)

    @property
    def noise(self) -> jax.Array:
        """Mean noise variances, over the data where they differ, (outputs,)."""
        if self.heads is None:
            return self._average(self.noises)
        at = jax.vmap(lambda row: self._average(self.noise_at(row)), out_axes=1)(self.x)
        count = jnp.maximum(jnp.sum(self.seen, 1), 1)
        return jnp.sum(jnp.where(self.seen, at, 0), 1) / count

    @property
    def length_scales(self) -> jax.Array:
        """Inverse root mean square slopes over the data, (outputs, d)."""
        return _lengths(self)


def head(network: MLP, params: jax.Array, x: jax.Array) -> jax.Array:
    """Return the log of noise variance at one point over its level, () near N(0, 1)."""
    return network(params, x) * (network.weight + network.bias) ** -0.5


def posterior_of(
    data: Data,
    params: Any,
    noises: Any,
    network: MLP,
    diagnostics: Any = None,
    heads: Any = None,
) -> MemberPosterior:
    """Return the posterior of equally likely networks."""
    outputs, s = noises.shape
    dtype = data.x.dtype
    return MemberPosterior(
        jnp.asarray(data.x),
        jnp.asarray(data.y),
        jnp.asarray(data.seen),
        jnp.asarray(params, dtype),
        jnp.broadcast_to(jnp.eye(s, dtype=dtype)[None], (outputs, s, s)),
        jnp.full((outputs, s), -jnp.log(s), dtype),
        jnp.asarray(noises, dtype),
        diagnostics,
        network,
        heads,
    )


def few(posterior: MemberPosterior, count: int) -> MemberPosterior:
    """Return the posterior of `count` of the members that a fit returned."""
    # Members of a chain follow each other: those far apart are of several chains.
    picks = np.linspace(0, posterior.noises.shape[1] - 1, count).round().astype(int)
    return posterior_of(
        Data(posterior.x, posterior.y, posterior.seen),
        posterior.params[:, picks],
        posterior.noises[:, picks],
        posterior.network,
    )


def _picked(values: jax.Array, picks: jax.Array) -> jax.Array:
    """Return values (outputs, s, ...) of some members (n, outputs)."""
    outputs = jnp.arange(picks.shape[1])
    return values[outputs[None], picks]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MemberPath:
    """One member of each output."""

    params: jax.Array  # (outputs, s, p)
    rows: jax.Array  # (outputs, s)
    network: MLP = field(metadata=dict(static=True))

    def __call__(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""
        each = jax.vmap(jax.vmap(lambda p: self.network(p, x)))(self.params)
        return jnp.sum(self.rows * each, 1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MemberDraws:
    """Members that stand for noise-free data."""

    members: MemberPosterior
    picks: jax.Array  # (s, outputs)
    values: jax.Array  # (s, outputs, n)

    @property
    def seen(self) -> jax.Array:
        """Which values belong to observations, (outputs, n) bool."""
        return self.members.seen

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, (s, outputs)."""
        loc, scale = self.members._smooth(x)
        loc = _picked(loc, self.picks)
        return Normal(loc, jnp.broadcast_to(scale[None], loc.shape))


@jax.jit
def _lengths(posterior: MemberPosterior) -> jax.Array:
    slopes = jax.vmap(jax.jacobian(posterior.values))(posterior.x)  # (n, o, s, d)
    seen = posterior.seen.T[:, :, None, None]
    count = jnp.maximum(jnp.sum(seen, 0), 1) * posterior.mix.shape[1]
    square = jnp.sum(jnp.where(seen, slopes**2, 0), (0, 2)) / count[:, 0]
    return 1 / jnp.sqrt(square + 1e-4)


@jax.jit
def _condition(posterior: MemberPosterior, data: Data) -> MemberPosterior:
    values = jax.vmap(posterior.values, out_axes=-1)(data.x)
    noises = jax.vmap(posterior.noise_at, out_axes=-1)(data.x)
    more = data.seen.shape[1] - posterior.seen.shape[1]  # of a larger bucket
    before = jnp.pad(posterior.seen, ((0, 0), (0, more)))
    new = data.seen & ~before
    log_weight, move = jax.vmap(_update)(
        posterior.log_weight, values, noises, data.y, new
    )
    return replace(
        posterior,
        x=jnp.asarray(data.x),
        y=jnp.asarray(data.y),
        seen=data.seen | before,
        mix=move @ posterior.mix,
        log_weight=log_weight,
    )


def _update(log_weight, values, noises, y, new) -> tuple[jax.Array, jax.Array]:
    """Return weights and sums of members of one output after new observations.

    Members are weighed by as high a power of the likelihood as leaves enough of them;
    the rest of it moves them as an ensemble Kalman filter would (Frei & Künsch 2013,
    by a square root that needs no noise, Bishop et al. 2001).
    """
    miss = jnp.where(new[None], y[None] - values, 0)
    fit = -0.5 * jnp.sum(miss**2 / noises + new[None] * jnp.log(noises), 1)
    power = tempered(log_weight, fit)
    log_weight = jax.nn.log_softmax(log_weight + power * fit)
    weight = jnp.exp(log_weight)
    sd = jnp.sqrt(weight @ noises / jnp.maximum(1 - power, 1e-9))  # (n,)
    root = jnp.sqrt(jnp.maximum(weight, 1e-12))
    centre = jnp.eye(len(weight), dtype=y.dtype) - weight[None]
    apart = root[:, None] * jnp.where(new[None], centre @ values, 0) / sd[None]
    size, axes = jnp.linalg.eigh(apart @ apart.T)
    size = 1 + jnp.maximum(size, 0)
    gain = axes @ ((axes.T @ (apart @ (weight @ miss / sd))) / size)
    turn = (axes * size[None] ** -0.5) @ axes.T * (root[None] / root[:, None])
    return log_weight, weight[None] + (turn + (gain * root)[None]) @ centre


def tempered(log_weight: jax.Array, fit: jax.Array) -> jax.Array:
    """Return the highest power of a likelihood that spares enough members, or 0.

    Enough is a share of those that were effective before.
    """
    powers = jnp.asarray(0.5, fit.dtype) ** jnp.arange(TEMPERS)

    def effective(power):
        return 1 / jnp.sum(jax.nn.softmax(log_weight + power * fit) ** 2)

    enough = jax.vmap(effective)(powers) >= SPARED * effective(0.0)
    return jnp.where(jnp.any(enough), powers[jnp.argmax(enough)], 0)
