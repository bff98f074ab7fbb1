"""Equilibria of a cooperative game, in spaces of choices only.

Every categorical dimension is a player and the score is the payoff of all. In each
round all games score every change of one player in one call of a fixed shape, and each
plays its best. Where none gains, the row is a pure Nash equilibrium.

Source: Bal et al. 2024 (GameOpt), arXiv 2409.18582.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.maximize.gradient import Region, worth
from pfnbo.space import Grid

GAMES = 12  # played at once, some from the incumbents and the others from anywhere


class Equilibria(NamedTuple):
    """Where the games ended."""

    rows: jax.Array  # (GAMES, columns)
    values: jax.Array  # (GAMES,)
    scored: jax.Array  # () evaluations of the score


def suits(grid: Grid) -> bool:
    """Return whether every column belongs to a player."""
    return bool(grid.groups) and not grid.ordered.any()


def propose(
    key: jax.Array,
    score: Callable[[Any, jax.Array], jax.Array],
    args: Any,
    region: Region,
    grid: Grid,
) -> tuple[np.ndarray, float]:
    """Return the best equilibrium `(columns,)` and its score.

    Args:
        key: random key; the result depends on nothing else that is random.
        score: `score(args, x)` at one row, a static function.
        args: pytree of everything `score` needs.
        region: incumbents and taken rows; its box is not used.
        grid: the players, one for each group of columns.

    Returns:
        No free row that differs in one dimension scores higher. A score of `-inf` says
        that every row met is taken.
    """
    ends = equilibria(key, score, args, region, grid)
    best = int(np.argmax(ends.values))
    return np.asarray(ends.rows[best]), float(ends.values[best])


@functools.partial(jit, static_argnames="score")
def equilibria(key, score, args, region: Region, grid: Grid) -> Equilibria:
    """Play every game until no change of one player gains; arguments of `propose`."""
    anywhere = jax.random.uniform(key, (GAMES - len(region.centres), grid.gap.size))
    starts = jnp.concatenate([region.centres, anywhere.astype(region.centres.dtype)])
    rows = jax.vmap(grid.snap)(starts)
    payoff = jax.vmap(functools.partial(worth, score, args, region))

    def play(state):
        rows, values, scored, _ = state
        moves = jax.vmap(changes, (0, None))(rows, grid)
        each = payoff(moves.reshape(-1, rows.shape[1])).reshape(moves.shape[:2])
        best = jnp.argmax(each, axis=1)
        gained = jnp.max(each, axis=1)
        better = gained > values
        moved = jnp.take_along_axis(moves, best[:, None, None], 1)[:, 0]
        rows = jnp.where(better[:, None], moved, rows)
        values = jnp.where(better, gained, values)
        return rows, values, scored + each.size, jnp.any(better)

    start = rows, payoff(rows), jnp.asarray(GAMES), jnp.asarray(True)
    return Equilibria(*jax.lax.while_loop(lambda s: s[3], play, start)[:3])


def changes(
    x: jax.Array,  # (columns,)
    grid: Grid,
) -> jax.Array:
    """Return the legal rows after each change of one player, (changes, columns)."""
    rows = []
    for start, width in grid.groups:
        hot = jnp.eye(width, dtype=x.dtype)
        rows.append(jnp.repeat(x[None], width, 0).at[:, start : start + width].set(hot))
    return jax.vmap(grid.snap)(jnp.concatenate(rows))
