"""Scores of architectures: every column is an edge, its value one of a few operators.

Operators have main effects and act together through a factorisation machine (Rendle
2010); the score saturates below a best accuracy, as accuracies do.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import log_uniform
from pfnbo.tasks.task import Drawn


@dataclass(frozen=True)
class Graph:
    """Scores of a cell whose edges each carry one operator."""

    operators: int = 5
    factors: int = 4  # rank of the interaction

    def snap(self, x: Array) -> Array:
        """Return the operators of rows, (rows, d) int."""
        return jnp.round(x * (self.operators - 1)).astype(jnp.int32)

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a score."""
        del choice
        keys = jax.random.split(key, 5)
        d = columns.size
        live = columns[:, None]
        # The same operator does much the same on every edge.
        common = jax.random.normal(keys[0], (1, self.operators))
        own = jax.random.normal(keys[1], (d, self.operators))
        main = jnp.where(live, common + 0.5 * own, 0)
        shape = (d, self.operators, self.factors)
        vectors = jnp.where(live[:, :, None], jax.random.normal(keys[2], shape), 0)
        count = jnp.maximum(jnp.sum(columns), 1)
        weight = log_uniform(keys[3], 0.05, 1.0) / (count * self.factors**0.5)
        slope = log_uniform(keys[4], 0.3, 3.0) / count**0.5

        def f(x: Array) -> Array:
            op, edge = self.snap(x), jnp.arange(d)[None]
            v = vectors[edge, op]  # (rows, d, factors)
            pairs = jnp.sum(jnp.sum(v, 1) ** 2 - jnp.sum(v**2, 1), 1) / 2
            total = jnp.sum(main[edge, op], 1) + weight * pairs
            return -jnp.log1p(jnp.exp(-slope * total))

        return f
