"""Reads the cells of a table: one token for each column, one for the table."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from pfnbo.pfn.blocks import GridBlock, linear

FREQUENCIES = 4  # of the Fourier features of a cell
FEATURES = 1 + 2 * FREQUENCIES


class CellEncoder(nnx.Module):
    """Summarises the cells of a table: one token a column, and one for the table."""

    def __init__(self, rngs: nnx.Rngs, cell_width: int, blocks: int, width: int):
        c = cell_width
        self.enter = linear(rngs, 2 + FEATURES, c)
        self.blocks = nnx.List([GridBlock(rngs, c, 2) for _ in range(blocks)])
        self.norm = nnx.RMSNorm(c, rngs=rngs)
        self.leave = linear(rngs, 2 * c, width)

    def __call__(self, x, y, seen, columns) -> jax.Array:  # (d + 1, width)
        h = self.enter(_cells(x, y))  # (n, d, c)
        for block in self.blocks:
            h = block(h, seen, columns)
        h = self.norm(h)
        rows = seen[:, None, None]
        mean = jnp.sum(h * rows, 0) / jnp.maximum(jnp.sum(rows), 1)
        peak = jnp.max(jnp.where(rows, h, -10), 0)
        tokens = self.leave(jnp.concatenate([mean, peak], -1))  # (d, width)
        there = columns[:, None]
        table = jnp.sum(tokens * there, 0) / jnp.maximum(jnp.sum(there), 1)
        return jnp.concatenate([tokens, table[None]])


def _cells(x, y) -> jax.Array:
    """Return the features of each cell, (n, d, features)."""
    y = jnp.broadcast_to(y[:, None, None], (*x.shape, 1))
    calm = jnp.tanh(y)  # an outlier must not drown the rest
    return jnp.concatenate([fourier(x), y, calm], -1)


def fourier(
    x: jax.Array,  # (...,) in [0, 1]
) -> jax.Array:
    """Return features of the place of a cell in its column, (..., FEATURES)."""
    u = 2 * x[..., None] - 1
    turns = np.pi * 2.0 ** np.arange(-1, FREQUENCIES - 1, dtype=np.float32)
    angles = u * jnp.asarray(turns)
    return jnp.concatenate([u, jnp.sin(angles), jnp.cos(angles)], -1)
