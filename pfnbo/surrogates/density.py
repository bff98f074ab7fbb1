"""The posterior density of the weights and the noise of a network, and starts in it."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data
from pfnbo.surrogates.chains import agreement
from pfnbo.surrogates.ensemble import Ensemble
from pfnbo.surrogates.mlp import MLP, Network
from pfnbo.surrogates.weights import WeightPrior, suited, weights

LOG_NOISE = (math.log(0.1), 0.3)  # mean and deviation of the noise's log a priori
FIXED = 1e-4  # the deviation that stands for none


class Sampling(NamedTuple):
    """What a sampler starts from, in single precision.

    It takes half the time of double, and the errors of a sampler are larger.
    """

    data: Data
    places: np.ndarray  # (outputs * chains, p + 1): weights and scaled log noise
    mean: np.ndarray  # () of the log noise
    sd: np.ndarray
    prior: WeightPrior | None  # of the weights


def prepare(
    key: jax.Array,
    data: Data,
    network: MLP,
    noise: float | None,
    chains: int,
    prior: WeightPrior | None = None,
) -> Sampling:
    """Return starts that are members of an ensemble, near the posterior already."""
    first = Ensemble(chains, network, noise, prior=prior).fit(key, data)
    params = np.asarray(first.params)
    mean, sd = LOG_NOISE if noise is None else (math.log(max(noise, 1e-3)), FIXED)
    prior = suited(prior, network, np.asarray(data.x, np.float32))
    if prior is not None:
        params = (params - prior.mean) / prior.sd
    level = np.zeros((*first.noises.shape, 1))
    places = np.concatenate([params, level], -1).astype(np.float32)
    x, y = (np.asarray(a, np.float32) for a in (data.x, data.y))
    single = Data(x, y, np.asarray(data.seen))  # type: ignore[arg-type]
    places = places.reshape(-1, places.shape[-1])
    return Sampling(single, places, np.float32(mean), np.float32(sd), prior)  # type: ignore[arg-type]


def values(network: Network, params: jax.Array, x: jax.Array) -> jax.Array:
    """Return the outputs of a network at rows `(n, d)`, (n,)."""
    return jax.vmap(network, (None, 0))(params, x)


def log_density(network: Network, x, y, seen, place, mean, sd) -> jax.Array:
    """Log density of weights and scaled log noise, all unit normal a priori."""
    log_noise = mean + sd * place[-1]
    miss = jnp.where(seen, y - values(network, place[:-1], x), 0)
    fit = jnp.sum(miss**2) * jnp.exp(-2 * log_noise) / 2
    return -fit - jnp.sum(seen) * log_noise - jnp.sum(place**2) / 2


def followed(
    network: Network,
    places: jax.Array,  # (outputs, chains, draws, p + 1)
    data: Data,
) -> tuple[jax.Array, jax.Array]:
    """Return R-hat and effective sample size of a network at the data, (outputs,)."""
    one = lambda place: values(network, place[:-1], data.x)  # noqa: E731
    f = jax.vmap(jax.vmap(jax.vmap(one)))(places)
    return jax.vmap(agreement)(f, data.seen)


def thinned(
    places: jax.Array,  # (outputs * chains, draws, p + 1)
    begin: Sampling,
    count: int,
) -> tuple[jax.Array, jax.Array]:
    """Return weights (outputs, count, p) spread over all finite draws, and noises."""
    pool = places.reshape(len(begin.data.y), -1, places.shape[-1])
    lost = ~jnp.all(jnp.isfinite(pool), -1)
    order = jnp.argsort(lost, axis=1)  # stable: finite draws in their order come first
    last = jnp.maximum(jnp.sum(~lost, 1), 1) - 1
    picks = jnp.round(last[:, None] * jnp.linspace(0, 1, count)).astype(int)
    picked = jnp.take_along_axis(order, picks, 1)
    kept = jnp.take_along_axis(pool, picked[..., None], 1)
    return weights(begin.prior, kept[..., :-1]), jnp.exp(
        2 * (begin.mean + begin.sd * kept[..., -1])
    )
