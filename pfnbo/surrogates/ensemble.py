"""Ensembles of networks, each trained on data and towards weights of its own."""

import functools
from dataclasses import dataclass

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
from pfnbo.surrogates.mlp import MLP

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
        noise: None learns the noise by Laplace's evidence; a number is its standard
            deviation in units of the standardised output, at least 0.001.
        steps: of the training of each.
        heads: whether each member learns how the noise varies, by a network of its own.

    Source: Pearce et al. 2020, arXiv 1810.05546 (anchors); Bardsley et al. 2014
    (randomise, then optimise); Lakshminarayanan et al. 2017, arXiv 1612.01474 (heads).
    """

    members: int = 16
    network: MLP = MLP()
    noise: float | None = None
    steps: int = 30
    heads: bool = False

    def __post_init__(self):
        """Refuse an ensemble of one."""
        if self.members < 2:
            raise SettingError(f"members is {self.members}: at least 2 are needed.")

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return members of every output."""
        noises = candidates(self.noise, data.x.dtype)
        params, noise, heads = _train(key, data, noises, self)
        return posterior_of(data, params, noise, self.network, heads=heads)


@functools.partial(jit, static_argnames="model")
def _train(key, data: Data, noises, model: Ensemble):
    """Return parameters (outputs, members, p), noise variances, and heads or None."""
    network, steps = model.network, model.steps

    def one(key, y, seen):
        keys = jax.random.split(key, 1 + model.members)
        table = Table(data.x, y, seen)
        if len(noises) > 1:
            _, noise = most_likely(keys[0], network, table, noises, steps)
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
                return minimize(network, own, start, anchor, noise, steps)

            params, own = fitted(anchor, noise), None
            for _ in range(ROUNDS * model.heads):
                own = _head(network, table, params, noise)
                at = jax.vmap(functools.partial(head, network, own))(data.x)
                params = fitted(params, noise * jnp.exp(at))
            return params, own

        params, heads = jax.vmap(member)(keys[1:])
        return params, jnp.full(model.members, noise), heads

    return jax.vmap(one)(jax.random.split(key, len(data.y)), data.y, data.seen)


def _head(network: MLP, table: Table, params: jax.Array, noise) -> jax.Array:
    """Return parameters of the log noise variance, over its level, of one member.

    A member was trained on noise of its own, so that its misses of the data are as
    large as the noise, where those of a network trained on the data are too small.
    """
    squares = residuals(network, params, table) ** 2 / noise

    def loss(place):
        at = jax.vmap(functools.partial(head, network, place))(table.x)
        each = jnp.where(table.seen, at + squares * jnp.exp(-at), 0)
        return jnp.sum(each) / 2 + jnp.sum(place**2) / 2

    drawn = jax.random.normal(jax.random.key(0), params.shape, params.dtype)
    still = drawn.at[-network.last(table.x.shape[1]) :].set(0)
    return descend(loss, still, HEAD_STEPS)[0]
