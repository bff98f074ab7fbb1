"""Functions with jumps and plateaus: sums of regression trees."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import one_column
from pfnbo.tasks.task import Drawn


@dataclass(frozen=True)
class Forest:
    """A sum of full binary trees with normal leaves."""

    trees: int = 4
    depth: int = 3

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a forest."""
        del choice
        to_column, to_threshold, to_leaf = jax.random.split(key, 3)
        shape = (self.trees, 2**self.depth)
        column = one_column(to_column, columns, shape)
        threshold = jax.random.uniform(to_threshold, shape)
        leaf = jax.random.normal(to_leaf, shape) / self.trees**0.5

        def tree(column: Array, threshold: Array, leaf: Array, row: Array) -> Array:
            node = jnp.ones((), jnp.int32)
            for _ in range(self.depth):
                node = 2 * node + (row[column[node]] > threshold[node])
            return leaf[node - leaf.size]

        def value(row: Array) -> Array:
            trees = jax.vmap(tree, in_axes=(0, 0, 0, None))
            return jnp.sum(trees(column, threshold, leaf, row))

        return jax.vmap(value)
