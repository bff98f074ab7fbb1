"""Distributions that several priors draw their hyper-parameters from."""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.stats import qmc


def log_uniform(
    key: Array, low: float, high: float, shape: tuple[int, ...] = ()
) -> Array:
    """Draw numbers whose logarithm is uniform."""
    u = jax.random.uniform(key, shape)
    return jnp.exp(math.log(low) + u * math.log(high / low))


def log_count(key: Array, largest: int) -> Array:
    """Draw an integer from 1 to `largest`, nearly log-uniform."""
    value = jnp.floor(log_uniform(key, 1.0, largest + 1.0)).astype(jnp.int32)
    return jnp.clip(value, 1, largest)


def often_full(key: Array, largest: int) -> Array:
    """Draw `largest` three times in ten, else a log-uniform integer up to it."""
    to_full, to_count = jax.random.split(key)
    full = jax.random.bernoulli(to_full, 0.3)
    return jnp.where(full, largest, log_count(to_count, largest))


def any_count(key: Array, largest: int) -> Array:
    """Draw an integer from 1 to `largest`, uniform."""
    return jax.random.randint(key, (), 1, largest + 1, jnp.int32)


def some_columns(key: Array, columns: Array, dropped: float) -> Array:
    """Keep each column but with probability `dropped`; keep one at least."""
    u = jnp.where(columns, jax.random.uniform(key, columns.shape), jnp.inf)
    return columns & ((u >= dropped) | (u == jnp.where(columns, u, -1).max()))


def one_column(key: Array, columns: Array, shape: tuple[int, ...] = ()) -> Array:
    """Draw indices of columns that exist."""
    logits = jnp.where(columns, 0.0, -jnp.inf)
    return jax.random.categorical(key, logits, shape=shape)


@cache
def sobol(rows: int, d: int) -> np.ndarray:
    """Return the same scrambled Sobol points each time, (rows, d)."""
    level = max(rows - 1, 1).bit_length()
    return qmc.Sobol(d, scramble=True, rng=0).random_base2(level)[:rows]
