"""Formulas: signomials, their ratios and random expression trees.

Engineering responses look like these: stresses, masses, costs and efficiencies are
sums and ratios of products of powers of lengths, loads and material constants.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import log_uniform, one_column
from pfnbo.tasks.task import Drawn

POWERS = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0)
STEEPEST = 6.0  # of the logarithm of a term


def quantity(key: Array, columns: Array) -> Drawn:
    """Draw positive physical quantities of the columns: x -> their logarithms."""
    to_ratio, to_log = jax.random.split(key)
    ratio = log_uniform(to_ratio, 1.3, 100.0, columns.shape)
    is_log = jax.random.bernoulli(to_log, 0.3, columns.shape)

    def log_quantity(x: Array) -> Array:  # (rows, d), centred at about 0
        linear = jnp.log((1 + (ratio - 1) * x) / (1 + ratio) * 2)
        return jnp.where(is_log & columns, jnp.log(ratio) * (x - 0.5), linear)

    return lambda x: jnp.where(columns[None], log_quantity(x), 0)


@dataclass(frozen=True)
class Signomial:
    """A sum of products of powers, or the ratio of a sum and a positive sum."""

    terms: int = 4
    factors: float = 2.5  # expected number of columns in a term

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a formula."""
        keys = jax.random.split(key, 4)
        to_ratio, to_log = jax.random.split(choice)
        log_quantity = quantity(keys[0], columns)
        top, bottom = self._sum(keys[1], columns), self._sum(keys[2], columns)
        signs = jnp.where(jax.random.bernoulli(keys[3], 0.7, (self.terms,)), 1.0, -1.0)
        divided = jax.random.bernoulli(to_ratio, 0.4)
        # A quarter of the responses are written as their logarithm (a decibel, a life).
        logged = jax.random.bernoulli(to_log, 0.25)

        def f(x: Array) -> Array:
            z = log_quantity(x)
            below = jnp.where(divided, jnp.sum(bottom(z), 1), 1.0)
            value = top(z) @ signs / below
            return jnp.where(logged, jnp.arcsinh(value), value)

        return f

    def _sum(self, key: Array, columns: Array) -> Drawn:
        to_power, to_kept, to_weight = jax.random.split(key, 3)
        shape = (columns.size, self.terms)
        powers = jax.random.choice(to_power, jnp.array(POWERS), shape)
        share = jnp.minimum(self.factors / jnp.sum(columns), 1)
        powers = jnp.where(jax.random.bernoulli(to_kept, share, shape), powers, 0)
        weight = jax.random.normal(to_weight, (1, self.terms))

        def terms(z: Array) -> Array:  # logarithms (rows, d) -> (rows, terms)
            return jnp.exp(STEEPEST * jnp.tanh((z @ powers + weight) / STEEPEST))

        return terms


def _unary(a: Array) -> Array:
    return jnp.stack(
        [
            a,
            a,
            jnp.square(a),
            jnp.sqrt(jnp.abs(a)),
            jnp.sin(3 * a),
            jnp.exp(jnp.clip(a, -4, 4)),
            jnp.abs(a),
            jnp.tanh(2 * a),
        ]
    )


def _binary(a: Array, b: Array) -> Array:
    near = jnp.where(b < 0, -1.0, 1.0) * jnp.maximum(jnp.abs(b), 0.1)
    return jnp.stack([a + b, a * b, a - b, jnp.maximum(a, b), a / near, a + b])


@dataclass(frozen=True)
class Tree:
    """A random expression over a full binary tree of columns and constants."""

    depth: int = 3

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw an expression; its operators are the group's, its numbers its own."""
        keys = jax.random.split(key, 3)
        leaves = 2**self.depth
        column = one_column(keys[0], columns, (leaves,))
        slope = 1.5 * jax.random.normal(keys[1], (leaves,))
        offset = jax.random.normal(keys[2], (leaves,))
        to_unary, to_binary = jax.random.split(choice)
        unary = jax.random.randint(to_unary, (2 * leaves,), 0, len(_unary(slope)))
        binary = jax.random.randint(to_binary, (leaves,), 0, len(_binary(slope, slope)))

        def f(x: Array) -> Array:
            nodes = (2 * x.T - 1)[column] * slope[:, None] + offset[:, None]
            place = 0
            while len(nodes) > 1:
                both = _binary(nodes[0::2], nodes[1::2])
                at = jnp.arange(both.shape[1])
                nodes = both[binary[place + at], at]
                nodes = _unary(jnp.clip(nodes, -30, 30))[unary[place + at], at]
                place += len(at)
            return nodes[0]

        return f
