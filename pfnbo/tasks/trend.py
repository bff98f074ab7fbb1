"""Slopes, bowls and valleys; larger is better, so a bowl is upside down."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import log_uniform
from pfnbo.tasks.task import Drawn


def linear(choice: Array, key: Array, columns: Array) -> Drawn:
    """Draw a plane."""
    del choice
    slope = jnp.where(columns, jax.random.normal(key, columns.shape), 0)
    return lambda x: (x - 0.5) @ slope


@dataclass(frozen=True)
class Bowl:
    """A concave quadratic to a power, rotated or not, of log-uniform condition."""

    condition: float = 1e3  # largest ratio of curvatures

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a bowl."""
        del choice
        keys = jax.random.split(key, 7)
        centre = 0.5 + 0.6 * (jax.random.beta(keys[0], 2.0, 2.0, columns.shape) - 0.5)
        centre = centre + 0.15 * jax.random.normal(keys[1], columns.shape)
        log_condition = jnp.log(log_uniform(keys[2], 1.0, self.condition))
        curvature = jnp.exp(log_condition * jax.random.uniform(keys[3], columns.shape))
        turned = jax.random.bernoulli(keys[4])
        mirrors = jax.random.normal(keys[5], (2, *columns.shape)) * columns[None]
        power = log_uniform(keys[6], 0.5, 2.0)

        def f(x: Array) -> Array:
            step = jnp.where(columns[None], x - centre[None], 0)
            step = jnp.where(turned, reflect(mirrors, step), step)
            return -(jnp.maximum(step**2 @ curvature, 1e-20) ** power)

        return f


def reflect(
    mirrors: Array,  # (k, d)
    x: Array,  # (rows, d)
) -> Array:
    """Rotate rows by Householder reflections."""
    for v in mirrors:
        x = x - 2 * (x @ v)[:, None] * v[None] / (v @ v)
    return x


def valley(choice: Array, key: Array, columns: Array) -> Drawn:
    """Draw a curved valley like Rosenbrock's, of random depth and place."""
    del choice
    keys = jax.random.split(key, 3)
    depth = log_uniform(keys[0], 1.0, 200.0)
    span = jax.random.uniform(keys[1], columns.shape, minval=1.0, maxval=3.0)
    offset = 0.7 * jax.random.normal(keys[2], columns.shape)
    pair = columns[1:] & columns[:-1]
    alone = jnp.sum(columns) == 1

    def f(x: Array) -> Array:
        z = offset[None] + span[None] * (2 * x - 1)
        along = (1 - z[:, :-1]) ** 2
        across = (z[:, 1:] - z[:, :-1] ** 2) ** 2
        total = jnp.sum(jnp.where(pair[None], along + depth * across, 0), 1)
        return -jnp.where(alone, (1 - z[:, 0]) ** 2, total)

    return f
