"""Bayesian networks sampled by Hamiltonian Monte Carlo with friction, in small steps.

No step is rejected, so the draws are biased by the size of the steps: cheaper than
`HMC` and less to be trusted.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.surrogates.chains import Diagnostics, check, warn
from pfnbo.surrogates.density import (
    Sampling,
    followed,
    log_density,
    prepare,
    thinned,
)
from pfnbo.surrogates.members import MemberPosterior, posterior_of
from pfnbo.surrogates.mlp import MLP

FOLLOWED = 400  # draws of each chain that the diagnostics read


@dataclass(frozen=True)
class SGHMC:
    """A Bayesian network sampled with friction, each weight at a pace of its own.

    The gradients are those of all data, which are few.

    Args:
        network: the form of the network.
        noise: None samples the noise under a tight log-normal prior; a number fixes its
            standard deviation in units of the standardised output, at least 0.001.
        chains: number of chains of each output.
        warmup: steps of the adaptation.
        draws: steps of each chain afterwards.
        kept: members of the posterior, spread over all draws.
        step: size of the steps.
        friction: share of the momentum lost in a step.

    Source: Chen et al. 2014, arXiv 1402.4102; Springenberg et al. 2016 (adaptation).
    """

    network: MLP = MLP()
    noise: float | None = None
    chains: int = 4
    warmup: int = 2000
    draws: int = 2000
    kept: int = 64
    step: float = 0.01
    friction: float = 0.05

    def __post_init__(self):
        """Refuse settings under which nothing moves or too little is drawn."""
        if not (self.step > 0 and 0 < self.friction < 1):
            raise SettingError(
                f"step is {self.step} and friction {self.friction}: wanted a step "
                "above 0 and a friction between 0 and 1."
            )
        check(self, dict(chains=2, warmup=1, draws=4, kept=2))

    @property
    def _every(self) -> int:
        """Of how many draws the diagnostics read one."""
        return max(1, self.draws // FOLLOWED)

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return networks drawn from near the posterior of every output.

        Warns where the chains disagree, in the function at the data, and says what to
        change. A chain that runs away counts as diverged from there on; its finite
        draws are kept.

        Raises:
            SettingError: when no draw of an output is finite.
        """
        start, sample = jax.random.split(key)
        begin = prepare(start, data, self.network, self.noise, self.chains)
        with jax.enable_x64(False):
            drawn = _sample(sample, begin, self)
        params, noises, diagnostics = jax.tree.map(np.asarray, drawn)
        longer = f"SGHMC(warmup={2 * self.warmup}, draws={2 * self.draws})"
        calmer = f"SGHMC(step={self.step / 2:g})"
        if not np.isfinite(params).all():
            raise SettingError(f"every chain ran away: type {calmer}.")
        read = self.chains * math.ceil(self.draws / self._every)
        warn(diagnostics, read, longer, calmer)
        return posterior_of(data, params, noises, self.network, diagnostics)


@functools.partial(jit, static_argnames="model")
def _sample(key, begin: Sampling, model: SGHMC) -> Any:
    """Return parameters (outputs, kept, p), noise variances and diagnostics."""
    data, starts, mean, sd, _ = begin
    y, seen = (jnp.repeat(a, model.chains, 0) for a in (data.y, data.seen))

    def chain(key, start, y, seen):
        def potential(place):
            return -log_density(model.network, data.x, y, seen, place, mean, sd)

        return _chain(key, jax.grad(potential), start, model)

    places = jax.vmap(chain)(jax.random.split(key, len(starts)), starts, y, seen)
    by_output = places.reshape(len(data.y), model.chains, *places.shape[1:])
    # Draws follow each other closely, and a part of them tells as much.
    by_output = by_output[:, :, :: model._every]
    lost = ~jnp.all(jnp.isfinite(by_output), -1)
    told = Diagnostics(
        *followed(model.network, by_output, data),
        divergences=jnp.sum(lost, (1, 2)),
        acceptance=jnp.ones(len(data.y), data.x.dtype),  # nothing is rejected
    )
    return *thinned(places, begin, model.kept), told


def _chain(key, slope, start, model: SGHMC) -> jax.Array:
    """Return the draws of one chain, (draws, p + 1)."""
    keys = jax.random.split(key, model.warmup + model.draws)
    one = jnp.ones_like(start)
    state = start, jnp.zeros_like(start), (one, one, one)

    def body(adapt, state, key):
        place, momentum, (window, mean, square) = state
        g = slope(place)
        if adapt:  # running moments of the slopes, over windows of their own
            share = 1 / (window + 1)
            longer = 1 + window * (1 - mean**2 / (square + 1e-16))
            moved = mean + share * (g - mean), square + share * (g**2 - square)
            window, mean, square = longer, *moved
        pace = 1 / jnp.sqrt(square + 1e-16)
        kick = 2 * model.friction * pace * model.step**2
        noise = jax.random.normal(key, place.shape, place.dtype)
        momentum = (
            (1 - model.friction) * momentum
            - model.step**2 * pace * g
            + jnp.sqrt(kick) * noise
        )
        place = place + momentum
        return (place, momentum, (window, mean, square)), place

    warm, cold = keys[: model.warmup], keys[model.warmup :]
    state, _ = jax.lax.scan(functools.partial(body, True), state, warm)
    _, places = jax.lax.scan(functools.partial(body, False), state, cold)
    return places
