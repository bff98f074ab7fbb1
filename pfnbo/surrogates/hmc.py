"""Bayesian networks of finite width, sampled by Hamiltonian Monte Carlo."""

import functools
import math
import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.surrogates.ensemble import Ensemble
from pfnbo.surrogates.members import MemberPosterior, posterior_of
from pfnbo.surrogates.mlp import MLP

LOG_NOISE = (math.log(0.1), 0.3)  # mean and deviation of the noise's log a priori
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
        first = Ensemble(self.chains, self.network, self.noise).fit(start, data)
        mean, sd = (math.log(max(self.noise, 1e-3)), 1e-4) if self.noise else LOG_NOISE
        level = np.zeros((*first.noises.shape, 1))
        places = np.concatenate([first.params, level], -1).astype(np.float32)
        single = [np.asarray(a, np.float32) for a in (data.x, data.y)]
        # Sampling takes half the time in single precision, and its errors are larger.
        with jax.enable_x64(False):
            drawn = _sample(
                sample,
                Data(*single, np.asarray(data.seen)),  # type: ignore[arg-type]
                places.reshape(-1, places.shape[-1]),
                np.float32(mean),
                np.float32(sd),
                self,
            )
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
def _sample(key, data: Data, starts, mean, sd, model: HMC) -> Any:
    """Return parameters (outputs, kept, p), noise variances and diagnostics."""
    outputs, chains = len(data.y), model.chains
    keys = jax.random.split(key, outputs * chains)
    y, seen = (jnp.repeat(a, chains, 0) for a in (data.y, data.seen))

    def chain(key, start, y, seen):
        density = functools.partial(_log_density, model.network, data.x, y, seen)
        return _chain(key, lambda p: density(p, mean, sd), start, model)

    places, info = jax.vmap(chain)(keys, starts, y, seen)
    places, diverged, accepted = (
        a.reshape(outputs, chains, *a.shape[1:]) for a in (places, *info)
    )
    f = jax.vmap(jax.vmap(jax.vmap(lambda p: _values(model.network, p[:-1], data.x))))(
        places
    )
    r_hat, ess = jax.vmap(_agreement)(f, data.seen)
    told = Diagnostics(r_hat, ess, diverged.sum((1, 2)), accepted.mean((1, 2)))
    pool = places.reshape(outputs, -1, places.shape[-1])
    picks = np.linspace(0, pool.shape[1] - 1, model.kept).round().astype(int)
    kept = pool[:, picks]
    return kept[..., :-1], jnp.exp(2 * (mean + sd * kept[..., -1])), told


def _values(network: MLP, params: jax.Array, x: jax.Array) -> jax.Array:
    return jax.vmap(network, (None, 0))(params, x)


def _log_density(network: MLP, x, y, seen, place, mean, sd) -> jax.Array:
    """Log posterior density of weights and scaled log noise, all unit normal before."""
    log_noise = mean + sd * place[-1]
    miss = jnp.where(seen, y - _values(network, place[:-1], x), 0)
    fit = jnp.sum(miss**2) * jnp.exp(-2 * log_noise) / 2
    return -fit - jnp.sum(seen) * log_noise - jnp.sum(place**2) / 2


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
