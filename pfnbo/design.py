"""The space-filling design: a supply of points that are allowed and not taken yet."""

import numpy as np

from pfnbo.belief import Belief
from pfnbo.errors import SettingError
from pfnbo.known import Known
from pfnbo.space import Space, contains

DRAWS = 1 << 14  # Sobol points tried before a search for allowed ones
FIRST = 256  # Sobol points tried at first
REPAIRED = 12  # points moved to where they are allowed, of each kind


class Design:
    """The scrambled Sobol sequence of a space, drawn as far as it is needed.

    Under known constraints it keeps what they allow. When that is too little, it
    goes through a finite space, or moves points to where they are allowed. Of a belief
    every other point is a draw. Where candidates are listed, it takes the nearest ones.

    Args:
        space: the search space.
        seed: the same seed gives the same sequence.
        known: what must hold at every point.
        belief: where the optimum may be.

    Raises:
        SettingError: when no allowed point is found.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        known: Known | None = None,
        belief: Belief | None = None,
    ) -> None:
        """Look for one allowed point."""
        self.space, self.seed = space, seed
        self.known, self.belief = known, belief
        self._rows = np.zeros((0, space.columns))
        self._first = 0  # every row before this one is taken for good
        self._drawn = 0
        self._searched = False
        if known is not None and self.next(self._rows) is None:
            raise _empty(known, self._closest(1)[0])

    def next(self, taken: np.ndarray) -> np.ndarray | None:
        """Return the first row of the sequence that is not among `taken`.

        Args:
            taken: `(n, columns)`, a superset of what it was at the last call; some
                point of the space must be missing from it.

        Returns:
            A row, or None when no other allowed one is found.
        """
        while True:
            for row in self._rows[self._first :]:
                if not contains(taken, self.space.snap(row)):  # as it is told
                    return row
                self._first += 1
            if not self._grow():
                return None

    def sample(self, n: int, seed: int) -> np.ndarray:
        """Return `n` random rows of those drawn `(n, columns)`, some repeated."""
        rng = np.random.default_rng([self.seed, seed])
        return self._rows[np.resize(rng.permutation(len(self._rows)), n)]

    def _grow(self) -> bool:
        """Append rows, and return whether more could be tried."""
        known, space = self.known, self.space
        endless = known is None and space.candidate_rows is None
        if endless or self._drawn < min(DRAWS, 4 * space.cardinality):
            size = max(2 * self._drawn, FIRST)
            rows = self._drawn_to(size)
        elif not self._searched:
            rows, self._searched = self._search(), True
        else:
            return False
        if known is not None:
            rows = rows[[known.allows(row) for row in rows]]
        self._rows = np.concatenate([self._rows, rows])
        return True

    def _drawn_to(self, size: int) -> np.ndarray:
        """Return the points of the sequence from those drawn to this number."""
        rows = self.space.design(size, self.seed)[self._drawn :]
        if self.belief is not None:
            drawn = self.belief.draw(rows[::2], self.seed + self._drawn)
            rows[::2] = self.space.grid.settle(drawn, np)
        self._drawn = size
        return self.space.nearest(rows)

    def _search(self) -> np.ndarray:
        known, listed = self.known, self.space.candidate_rows
        if known is None or listed is not None or self.space.cardinality <= DRAWS:
            return self.space.every_row()
        spread = self.space.design(REPAIRED, self.seed)
        starts = np.concatenate([self._closest(REPAIRED), spread])
        found = [known.repair(row) for row in starts]
        rows = [self.space.snap(row) for row in found if row is not None]
        return np.reshape(rows, (len(rows), self.space.columns))

    def _closest(self, n: int) -> np.ndarray:
        """Return the `n` rows of least violation among a thousand."""
        rows = self.space.nearest(self.space.design(1024, self.seed))
        return rows[np.argsort([self.known.violation(row) for row in rows])[:n]]  # type: ignore[union-attr]


def _empty(known: Known, row: np.ndarray) -> SettingError:
    return SettingError(
        "constraints allow no point that a search within the bounds could find. The "
        f"closest seen is {known.space.decode(row)}, where {known.blame(row)}. Check "
        "the signs: a function must be at most 0 where a point is allowed."
    )
