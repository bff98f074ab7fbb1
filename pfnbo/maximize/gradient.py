"""Maximises a score over the legal rows of the unit cube in one compiled call.

Sobol and local candidates are screened, the best are polished by projected BFGS in
the continuous columns and by exchange moves in the discrete ones.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from pfnbo import bfgs
from pfnbo.space import Grid

SCREENED = 1024  # Sobol candidates
LOCAL = 64  # candidates around each incumbent, at each scale
SCALES = (0.2, 0.05, 0.01, 1e-3)
POLISHED = 12
STEPS = 150
ROUNDINGS = 4  # of each relaxed row
ROUNDS = 2
EXCHANGES = 6  # values tried for each discrete column
CLOSEST = 1e-6  # rows nearer than this are the same point


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Region:
    """Where to search."""

    low: jax.Array  # (columns,)
    high: jax.Array  # (columns,)
    centres: jax.Array  # (k, columns) incumbents
    taken: jax.Array  # (n, columns) rows that must not come again, NaN to pad


@functools.lru_cache(maxsize=8)
def sobol(columns: int) -> np.ndarray:
    """Return the screening points `(SCREENED, columns)`."""
    engine = qmc.Sobol(max(columns, 1), rng=np.random.default_rng(0))
    return engine.random(SCREENED)[:, :columns]


def propose(
    key: jax.Array,
    score: Callable[[Any, jax.Array], jax.Array],
    args: Any,
    region: Region,
    grid: Grid,
) -> tuple[np.ndarray, float]:
    """Return the best legal row `(columns,)` found and its score.

    Args:
        key: random key; the result depends on nothing else that is random.
        score: `score(args, x)` at one row, a static function.
        args: pytree of everything `score` needs.
        region: box, incumbents and taken rows.
        grid: the discrete structure of the cube.

    Returns:
        A score of `-inf` says that every candidate is taken.
    """
    points = sobol(region.low.shape[0])
    row, value = _propose(key, score, args, region, grid, points)
    return np.asarray(row), float(value)


@functools.partial(jax.jit, static_argnames="score")
def _propose(key, score, args, region: Region, grid: Grid, points):
    def value(x):
        s = score(args, x)
        # Compared first: on CPU a maximum over NaN may lose it, depending on fusion.
        near = jnp.all(jnp.abs(region.taken - x[None]) < CLOSEST, axis=1)
        fresh = ~jnp.any(near)  # a NaN row is near nothing
        return jnp.where(jnp.isfinite(s) & fresh, s, -jnp.inf)

    def polish(x, moving):
        low = jnp.where(moving, region.low, x)
        high = jnp.where(moving, region.high, x)
        gain = jax.value_and_grad(lambda x: -score(args, x))
        return bfgs.minimize(gain, x, low, high, steps=STEPS, tolerance=1e-5)[0]

    def keep(pool, rows):
        """Return the best of the pool and of the new rows."""
        rows = jnp.concatenate([pool[0], rows])
        values = jnp.concatenate([pool[1], jax.vmap(value)(rows[len(pool[0]) :])])
        values, order = jax.lax.top_k(values, POLISHED)
        return rows[order], values

    continuous, ordered = _moving(grid, region.low.shape[0])
    key, shift, around = jax.random.split(key, 3)
    rows = jax.vmap(grid.snap)(_candidates(shift, around, region, points))
    # The incumbents themselves are taken, but the best places to climb from.
    taken = jnp.full(len(region.centres), -jnp.inf, rows.dtype)
    values = jax.vmap(value)(rows)
    values, order = jax.lax.top_k(values, POLISHED - len(taken))
    centres = jax.vmap(grid.snap)(region.centres)
    pool = jnp.concatenate([rows[order], centres]), jnp.concatenate([values, taken])
    polish_all = jax.vmap(polish, (0, None))
    if not grid.discrete and not grid.groups:
        pool = keep(pool, polish_all(pool[0], continuous))
    else:
        def improve(pool, key):
            relax, swap = jax.random.split(key)
            relaxed = polish_all(pool[0], ordered)
            jitter = jax.random.uniform(relax, (ROUNDINGS, *relaxed.shape), rows.dtype, -.5, .5)
            unit = 1 / jnp.maximum(grid.levels - 1, 1)
            near = (relaxed[None] + jitter * jnp.where(grid.levels > 0, unit, 0)).reshape(-1, rows.shape[1])
            near = jax.vmap(grid.snap)(near)
            near = polish_all(near, continuous) if continuous.any() else near
            pool = keep(pool, near)
            swaps = jax.vmap(lambda key, x: jax.vmap(grid.snap)(_exchanges(key, x, grid)))(jax.random.split(swap, POLISHED), pool[0])
            pool = keep(pool, swaps.reshape(-1, rows.shape[1]))
            if continuous.any():
                pool = keep(pool, polish_all(pool[0], continuous))
            return pool, None
        pool, _ = jax.lax.scan(improve, pool, jax.random.split(key, ROUNDS))
    return pool[0][0], pool[1][0]


def _moving(grid: Grid, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the continuous columns and of all ordered ones."""
    ordered = np.ones(columns, bool)
    for start, width in grid.groups:
        ordered[start : start + width] = False
    continuous = ordered.copy()
    continuous[list(grid.discrete)] = False
    return continuous, ordered


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
    """Single and double moves in the discrete columns, not yet snapped."""
    dtype = x.dtype
    columns = np.array(grid.discrete, int)
    rows = [x[None]]
    for start, width in grid.groups:
        hot = jnp.eye(width, dtype=dtype)
        rows.append(jnp.repeat(x[None], width, 0).at[:, start : start + width].set(hot))
    if len(columns):
        unit = 1 / jnp.maximum(grid.levels - 1, 1).astype(dtype)
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
    return jnp.clip(jnp.concatenate(rows), 0, 1)
