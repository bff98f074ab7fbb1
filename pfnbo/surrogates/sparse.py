"""Variational inference in a subspace: few weights of a network are not zero.

The posterior is an independent normal over some weights and zero elsewhere. Training
begins with all of them and removes the least certain ones by and by, in exchange for a
few that come back, until a fixed number is left.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.surrogates.density import Sampling, log_density, prepare, thinned
from pfnbo.surrogates.members import MemberPosterior, posterior_of
from pfnbo.surrogates.mlp import MLP

CHANGES = 30  # of the subspace
WHOLE, SETTLED = 0.25, 0.75  # shares of the steps between which it changes
EXCHANGED = 0.1  # share of the weights exchanged at first, falling to 0
WARM = 0.5  # share of the steps in which the weight of the prior rises to 1
FIRST_SD = 0.05  # of every weight
BETAS = 0.9, 0.999
CHAINS = 2  # starts that come together, of which the first is taken


class Subspace(NamedTuple):
    """Independent normal weights, some of them, and zeros."""

    mean: jax.Array  # (p,) 0 where not active
    sd: jax.Array  # (p,)
    active: jax.Array  # (p,) bool

    def draws(self, key: jax.Array, n: int) -> jax.Array:
        """Return `n` draws of all weights, (n, p)."""
        z = jax.random.normal(key, (n, *self.mean.shape), self.mean.dtype)
        return jnp.where(self.active, self.mean + self.sd * z, 0)


def folded(mean: jax.Array, sd: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mean and variance of |w| for a normal w (Leone et al. 1961)."""
    z = mean / sd
    centre = mean * erf(z / math.sqrt(2))
    centre += sd * math.sqrt(2 / math.pi) * jnp.exp(-(z**2) / 2)
    return centre, mean**2 + sd**2 - centre**2


def signal(mean: jax.Array, sd: jax.Array) -> jax.Array:
    """Return the ratio of mean to deviation of |w|, by which weights are kept."""
    centre, var = folded(mean, sd)
    return centre / jnp.sqrt(jnp.maximum(var, 1e-12 * sd**2))


class _State(NamedTuple):
    mean: jax.Array  # (p,)
    log_sd: jax.Array  # (p,)
    active: jax.Array  # (p,) bool
    moments: Any  # of Adam: first and second, of means and log deviations


def infer(
    key: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    start: jax.Array,
    kept: int,
    *,
    steps: int,
    rate: float,
) -> Subspace:
    """Return the weights that matter, and what is known of them.

    Args:
        key: random key.
        loss: minus the log likelihood of all data for weights `(p,)`, which are unit
            normal a priori.
        start: first means `(p,)`.
        kept: number of weights that are active in the end.
        steps: of the training.
        rate: its largest step, falling as a cosine to 0.

    Source: Li et al. 2024, arXiv 2402.11025 (SSVI), which begins with as few weights as
    it ends with, and descends by momentum in place of Adam.
    """
    log_sd = jnp.full_like(start, math.log(FIRST_SD))
    zeros = jnp.zeros((2, *start.shape), start.dtype)
    state = _State(start, log_sd, jnp.ones(start.shape, bool), (zeros, zeros))

    def step(state: _State, at):
        i, key, wanted, new = at
        share = jnp.minimum(i / (WARM * steps), 1)

        def free_energy(both, z):
            mean, log_sd = both
            sd = jnp.exp(log_sd)
            prior = jnp.where(state.active, (mean**2 + sd**2) / 2 - log_sd, 0)
            weights = jnp.where(state.active, sd * z, 0) + mean
            return loss(weights) + share * jnp.sum(prior)

        z = jax.random.normal(key, start.shape, start.dtype)
        both = jnp.stack([state.mean, state.log_sd])
        slopes = jax.grad(free_energy)(both, z)
        state = _adam(state, slopes, i, rate * (1 + jnp.cos(math.pi * i / steps)) / 2)
        return _resized(state, slopes[0], wanted, new), None

    plan = _plan(steps, start.size, kept)
    at = jnp.arange(steps), jax.random.split(key, steps), *plan
    state, _ = jax.lax.scan(step, state, at)
    return Subspace(state.mean, jnp.exp(state.log_sd), state.active)


def _adam(state: _State, slopes, i, rate) -> _State:
    """Return the state after one step of the active weights (Kingma & Ba 2015)."""
    slopes = jnp.where(state.active[None], slopes, 0)
    first, second = state.moments
    b1, b2 = BETAS
    first = b1 * first + (1 - b1) * slopes
    second = b2 * second + (1 - b2) * slopes**2
    size = jnp.sqrt(second / (1 - b2 ** (i + 1))) + 1e-8
    move = rate * first / (1 - b1 ** (i + 1)) / size
    move = jnp.where(state.active[None], move, 0)
    return _State(
        state.mean - move[0], state.log_sd - move[1], state.active, (first, second)
    )


def _plan(steps: int, size: int, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many weights are active after each step, and how many are new then.

    They leave ever more slowly (Zhu & Gupta 2017, arXiv 1710.01878).
    """
    done = np.arange(1, steps + 1) / steps
    part = np.clip((done - WHOLE) / (SETTLED - WHOLE), 0, 1)
    change = np.ceil(CHANGES * part)
    left = (1 - change / CHANGES) ** 3
    wanted = np.ceil(kept + left * (size - kept))
    due = np.diff(change, prepend=0) > 0
    new = np.floor(np.where(due, EXCHANGED * left * wanted, 0))
    free = size - np.append(size, wanted[:-1])
    return wanted.astype(int), np.minimum(new, free).astype(int)


def _resized(state: _State, slope, wanted, new) -> _State:
    """Return the state with `wanted` active weights, `new` of which were not.

    Weights of the least signal leave; those of the steepest loss come, at zero and
    with the mean deviation of the others.
    """
    mean, log_sd, active, moments = state
    worth = jnp.where(active, signal(mean, jnp.exp(log_sd)), -jnp.inf)
    promise = jnp.where(active, -jnp.inf, jnp.abs(slope))
    stay = active & (_rank(worth) < wanted - new)
    come = _rank(promise) < new
    usual = jnp.sum(jnp.where(active, log_sd, 0)) / jnp.sum(active)
    moved = ~stay
    return _State(
        jnp.where(moved, 0, mean),
        jnp.where(come, usual, log_sd),
        stay | come,
        jax.tree.map(lambda m: jnp.where(moved[None], 0, m), moments),
    )


def _rank(a: jax.Array) -> jax.Array:
    """Return the place of each number among all, the largest first."""
    order = jnp.argsort(-a)
    return jnp.zeros_like(order).at[order].set(jnp.arange(len(a)))


@dataclass(frozen=True)
class SparseVI:
    """A Bayesian network of few weights, which it finds itself.

    It saves memory and no time, since the products stay dense.

    Args:
        network: its form.
        density: share of the weights that are not zero.
        noise: None infers the noise under a tight log-normal prior; a number fixes its
            standard deviation in units of the standardised output, at least 0.001.
        draws: members of the posterior.
        steps: of the training.
        rate: largest step of the training.

    Source: Li et al. 2024, arXiv 2402.11025.
    """

    network: MLP = MLP()
    density: float = 0.1
    noise: float | None = None
    draws: int = 64
    steps: int = 3000
    rate: float = 0.02

    def __post_init__(self):
        """Refuse a network without weights and a posterior of one member."""
        if not 0 < self.density <= 1:
            raise SettingError(
                f"density is {self.density}: wanted above 0 and at most 1."
            )
        if self.draws < 2:
            raise SettingError(f"draws is {self.draws}: at least 2 are needed.")

    def fit(self, key: jax.Array, data: Data) -> MemberPosterior:
        """Return draws of the networks of every output; `diagnostics` is a Subspace.

        It is one of the weights and, in the last place, the scaled log noise.
        """
        start, train = jax.random.split(key)
        begin = prepare(start, data, self.network, self.noise, CHAINS)
        with jax.enable_x64(False):
            drawn = _train(train, begin, self)
        params, noises, subspace = jax.tree.map(np.asarray, drawn)
        return posterior_of(data, params, noises, self.network, subspace)


@functools.partial(jit, static_argnames="model")
def _train(key, begin: Sampling, model: SparseVI):
    """Return weights (outputs, draws, p), noise variances and the subspaces."""
    data, places, mean, sd, _ = begin
    starts = places[::CHAINS]
    kept = math.ceil(model.density * starts.shape[1])

    def one(key, start, y, seen):
        inference, draw = jax.random.split(key)

        def loss(place):
            density = log_density(model.network, data.x, y, seen, place, mean, sd)
            return -density - jnp.sum(place**2) / 2  # without the prior

        told = infer(inference, loss, start, kept, steps=model.steps, rate=model.rate)
        return told.draws(draw, model.draws), told

    keys = jax.random.split(key, len(data.y))
    places, subspace = jax.vmap(one)(keys, starts, data.y, data.seen)
    return *thinned(places, begin, model.draws), subspace
