"""Noise of observations, relative to the spread of the function."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import log_uniform

SMALLEST, LARGEST = 1e-4, 0.5  # sd relative to the function's


@dataclass(frozen=True)
class Noise:
    """No noise, or normal, heteroscedastic or t-tailed noise of log-uniform sd."""

    exact: float = 0.4  # probability of no noise at all
    uneven: float = 0.15  # of noise whose sd follows the value
    tailed: float = 0.15  # of Student-t noise with 4 degrees of freedom

    def level(self, key: Array) -> Array:
        """Draw the sd relative to the function's."""
        to_none, to_level = jax.random.split(key)
        none = jax.random.bernoulli(to_none, self.exact)
        return jnp.where(none, 0.0, log_uniform(to_level, SMALLEST, LARGEST))

    def add(
        self,
        key: Array,
        values: Array,  # (rows,)
        live: Array,  # (rows,) bool: rows that tell the spread
    ) -> Array:
        """Return observations of the values."""
        to_level, to_kind, to_normal, to_t = jax.random.split(key, 4)
        spread = jnp.std(values, where=live)
        u = jax.random.uniform(to_kind)
        normal = jax.random.normal(to_normal, values.shape)
        heavy = jax.random.t(to_t, 4.0, values.shape) / 2**0.5  # unit variance
        unit = jnp.where(u < self.tailed, heavy, normal)
        # A louder noise where the function is larger: the sd spans a factor of e^2.
        centred = (values - jnp.mean(values, where=live)) / jnp.maximum(spread, 1e-30)
        growth = jnp.where(u > 1 - self.uneven, jnp.tanh(centred), 0)
        return values + self.level(to_level) * spread * jnp.exp(growth) * unit


@dataclass(frozen=True)
class Absolute:
    """Normal noise of an sd that is uniform in the function's own units."""

    low: float
    high: float

    def add(self, key: Array, values: Array, live: Array) -> Array:
        """Return observations of the values."""
        del live
        to_level, to_noise = jax.random.split(key)
        sd = jax.random.uniform(to_level, (), float, self.low, self.high)
        return values + sd * jax.random.normal(to_noise, values.shape)
