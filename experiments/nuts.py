"""A fully Bayesian Gaussian process, the reference of the studies of networks.

NUTS (Hoffman and Gelman 2014, arXiv 1111.4246) draws the hyper-parameters from the
prior and likelihood that `GP` maximises.
"""

import functools

import blackjax
import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data
from pfnbo.kernel import limits, log_marginal_likelihood, log_prior, start
from pfnbo.surrogates.gp import condition
from pfnbo.surrogates.particles import ParticlePosterior, repeat

KERNEL = "matern52"


class Nuts:
    """A Gaussian process whose hyper-parameters are drawn by NUTS."""

    def __init__(self, warmup: int, draws: int, kept: int = 32):
        """Keep the lengths of the chain; `kept` draws make the mixture."""
        self.warmup, self.draws, self.kept = warmup, draws, kept

    def fit(self, key: jax.Array, data: Data) -> ParticlePosterior:
        """Return the posterior of the only output."""
        theta = _chain(key, data, self.warmup, self.draws)
        theta = theta[:: self.draws // self.kept][: self.kept]
        flat = jnp.zeros(len(theta))
        members = condition(theta, repeat(data, len(theta)), flat, KERNEL)
        return ParticlePosterior(members, jax.nn.log_softmax(flat)[None])


@functools.partial(jax.jit, static_argnames=("warmup", "draws"))
def _chain(key, data: Data, warmup: int, draws: int) -> jax.Array:
    low, high = limits(data.x.shape[1], True)

    def log_density(free):
        # The box of theta by a logistic map, whose slope belongs to the density.
        theta = low + (high - low) * jax.nn.sigmoid(free)
        slope = jnp.sum(jax.nn.log_sigmoid(free) + jax.nn.log_sigmoid(-free))
        args = data.x, data.y[0], data.seen[0], KERNEL
        return log_marginal_likelihood(theta, *args) + log_prior(theta, KERNEL) + slope

    share = (start(data.x.shape[1], 0.3, 1e-4) - low) / (high - low)
    first = jnp.asarray(np.log(share / (1 - share)))
    adapt, run = jax.random.split(key)
    adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
    (state, parameters), _ = adaptation.run(adapt, first, num_steps=warmup)
    kernel = blackjax.nuts(log_density, **parameters).step

    def one(state, key):
        state, _ = kernel(key, state)
        return state, state.position

    _, free = jax.lax.scan(one, state, jax.random.split(run, draws))
    return low + (high - low) * jax.nn.sigmoid(free)
