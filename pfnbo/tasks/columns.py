"""Integer and categorical columns: rows snapped to the grids that a Space makes."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.random import log_count, log_uniform

FINEST = 12  # levels of an integer column
WIDEST = 5  # columns of a one-hot block


@dataclass(frozen=True)
class Columns:
    """How many columns a task has, and which are discrete."""

    integer: float = 0.0  # probability that a task has integer columns
    one_hot: float = 0.0  # probability that its first columns are one category

    def snap(self, key: Array, columns: Array) -> "Snap":
        """Draw the grid of every column."""
        keys = jax.random.split(key, 5)
        share = jax.random.uniform(keys[0]) * jax.random.bernoulli(
            keys[1], self.integer
        )
        levels = log_uniform(keys[2], 2.0, FINEST + 1.0, columns.shape)
        discrete = jax.random.uniform(keys[3], columns.shape) < share
        levels = jnp.where(discrete, jnp.floor(levels), 0)
        to_any, to_width = jax.random.split(keys[4])
        count = jnp.sum(columns)
        width = jnp.minimum(1 + log_count(to_width, WIDEST - 1), count)
        some = jax.random.bernoulli(to_any, self.one_hot) & (count > 1)
        return Snap(levels, jnp.where(some, width, 0))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Snap:
    """Grids of the columns of one task."""

    levels: Array  # (d,) levels of an integer column, 0 where continuous
    width: Array  # () columns of the one-hot block at the start, 0 without one

    def __call__(self, x: Array) -> Array:
        """Return rows on the grid."""
        steps = jnp.maximum(self.levels - 1, 1)[None]
        x = jnp.where(self.levels[None] > 1, jnp.round(x * steps) / steps, x)
        place = jnp.arange(x.shape[1])[None]
        block = place < self.width
        first = jnp.argmax(jnp.where(block, x, -1), 1, keepdims=True)
        return jnp.where(block, (place == first).astype(x.dtype), x)
