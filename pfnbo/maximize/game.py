"""Equilibria of a cooperative game whose players are the dimensions of choices.

The score is the payoff of all. In each round all games score every change of one player
in one call of a fixed shape, and each plays its best. Where none gains, the row is a
pure Nash equilibrium; where a cheap score screens, only among the changes that pass.
Where there are other columns, games of the choices and of the neighbouring levels
alternate with climbs of what is continuous.

Source: Bal et al. 2024 (GameOpt), arXiv 2409.18582.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.maximize.gradient import Region, Screen, climb, pool, sobol, worth
from pfnbo.space import Grid

GAMES = 12  # played at once, some from the incumbents and the others from anywhere
TURNS = 2  # of climbs, each between two games
LEVELS = (-1, 1)  # steps of an ordered player


class Equilibria(NamedTuple):
    """Where the games ended."""

    rows: jax.Array  # (GAMES, columns)
    values: jax.Array  # (GAMES,)
    scored: jax.Array  # () evaluations of the score in games, in full


def suits(grid: Grid) -> bool:
    """Return whether there is a player of choices."""
    return bool(grid.groups)


def propose(
    key: jax.Array,
    score: Callable[[Any, jax.Array], jax.Array],
    args: Any,
    region: Region,
    grid: Grid,
    cheap: Screen | None = None,
) -> tuple[np.ndarray, float]:
    """Return the best equilibrium `(columns,)` and its score.

    Args:
        key: random key; the result depends on nothing else that is random.
        score: `score(args, x)` at one row, a static function.
        args: pytree of everything `score` needs.
        region: incumbents and taken rows; its box is that of columns that no player
            has.
        grid: the players, one for each group of columns and each stepped column.
        cheap: what sees all changes first; None scores all in full.

    Returns:
        No free row that differs in one choice, of those that pass the screen, scores
        higher. A score of `-inf` says that every row met is taken.
    """
    if grid.ordered.any():
        points = sobol(region.low.shape[0])
        starts = pool(key, score, args, region, grid, points, cheap).rows
        ends = alternate(score, args, region, grid, starts, cheap)
    else:
        ends = equilibria(key, score, args, region, grid, cheap)
    best = int(np.argmax(ends.values))
    return np.asarray(ends.rows[best]), float(ends.values[best])


def equilibria(
    key, score, args, region: Region, grid: Grid, cheap: Screen | None = None
) -> Equilibria:
    """Play every game until no change that passes gains; arguments of `propose`."""
    return _play(score, args, region, grid, _starts(key, region, grid), cheap)


@jax.jit
def _starts(key, region: Region, grid: Grid) -> jax.Array:
    anywhere = jax.random.uniform(key, (GAMES - len(region.centres), grid.gap.size))
    starts = jnp.concatenate([region.centres, anywhere.astype(region.centres.dtype)])
    return jax.vmap(grid.snap)(starts)


def alternate(
    score, args, region: Region, grid: Grid, starts, cheap: Screen | None = None
) -> Equilibria:
    """Play from legal rows, and between games climb in what is continuous."""
    ends = _play(score, args, region, grid, starts, cheap)
    for _ in range(TURNS if grid.moving.any() else 0):
        starts = _climbed(score, args, region, grid, ends)
        ends = _play(score, args, region, grid, starts, cheap)
    return ends


@functools.partial(jit, static_argnames="score")
def _climbed(score, args, region: Region, grid: Grid, ends: Equilibria) -> jax.Array:
    rows = climb(ends.rows, score, args, region, grid, grid.moving)
    worths = jax.vmap(functools.partial(worth, score, args, region))(rows)
    return jnp.where((worths > ends.values)[:, None], rows, ends.rows)


# Compiled once for all turns.
@functools.partial(jit, static_argnames="score")
def _play(score, args, region: Region, grid: Grid, starts, cheap) -> Equilibria:
    payoff = jax.vmap(functools.partial(worth, score, args, region))

    def play(state):
        rows, values, scored, _ = state
        moves = jax.vmap(changes, (0, None))(rows, grid)
        if cheap is not None and cheap.passes(moves.shape[1]) < moves.shape[1]:
            moves = _screened(score, cheap, region, rows, moves)
        each = payoff(moves.reshape(-1, rows.shape[1])).reshape(moves.shape[:2])
        best = jnp.argmax(each, axis=1)
        gained = jnp.max(each, axis=1)
        better = gained > values
        moved = jnp.take_along_axis(moves, best[:, None, None], 1)[:, 0]
        rows = jnp.where(better[:, None], moved, rows)
        values = jnp.where(better, gained, values)
        return rows, values, scored + each.size, jnp.any(better)

    start = starts, payoff(starts), jnp.asarray(len(starts)), jnp.asarray(True)
    return Equilibria(*jax.lax.while_loop(lambda s: s[3], play, start)[:3])


def _screened(score, cheap: Screen, region: Region, rows, moves) -> jax.Array:
    """Return the changes of each game's row that the cheap score puts first."""
    first = jax.vmap(functools.partial(worth, score, cheap.args, region))
    told = first(moves.reshape(-1, moves.shape[2])).reshape(moves.shape[:2])
    # Every player may also stay: that is no change, and must take no place.
    stays = jnp.all(moves == rows[:, None], axis=2)
    told = jnp.where(stays, -jnp.inf, told)
    _, best = jax.lax.top_k(told, cheap.passes(moves.shape[1]))
    return jnp.take_along_axis(moves, best[:, :, None], 1)


def changes(
    x: jax.Array,  # (columns,)
    grid: Grid,
) -> jax.Array:
    """Return the legal rows after each change of one player, (changes, columns)."""
    rows = []
    for start, width in grid.groups:
        hot = jnp.eye(width, dtype=x.dtype)
        rows.append(jnp.repeat(x[None], width, 0).at[:, start : start + width].set(hot))
    if grid.discrete:
        columns = np.array(grid.discrete)
        step = jnp.eye(len(x), dtype=x.dtype)[columns] * grid.gap.astype(x.dtype)
        rows += [x[None] + level * step for level in LEVELS]
    return jax.vmap(grid.snap)(jnp.concatenate(rows))
