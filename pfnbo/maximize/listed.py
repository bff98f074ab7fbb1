"""Maximises a score over a list of candidates: all of them are scored."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from pfnbo.compilation import jit
from pfnbo.known import Known
from pfnbo.maximize.gradient import Region, Screen, worth
from pfnbo.space import Grid

TOGETHER = 1024  # rows scored at once, which bounds the memory


def propose(
    key: jax.Array,
    score: Callable[[Any, jax.Array], jax.Array],
    args: Any,
    region: Region,
    grid: Grid,
    *,
    rows: np.ndarray,
    known: Known | None = None,
    cheap: Screen | None = None,
) -> tuple[np.ndarray, float]:
    """Return the best candidate `(columns,)` and its score.

    Args:
        key: unused; nothing is random.
        score: `score(args, x)` at one row, a static function.
        args: pytree of everything `score` needs.
        region: taken rows; its box does not count.
        grid: unused.
        rows: the candidates `(n, columns)`.
        known: what must hold.
        cheap: what sees all candidates first, and passes on those of the best that are
            allowed; None scores all in full.

    Returns:
        A score of `-inf` says that no candidate is both allowed and free.
    """

    def ranked(rows: np.ndarray, args: Any) -> Iterator[tuple[np.ndarray, float]]:
        values = np.asarray(_worths(score, args, region, rows))
        for i in np.argsort(-values, kind="stable"):
            if np.isfinite(values[i]) and (known is None or known.allows(rows[i])):
                yield rows[i], float(values[i])

    if cheap is not None:
        passed = itertools.islice(ranked(rows, cheap.args), cheap.passes(len(rows)))
        kept = [row for row, _ in passed] or [rows[0]]
        # As many as ever, for the program not to be compiled anew.
        kept += kept[:1] * (min(cheap.passes(len(rows)), len(rows)) - len(kept))
        rows = np.stack(kept)
    return next(ranked(rows, args), (rows[0], -np.inf))


@functools.partial(jit, static_argnames="score")
def _worths(score, args, region: Region, rows: jax.Array) -> jax.Array:
    one = functools.partial(worth, score, args, region)
    return jax.lax.map(one, rows, batch_size=TOGETHER)
