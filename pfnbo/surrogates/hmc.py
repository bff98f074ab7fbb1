"""Bayesian networks of finite width, sampled by Hamiltonian Monte Carlo."""

import functools
import warnings
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.surrogates.density import (
    Sampling,
    log_density,
    prepare,
    thinned,
    values,
)
from pfnbo.surrogates.members import MemberPosterior, posterior_of
from pfnbo.surrogates.mlp import MLP
from pfnbo.surrogates.weights import WeightPrior, whitened

SAMPLERS = ("hmc", "nuts")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Diagnostics:
    """How far the chains of each output may be trusted, fields (outputs,)."""

    r_hat: jax.Array  # worst, of the function at the data
    ess: jax.Array  # smallest bulk effective sample size, of the same
    divergences: jax.Array  # number of them after the warm-up
    acceptance: jax.Array  # mean


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
    draws: int = 400
    kept: int = 64
    leapfrogs: int = 100
    sampler: str = "hmc"
    prior: WeightPrior | None = None

    def __post_init__(self):
        """Refuse settings under which nothing can be learned or diagnosed."""
        if self.sampler not in SAMPLERS:
            raise SettingError(
                f"sampler is {self.sampler!r}: wanted one of {SAMPLERS}."
            )
        least = dict(chains=2, warmup=20, draws=4, leapfrogs=1, kept=2)
        for name, low in least.items():
            if getattr(self, name) < low:
                raise SettingError(
                    f"{name} is {getattr(self, name)}: at least {low} are needed."
                )
        if self.kept > self.chains * self.draws:
            raise SettingError(
                f"kept is {self.kept}, of {self.chains} chains with {self.draws} draws "
                "each: keep fewer or draw more."
            )

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return networks drawn from the posterior of every output.

        Warns where the chains disagree or diverge, and says what to change.
        """
        start, sample = jax.random.split(key)
        begin = prepare(start, data, self.network, self.noise, self.chains, self.prior)
        with jax.enable_x64(False):
            drawn = _sample(sample, begin, replace(self, prior=None))
        params, noises, diagnostics = jax.tree.map(np.asarray, drawn)
        _warn(diagnostics, self)
        return posterior_of(data, params, noises, self.network, diagnostics)


def _warn(diagnostics: Diagnostics, model: HMC) -> None:
    """Warn of chains that should not be trusted."""
    worst = float(np.max(diagnostics.r_hat))
    if worst > 1.2:
        warnings.warn(
            f"R-hat is {worst:.2f}, so the chains do not agree: type "
            f"HMC(warmup={2 * model.warmup}, draws={2 * model.draws}).",
            stacklevel=3,
        )
    diverged = int(np.sum(diagnostics.divergences))
    if diverged > 0.02 * model.chains * model.draws * len(diagnostics.r_hat):
        warnings.warn(
            f"{diverged} trajectories diverged: type HMC(noise=0.1), or more, or "
            "HMC(network=MLP(weight=4.0)).",
            stacklevel=3,
        )


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
    f = jax.vmap(jax.vmap(jax.vmap(lambda p: values(network, p[:-1], data.x))))(
        by_output
    )
    r_hat, ess = jax.vmap(_agreement)(f, data.seen)
    told = Diagnostics(r_hat, ess, diverged.sum((1, 2)), accepted.mean((1, 2)))
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


def _agreement(f: jax.Array, seen: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return R-hat and effective sample size of functions (chains, draws, n)."""
    import blackjax

    r_hat, ess = blackjax.rhat(f), blackjax.ess_bulk(f)
    fine = seen & jnp.isfinite(r_hat) & jnp.isfinite(ess)
    worst = jnp.max(jnp.where(fine, r_hat, 1))
    return worst, jnp.min(jnp.where(fine, ess, jnp.inf))
