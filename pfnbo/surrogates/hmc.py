"""Bayesian networks of finite width, sampled by Hamiltonian Monte Carlo."""

import functools
from dataclasses import dataclass, replace
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
from pfnbo.surrogates.weights import WeightPrior, whitened

SAMPLERS = ("hmc", "nuts")


@dataclass(frozen=True)
class HMC:
    """A Bayesian network whose weights and noise are sampled.

    Chains start from members of an `Ensemble`, adapt step size and diagonal mass matrix
    in windows, and then move in trajectories of fixed length, which cost a third of the
    no-U-turn sampler's and are as accurate.

    Args:
        network: the form of the network.
        noise: None samples the noise under a tight log-normal prior; a number fixes its
            standard deviation in units of the standardised output, at least 0.001.
        chains: number of chains of each output.
        warmup: steps of the adaptation.
        draws: steps of each chain afterwards.
        kept: members of the posterior, spread over all draws.
        leapfrogs: steps of one trajectory of "hmc".
        sampler: "hmc" or "nuts".
        prior: of the weights; None has all unit normal.

    Source: Li et al. 2024, arXiv 2305.20028; Cabezas et al. 2024, arXiv 2402.10797.
    """

    network: MLP = MLP()
    noise: float | None = None
    chains: int = 4
    warmup: int = 300
    draws: int = 300
    kept: int = 64
    leapfrogs: int = 150
    sampler: str = "hmc"
    prior: WeightPrior | None = None

    def __post_init__(self):
        """Refuse settings under which nothing can be learned or diagnosed."""
        if self.sampler not in SAMPLERS:
            raise SettingError(
                f"sampler is {self.sampler!r}: wanted one of {SAMPLERS}."
            )
        check(self, dict(chains=2, warmup=20, draws=4, leapfrogs=1, kept=2))

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return networks drawn from the posterior of every output.

        Warns where the chains disagree, in the function at the data, or diverge, and
        says what to change.
        """
        start, sample = jax.random.split(key)
        begin = prepare(start, data, self.network, self.noise, self.chains, self.prior)
        with jax.enable_x64(False):
            drawn = _sample(sample, begin, replace(self, prior=None))
        params, noises, diagnostics = jax.tree.map(np.asarray, drawn)
        longer = f"HMC(warmup={2 * self.warmup}, draws={2 * self.draws})"
        calmer = "HMC(noise=0.1), or more, or HMC(network=MLP(weight=4.0))"
        warn(diagnostics, self.chains * self.draws, longer, calmer)
        return posterior_of(data, params, noises, self.network, diagnostics)


@functools.partial(jit, static_argnames="model")
def _sample(key, begin: Sampling, model: HMC) -> Any:
    """Return parameters (outputs, kept, p), noise variances and diagnostics."""
    data, starts, mean, sd, prior = begin
    network = whitened(model.network, prior)
    outputs, chains = len(data.y), model.chains
    keys = jax.random.split(key, outputs * chains)
    y, seen = (jnp.repeat(a, chains, 0) for a in (data.y, data.seen))

    def chain(key, start, y, seen):
        density = functools.partial(log_density, network, data.x, y, seen)
        return _chain(key, lambda p: density(p, mean, sd), start, model)

    places, info = jax.vmap(chain)(keys, starts, y, seen)
    by_output, diverged, accepted = (
        a.reshape(outputs, chains, *a.shape[1:]) for a in (places, *info)
    )
    agreed = followed(network, by_output, data)
    told = Diagnostics(*agreed, diverged.sum((1, 2)), accepted.mean((1, 2)))
    return *thinned(places, begin, model.kept), told


def _chain(key, density, start, model: HMC):
    """Return the draws of one chain (draws, p + 1), what diverged, and acceptance."""
    import blackjax  # slow to import, and only this surrogate needs it

    adapting, drawing = jax.random.split(key)
    kind: Any = blackjax.hmc
    more: Any = dict(num_integration_steps=model.leapfrogs)
    if model.sampler == "nuts":
        kind, more = blackjax.nuts, {}
    adaptation: Any = blackjax.window_adaptation(kind, density, **more)
    (state, settings), _ = adaptation.run(adapting, start, num_steps=model.warmup)
    step = kind(density, **settings).step

    def body(state: Any, key):
        state, info = step(key, state)
        return state, (state.position, info.is_divergent, info.acceptance_rate)

    _, (places, *info) = jax.lax.scan(
        body, state, jax.random.split(drawing, model.draws)
    )
    return places, info
