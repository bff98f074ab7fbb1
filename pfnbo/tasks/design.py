"""Where a run has evaluated: a first design, then points around the incumbent.

The run is drawn in the order in which it would happen: the function is evaluated at a
first design, and the best of it is the centre of the rows that follow and of half of
the queries.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.columns import Columns, Snap
from pfnbo.tasks.random import log_count, log_uniform, often_full, one_column, sobol
from pfnbo.tasks.task import Drawn, Sizes

NEAREST, FARTHEST = 1e-3, 0.5  # radius of a cluster


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scope:
    """Which rows and columns of a task exist."""

    seen: Array  # (capacity,) bool
    columns: Array  # (d,) bool
    snap: Snap


@dataclass(frozen=True)
class Design:
    """Distribution of the inputs of a task."""

    # (key, largest) -> number of rows, of columns
    rows: object = often_full
    width: object = log_count
    columns: Columns = field(default_factory=Columns)
    plain: bool = False  # uniform rows only
    spread: float = 0.35  # probability that the whole context is a first design
    near: float = 0.5  # probability that a query lies near the incumbent

    def scope(self, key: Array, sizes: Sizes) -> Scope:
        """Draw which rows and columns exist."""
        to_rows, to_width, to_snap = jax.random.split(key, 3)
        n = self.rows(to_rows, sizes.capacity)  # type: ignore[operator]
        d = self.width(to_width, sizes.columns)  # type: ignore[operator]
        columns = jnp.arange(sizes.columns) < d
        snap = self.columns.snap(to_snap, columns)
        return Scope(jnp.arange(sizes.capacity) < n, columns, snap)

    def place(self, key: Array, sizes: Sizes, scope: Scope, f: Drawn) -> Array:
        """Return the rows of the context and of the queries, (rows, d)."""
        if self.plain:
            x = jax.random.uniform(key, (sizes.rows, sizes.columns))
        else:
            x = self._run(key, sizes, scope, f)
        return jnp.where(scope.columns[None], scope.snap(x), 0.5)

    def _run(self, key: Array, sizes: Sizes, scope: Scope, f: Drawn) -> Array:
        keys = jax.random.split(key, 6)
        first = scope.snap(_first(keys[0], sizes.capacity, sizes.columns))
        first = jnp.where(scope.columns[None], first, 0.5)
        order = jnp.arange(sizes.capacity)
        early = order < self._first_rows(keys[1], jnp.sum(scope.seen))
        best = jnp.argmax(jnp.where(early & scope.seen, f(first), -jnp.inf))
        later = around(keys[2], first[best], scope.columns, sizes.capacity)
        asked = around(keys[3], first[best], scope.columns, sizes.queries)
        anywhere = jax.random.uniform(keys[4], asked.shape)
        near = jax.random.bernoulli(keys[5], self.near, (sizes.queries, 1))
        context = jnp.where(early[:, None], first, later)
        return jnp.concatenate([context, jnp.where(near, asked, anywhere)])

    def _first_rows(self, key: Array, n: Array) -> Array:
        to_all, to_share = jax.random.split(key)
        share = jax.random.uniform(to_share, minval=0.1, maxval=0.9)
        share = jnp.where(jax.random.bernoulli(to_all, self.spread), 1.0, share)
        return jnp.ceil(share * n)


def _first(key: Array, rows: int, d: int) -> Array:
    """Return a uniform, Sobol, boundary-heavy or grid design."""
    to_kind, to_uniform, to_shift, to_grid = jax.random.split(key, 4)
    uniform = jax.random.uniform(to_uniform, (rows, d))
    shifted = (sobol(rows, d) + jax.random.uniform(to_shift, (1, d))) % 1
    boundary = jnp.clip(0.5 + 1.5 * (uniform - 0.5), 0, 1)
    steps = jnp.floor(log_uniform(to_grid, 2.0, 10.0))
    grid = jnp.round(uniform * steps) / steps
    kinds = jnp.stack([uniform, shifted, boundary, grid])
    shares = jnp.log(jnp.array([0.3, 0.5, 0.1, 0.1]))
    return kinds[jax.random.categorical(to_kind, shares)]


def around(
    key: Array,
    centre: Array,  # (d,)
    columns: Array,  # (d,) bool
    rows: int,
) -> Array:
    """Draw a cluster around a row: boxes, axis lines and duplicates, (rows, d).

    The radius is one log-uniform number for half of the clusters; in the others it
    differs from row to row, from that number up to 0.5, as in a run that zooms in.
    """
    keys = jax.random.split(key, 6)
    radius = log_uniform(keys[0], NEAREST, FARTHEST)
    zoom = jax.random.bernoulli(keys[1]) * jax.random.uniform(keys[2], (rows, 1))
    radius = radius * (FARTHEST / radius) ** zoom
    step = radius * jax.random.uniform(keys[3], (rows, centre.size), minval=-1.0)
    axis = jax.nn.one_hot(one_column(keys[4], columns, (rows,)), centre.size)
    u = jax.random.uniform(keys[5], (rows, 1))
    step = jnp.where(u < 0.2, step * axis, step)
    step = jnp.where(u > 0.97, 0, step)
    return jnp.clip(centre[None] + step, 0, 1)
