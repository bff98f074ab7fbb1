"""The space-filling design: an endless supply of points that are not taken yet."""

import numpy as np

from pfnbo.space import Space, contains


class Design:
    """The scrambled Sobol sequence of a space, drawn as far as it is needed.

    Args:
        space: the search space.
        seed: the same seed gives the same sequence.
    """

    def __init__(self, space: Space, seed: int) -> None:
        """Draw nothing yet."""
        self.space, self.seed = space, seed
        self._rows = np.zeros((0, space.columns))
        self._first = 0  # every row before this one is taken for good

    def next(self, taken: np.ndarray) -> np.ndarray:
        """Return the first row of the sequence that is not among `taken`.

        Args:
            taken: `(n, columns)`, a superset of what it was at the last call; some
                point of the space must be missing from it.
        """
        while True:
            for row in self._rows[self._first :]:
                if not contains(taken, row):
                    return row
                self._first += 1
            self._rows = self.space.design(2 * len(self._rows) + 32, self.seed)
