"""Maximises a score over the legal rows of the unit cube in one compiled call.

Sobol and local candidates are screened and the best polished by projected BFGS.
Discrete columns are relaxed, rounded and exchanged in between.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import bfgs
from pfnbo.compilation import jit
from pfnbo.space import SAME_POINT, Grid

SCREENED = 1024  # Sobol candidates
LOCAL = 64  # candidates around each incumbent, at each scale
SCALES = (0.2, 0.05, 0.01, 1e-3)
POLISHED = 12
STEPS = 150
ROUNDINGS = 4  # of each relaxed row
ROUNDS = 2  # of discrete moves
EXCHANGES = 6  # values tried for each discrete column


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Region:
    """Where to search."""

    low: jax.Array  # (columns,)
    high: jax.Array  # (columns,)
    centres: jax.Array  # (k, columns) incumbents
    taken: jax.Array  # (n, columns) rows that must not come again, NaN to pad


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Screen:
    """A cheaper form of the score, which passes on the best of the candidates."""

    args: Any  # of the score
    share: float = field(metadata=dict(static=True))

    def passes(self, candidates: int) -> int:
        """Return how many of so many candidates are scored in full."""
        return max(POLISHED, math.ceil(self.share * candidates))


class Pool(NamedTuple):
    """The best rows so far, best first."""

    rows: jax.Array  # (POLISHED, columns)
    values: jax.Array  # (POLISHED,)


@functools.lru_cache(maxsize=8)
def sobol(columns: int) -> np.ndarray:
    """Return the screening points `(SCREENED, columns)`."""
    from scipy.stats import qmc  # slow to import

    engine = qmc.Sobol(max(columns, 1), rng=np.random.default_rng(0))
    return engine.random(SCREENED)[:, :columns]


def propose(
    key: jax.Array,
    score: Callable[[Any, jax.Array], jax.Array],
    args: Any,
    region: Region,
    grid: Grid,
    cheap: Screen | None = None,
) -> tuple[np.ndarray, float]:
    """Return the best legal row `(columns,)` found and its score.

    Args:
        key: random key; the result depends on nothing else that is random.
        score: `score(args, x)` at one row, a static function.
        args: pytree of everything `score` needs.
        region: box, incumbents and taken rows.
        grid: the discrete structure of the cube.
        cheap: what sees all candidates first; None scores all in full.

    Returns:
        A score of `-inf` says that every candidate is taken.
    """
    found = pool(key, score, args, region, grid, sobol(region.low.shape[0]), cheap)
    return np.asarray(found.rows[0]), float(found.values[0])


@functools.partial(jit, static_argnames="score")
def pool(key, score, args, region: Region, grid: Grid, points, cheap=None) -> Pool:
    """Return the best rows found; `points` are of `sobol`, the rest as of `propose`."""
    first, *rest = jax.random.split(key, 1 + (ROUNDS if grid.stepped else 0))
    best = _starts(first, score, args, region, grid, points, cheap)
    if not rest:
        best = _polish(best, score, args, region, grid)
    for fold in rest:
        rounding, swapping = jax.random.split(fold)
        if grid.discrete:
            best = _relax(rounding, best, score, args, region, grid)
        best = _swap(swapping, best, score, args, region, grid)
    return best


def _starts(key, score, args, region: Region, grid: Grid, points, cheap) -> Pool:
    rows, values = screen(key, score, args, region, grid, points, cheap)
    # The incumbents themselves are taken, but the best places to climb from.
    centres = jax.vmap(grid.snap)(region.centres)
    values, order = jax.lax.top_k(values, POLISHED - len(centres))
    taken = jnp.full(len(centres), -jnp.inf, values.dtype)
    return Pool(
        jnp.concatenate([rows[order], centres]), jnp.concatenate([values, taken])
    )


def _keep(pool: Pool, rows, score, args, region: Region) -> Pool:
    """Return the best of the pool and of other legal rows."""
    values = jnp.concatenate([pool.values, _worths(score, args, region, rows)])
    rows = jnp.concatenate([pool.rows, rows])
    values, order = jax.lax.top_k(values, POLISHED)
    return Pool(rows[order], values)


def climb(rows, score, args, region: Region, grid: Grid, columns: np.ndarray):
    """Return the rows polished in those of the columns that count."""
    if not columns.any():
        return rows
    loss = jax.value_and_grad(lambda x: -score(args, x))

    def one(x):
        moving = columns & grid.active(x)
        low = jnp.where(moving, region.low, x)
        high = jnp.where(moving, region.high, x)
        return bfgs.minimize(loss, x, low, high, steps=STEPS, tolerance=1e-5)[0]

    return jax.vmap(one)(rows)


def _polish(pool: Pool, score, args, region: Region, grid: Grid) -> Pool:
    rows = climb(pool.rows, score, args, region, grid, grid.moving)
    return _keep(pool, rows, score, args, region)


def _relax(key, pool: Pool, score, args, region: Region, grid: Grid) -> Pool:
    """Polish as if levels were a continuum, round at random, polish what is left.

    Levels and continuous columns have to move together along the constraints, which
    no move of a level alone can do.
    """
    relaxed = climb(pool.rows, score, args, region, grid, grid.ordered)
    shape = (ROUNDINGS, *relaxed.shape)
    shift = jax.random.uniform(key, shape, relaxed.dtype, -0.5, 0.5)
    rounded = (relaxed[None] + shift * grid.gap).reshape(-1, shape[-1])
    rows = jax.vmap(grid.snap)(rounded)
    rows = climb(rows, score, args, region, grid, grid.moving)
    return _keep(pool, rows, score, args, region)


def _swap(key, pool: Pool, score, args, region: Region, grid: Grid) -> Pool:
    """Exchange values of discrete columns, then polish the continuous ones."""
    keys = jax.random.split(key, POLISHED)
    rows = jax.vmap(_exchanges, (0, 0, None))(keys, pool.rows, grid)
    rows = rows.reshape(-1, pool.rows.shape[1])
    pool = _keep(pool, rows, score, args, region)
    return _polish(pool, score, args, region, grid)


@functools.partial(jax.jit, static_argnames="score")
def worth(score, args, region: Region, x: jax.Array) -> jax.Array:
    """Return the score of one row, `-inf` where it is taken or the score no number."""
    # Compare before reducing: XLA's maximum over a NaN row may be -inf on CPU.
    near = jnp.all(jnp.abs(region.taken - x[None]) < SAME_POINT, axis=1)
    s = score(args, x)
    return jnp.where(jnp.isfinite(s) & ~jnp.any(near), s, -jnp.inf)


def _worths(score, args, region: Region, rows: jax.Array) -> jax.Array:
    return jax.vmap(functools.partial(worth, score, args, region))(rows)


@functools.partial(jax.jit, static_argnames="score")
def slope(score, args, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the score of one row and its gradient."""
    return jax.value_and_grad(score, argnums=1)(args, x)


@functools.partial(jax.jit, static_argnames="score")
def screen(key, score, args, region: Region, grid: Grid, points, cheap=None):
    """Return candidate rows `(r, columns)` and what each is worth `(r,)`."""
    shift, around = jax.random.split(key)
    rows = jax.vmap(grid.snap)(_candidates(shift, around, region, points))
    if cheap is not None:
        first = _worths(score, cheap.args, region, rows)
        rows = rows[jax.lax.top_k(first, cheap.passes(len(rows)))[1]]
    return rows, _worths(score, args, region, rows)


@functools.partial(jax.jit, static_argnames="score")
def neighbours(key, score, args, region: Region, grid: Grid, x: jax.Array):
    """Return rows that differ from `x` in discrete columns, and their worth."""
    rows = _exchanges(key, x, grid)
    return rows, _worths(score, args, region, rows)


def _candidates(shift, around, region: Region, points) -> jax.Array:
    columns = region.low.shape[0]
    span = region.high - region.low
    dtype = region.low.dtype
    moved = (points + jax.random.uniform(shift, (columns,), dtype)[None]) % 1
    wide = region.low[None] + moved * span[None]
    shape = (LOCAL, len(SCALES), *region.centres.shape)
    noise, chosen = jax.random.split(around)
    step = jax.random.normal(noise, shape, dtype)
    step = step * jnp.asarray(SCALES, dtype)[None, :, None, None] * span
    # In many dimensions only a few coordinates move at once (Regis & Shoemaker 2013).
    share = min(1.0, 20 / max(columns, 1))
    share = jnp.asarray([share, share / 2], dtype)[jnp.arange(LOCAL) % 2]
    kept = jax.random.uniform(chosen, shape, dtype) < share[:, None, None, None]
    near = (region.centres[None, None] + jnp.where(kept, step, 0)).reshape(-1, columns)
    near = jnp.clip(near, region.low[None], region.high[None])
    centres = jnp.clip(region.centres, region.low[None], region.high[None])
    return jnp.concatenate([wide, near, centres])


def _exchanges(key, x: jax.Array, grid: Grid) -> jax.Array:
    """Return legal rows after single and double moves in the discrete columns."""
    dtype = x.dtype
    columns = np.array(grid.discrete, int)
    rows = [x[None]]
    for start, width in grid.groups:
        hot = jnp.eye(width, dtype=dtype)
        rows.append(jnp.repeat(x[None], width, 0).at[:, start : start + width].set(hot))
    if len(columns):
        unit = grid.gap.astype(dtype)
        steps = jnp.asarray([-1, 1, -2, 2], dtype)
        one = steps[:, None, None] * jnp.eye(len(x), dtype=dtype)[columns] * unit
        rows.append(x[None] + one.reshape(-1, len(x)))
        first, second, third = jax.random.split(key, 3)
        count = EXCHANGES * len(columns)
        random = jax.random.uniform(first, (count, len(x)), dtype)
        few = jax.random.uniform(second, (count, len(x)), dtype) < 2 / len(columns)
        free = np.isin(np.arange(len(x)), columns)
        rows.append(jnp.where(few & free[None], random, x[None]))
        pair = jax.random.randint(third, (count, len(x)), -1, 2).astype(dtype)
        rows.append(x[None] + jnp.where(free[None], pair * unit[None], 0))
    moved = jnp.concatenate(rows)
    if grid.branches:
        # What a move wakes starts anywhere.
        anywhere = jax.random.uniform(jax.random.fold_in(key, 1), moved.shape, dtype)
        moved = jnp.where(grid.active(x)[None], moved, anywhere)
    return jax.vmap(grid.snap)(moved)
