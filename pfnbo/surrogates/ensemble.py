"""Ensembles of networks, each trained on data and towards weights of its own."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.surrogates.gauss_newton import Table, candidates, minimize, most_likely
from pfnbo.surrogates.members import MemberPosterior, posterior_of
from pfnbo.surrogates.mlp import MLP
from pfnbo.surrogates.weights import WeightPrior, suited, weights, whitened


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
        prior: of the weights; None has all unit normal.

    Source: Pearce et al. 2020, arXiv 1810.05546 (anchors); Bardsley et al. 2014
    (randomise, then optimise).
    """

    members: int = 16
    network: MLP = MLP()
    noise: float | None = None
    steps: int = 30
    prior: WeightPrior | None = None

    def __post_init__(self):
        """Refuse an ensemble of one."""
        if self.members < 2:
            raise SettingError(f"members is {self.members}: at least 2 are needed.")

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return members of every output."""
        noises = candidates(self.noise, data.x.dtype)
        prior = suited(self.prior, self.network, data.x)
        params, noise = _train(
            key, data, noises, prior, self.network, self.members, self.steps
        )
        return posterior_of(data, params, noise, self.network)


@functools.partial(jit, static_argnames=("network", "members", "steps"))
def _train(key, data: Data, noises, prior, network: MLP, members: int, steps: int):
    """Return parameters (outputs, members, p) and noise variances."""
    unit = whitened(network, prior)

    def one(key, y, seen):
        keys = jax.random.split(key, 1 + members)
        table = Table(data.x, y, seen)
        if len(noises) > 1:
            _, noise = most_likely(keys[0], unit, table, noises, steps)
        else:
            noise = noises[0]

        def member(key):
            to_anchor, to_error = jax.random.split(key)
            size = (network.size(data.x.shape[1]),)
            anchor = jax.random.normal(to_anchor, size, y.dtype)
            error = jnp.sqrt(noise) * jax.random.normal(to_error, y.shape, y.dtype)
            own = table._replace(y=jnp.where(seen, y + error, 0))
            return minimize(unit, own, anchor, anchor, noise, steps)

        z = jax.vmap(member)(keys[1:])
        return weights(prior, z), jnp.full(members, noise)

    return jax.vmap(one)(jax.random.split(key, len(data.y)), data.y, data.seen)
