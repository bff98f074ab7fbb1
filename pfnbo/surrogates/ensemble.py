"""Ensembles of networks, each trained on data and towards weights of its own."""

import functools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.surrogates.descent import descend
from pfnbo.surrogates.gauss_newton import (
    Table,
    candidates,
    minimize,
    most_likely,
    residuals,
)
from pfnbo.surrogates.members import MemberPosterior, head, posterior_of
from pfnbo.surrogates.mlp import MLP, Network
from pfnbo.surrogates.weights import WeightPrior, suited, weights, whitened

ROUNDS = 2  # of heads, and of members that believe them
HEAD_STEPS = 100


@dataclass(frozen=True)
class Ensemble:
    """Networks that are each a posterior draw, exactly so where they are linear.

    A member is trained on targets with noise added, and towards a draw from the prior
    of its weights: without the added noise nearly all doubt would be lost.

    Args:
        members: number of networks.
        network: their form.
        noise: None learns the noise by how well a network, linear around its best
            weights, predicts each row from the others; a number is its standard
            deviation in units of the standardised output, at least 0.001.
        steps: of the training of each.
        heads: whether each member learns how the noise varies, by a network of its own.
        prior: of the weights; None has all unit normal.

    Source: Pearce et al. 2020, arXiv 1810.05546 (anchors); Bardsley et al. 2014
    (randomise, then optimise); Lakshminarayanan et al. 2017, arXiv 1612.01474 (heads).
    """

    members: int = 16
    network: MLP = MLP()
    noise: float | None = None
    steps: int = 30
    heads: bool = False
    prior: WeightPrior | None = None

    def __post_init__(self):
        """Refuse an ensemble of one."""
        if self.members < 2:
            raise SettingError(f"members is {self.members}: at least 2 are needed.")

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return members of every output."""
        noises = candidates(self.noise, data.x.dtype)
        prior = suited(self.prior, self.network, data.x)
        plain = replace(self, prior=None)
        params, noise, heads = _train(key, data, noises, prior, plain)
        return posterior_of(data, params, noise, self.network, heads=heads)


@functools.partial(jit, static_argnames="model")
def _train(key, data: Data, noises, prior, model: Ensemble):
    """Return parameters (outputs, members, p), noise variances, and heads or None."""
    network, steps = model.network, model.steps
    unit = whitened(network, prior)

    def one(key, y, seen):
        keys = jax.random.split(key, 1 + model.members)
        table = Table(data.x, y, seen)
        if len(noises) > 1:
            _, noise, _ = most_likely(keys[0], unit, table, noises, steps)
        else:
            noise = noises[0]

        def member(key):
            to_anchor, to_error = jax.random.split(key)
            size = (network.size(data.x.shape[1]),)
            anchor = jax.random.normal(to_anchor, size, y.dtype)
            error = jax.random.normal(to_error, y.shape, y.dtype)

            def fitted(start, noise):
                other = jnp.where(seen, y + jnp.sqrt(noise) * error, 0)
                own = table._replace(y=other)
                return minimize(unit, own, start, anchor, noise, steps)

            z, own = fitted(anchor, noise), None
            for _ in range(ROUNDS * model.heads):
                own = _head(network, unit, table, z, noise)
                at = jax.vmap(functools.partial(head, network, own))(data.x)
                z = fitted(z, noise * jnp.exp(at))
            return z, own

        z, heads = jax.vmap(member)(keys[1:])
        return weights(prior, z), jnp.full(model.members, noise), heads

    return jax.vmap(one)(jax.random.split(key, len(data.y)), data.y, data.seen)


def _head(network: MLP, unit: Network, table: Table, z: jax.Array, noise) -> jax.Array:
    """Return parameters of the log noise variance, over its level, of one member.

    A member was trained on noise of its own, so that its misses of the data are as
    large as the noise, where those of a network trained on the data are too small.
    """
    squares = residuals(unit, z, table) ** 2 / noise

    def loss(place):
        at = jax.vmap(functools.partial(head, network, place))(table.x)
        each = jnp.where(table.seen, at + squares * jnp.exp(-at), 0)
        return jnp.sum(each) / 2 + jnp.sum(place**2) / 2

    drawn = jax.random.normal(jax.random.key(0), z.shape, z.dtype)
    still = drawn.at[-network.last(table.x.shape[1]) :].set(0)
    return descend(loss, still, HEAD_STEPS)[0]
