"""Warps of inputs and outputs: wrappers that make a function prior from another."""

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import log_uniform, sobol
from pfnbo.tasks.task import Drawn, Function

EDGE = 1e-7
POOL = 64  # rows on which the scale of a function is measured


def bent(
    function: Function, sd: tuple[float, float] = (0.75, 0.75), some: float = 1.0
) -> Function:
    """Return the function of Kumaraswamy-warped columns (Snoek et al. 2014).

    Columns are warped with probability `some`; `sd` is that of log a and log b.
    """

    def warped(choice: Array, key: Array, columns: Array) -> Drawn:
        to_function, to_warp, to_some = jax.random.split(key, 3)
        f = function(choice, to_function, columns)
        normal = jax.random.normal(to_warp, (2, columns.size))
        a, b = jnp.exp(sd[0] * normal[0]), jnp.exp(sd[1] * normal[1])
        some_of = jax.random.bernoulli(to_some, some, columns.shape)
        return lambda x: f(jnp.where(some_of[None], kumaraswamy(a, b, x), x))

    return warped


def kumaraswamy(
    a: Array,  # (d,)
    b: Array,  # (d,)
    x: Array,  # (rows, d)
) -> Array:
    """Return `1 - (1 - x^a)^b`."""
    x = EDGE + (1 - 2 * EDGE) * x
    return 1 - (1 - x ** a[None]) ** b[None]


def standard(function: Function) -> Function:
    """Return the function scaled to mean 0 and deviation 1 over the unit cube."""

    def scaled(choice: Array, key: Array, columns: Array) -> Drawn:
        f = function(choice, key, columns)
        pool = jnp.asarray(sobol(POOL, columns.size))
        values = f(jnp.where(columns[None], pool, 0.5))
        mean, sd = jnp.mean(values), jnp.maximum(jnp.std(values), 1e-12)
        return lambda x: (f(x) - mean) / sd

    return scaled


def shaped(function: Function) -> Function:
    """Return the function after one of `SHAPES`, chosen once for a group.

    The function should be of about unit scale.
    """

    def warped(choice: Array, key: Array, columns: Array) -> Drawn:
        for_function, to_shape = jax.random.split(choice)
        to_function, to_strength, to_level = jax.random.split(key, 3)
        f = function(for_function, to_function, columns)
        index = jax.random.randint(to_shape, (), 0, len(SHAPES))
        strength = log_uniform(to_strength, 0.3, 3.0)
        level = jax.random.normal(to_level)
        return lambda x: jax.lax.switch(index, SHAPES, f(x), strength, level)

    return warped


def _exp(f: Array, strength: Array, level: Array) -> Array:
    # Steep above or below: a cost that explodes, or a yield that saturates.
    sign = jnp.where(level < 0, -1.0, 1.0)
    return sign * jnp.exp(jnp.clip(sign * strength * f, -20, 20))


def _power(f: Array, strength: Array, level: Array) -> Array:
    centred = f - level
    return jnp.sign(centred) * jnp.abs(centred) ** strength


def _sinh(f: Array, strength: Array, level: Array) -> Array:
    return jnp.sinh(jnp.clip(strength * (f - level), -20, 20))


def _clip(f: Array, strength: Array, level: Array) -> Array:
    return jnp.clip(f, level - strength, level + strength)


def _rank(f: Array, strength: Array, level: Array) -> Array:
    return jax.scipy.special.ndtr(strength * (f - level))


def _steps(f: Array, strength: Array, level: Array) -> Array:
    return jnp.floor(2 * strength * f + level)


def _hinge(f: Array, strength: Array, level: Array) -> Array:
    return jnp.maximum(f, level) + strength * jnp.minimum(f - level, 0)


SHAPES = (_exp, _exp, _power, _sinh, _clip, _rank, _steps, _hinge)


def signed(function: Function) -> Function:
    """Return the function or minus it: a task need not be an objective."""

    def turned(choice: Array, key: Array, columns: Array) -> Drawn:
        to_function, to_sign = jax.random.split(key)
        f = function(choice, to_function, columns)
        sign = jnp.where(jax.random.bernoulli(to_sign), 1.0, -1.0)
        return lambda x: sign * f(x)

    return turned
