"""Maximises a score over the rows that known constraints allow, on the host.

The constraints are Python functions, so the compiled search can't see them: candidates
are scored in one compiled call, filtered here, and the best allowed ones polished.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.known import Known
from pfnbo.maximize.gradient import (
    ROUNDS,
    Region,
    Screen,
    neighbours,
    screen,
    slope,
    sobol,
    worth,
)
from pfnbo.space import Grid

STARTS = 5  # candidates polished
SHORTLIST = 32  # allowed candidates that a screen passes on
APART = 0.01  # distance of two starts in some column


def propose(
    key: jax.Array,
    score: Callable[[Any, jax.Array], jax.Array],
    args: Any,
    region: Region,
    grid: Grid,
    *,
    known: Known,
    cheap: Screen | None = None,
) -> tuple[np.ndarray, float]:
    """Return the best row `(columns,)` found that is allowed, and its score.

    Args:
        key: random key; the result depends on nothing else that is random.
        score: `score(args, x)` at one row, a static function.
        args: pytree of everything `score` needs.
        region: box, centres and taken rows; allowed rows among the centres help.
        grid: the discrete structure of the cube.
        known: what must hold.
        cheap: what ranks the candidates, of which a few that are allowed are scored in
            full; None scores all in full.

    Returns:
        A score of `-inf` says that no candidate is both allowed and free.
    """
    # Once for all calls of the polish: a transfer costs more than the score.
    args, region = jax.tree.map(jnp.asarray, (args, region))
    first, *keys = jax.random.split(key, 1 + ROUNDS)
    points = sobol(region.low.shape[0])
    ranking = args if cheap is None else cheap.args
    found = screen(first, score, ranking, region, grid, points)
    rows, values = map(np.asarray, found)
    # What is not allowed was never tried, so that it looks best: it must take no place.
    best = _allowed(rows, values, known, STARTS if cheap is None else SHORTLIST)
    if not best:
        return rows[0], -np.inf
    if cheap is not None:
        full = np.array([_score(score, args, region, x) for x in best])
        best = [best[i] for i in np.argsort(-full, kind="stable")[:STARTS]]
    for key in keys if grid.stepped else keys[:1]:
        if grid.stepped:
            best = [_exchange(key, score, args, region, grid, x, known) for x in best]
        best = [_polish(score, args, region, x, known) for x in best]
    scored = [(_score(score, args, region, x), x) for x in best]
    value, row = max(scored, key=lambda pair: pair[0])
    return row, value


def _allowed(rows, values, known: Known, most: int) -> list[np.ndarray]:
    """Return the allowed rows of the highest finite scores that lie apart."""
    chosen: list[np.ndarray] = []
    for i in np.argsort(-values, kind="stable"):
        if len(chosen) == most or not np.isfinite(values[i]):
            break
        apart = all(np.max(np.abs(rows[i] - x), initial=0) > APART for x in chosen)
        if (apart or not chosen) and known.allows(rows[i]):
            chosen.append(rows[i])
    return chosen


def _exchange(key, score, args, region, grid, x, known: Known) -> np.ndarray:
    rows, values = neighbours(key, score, args, region, grid, x)
    better = _allowed(np.asarray(rows), np.asarray(values), known, 1)
    return better[0] if better else x


def _polish(score, args, region: Region, x: np.ndarray, known: Known) -> np.ndarray:
    def loss(row: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = slope(score, args, row)
        return -float(value), -np.asarray(gradient)

    low, high = np.asarray(region.low), np.asarray(region.high)
    new = known.minimize(loss, x, low, high)
    if new is None:
        return x
    better = _score(score, args, region, new) > _score(score, args, region, x)
    return new if better else x


def _score(score, args, region: Region, x: np.ndarray) -> float:
    """Return the score of a row, `-inf` when it is taken."""
    return float(worth(score, args, region, x))
