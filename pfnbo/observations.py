"""What a study has evaluated, on the host and in float64."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pfnbo import flukes

MORE = 10  # hyper-parameters are learned anew after a tenth more observations


@dataclass(frozen=True)
class Observations:
    """What has been evaluated, on the host in float64."""

    rows: np.ndarray  # (n, columns)
    f: np.ndarray  # (n,) to be minimised, NaN where failed
    g: np.ndarray  # (n, constraints), NaN where unknown
    failed: np.ndarray  # (n,) bool
    allowed: np.ndarray | bool = True  # (n,) bool, by known constraints
    flip_rate: float = 0.0  # chance of a failure that its point has no part in
    ever_failed: bool = False  # whether others than these did
    earlier: "Observations | None" = None  # of a task that is like this one

    @property
    def fails(self) -> bool:
        """Whether failures are to be modelled."""
        return self.ever_failed or bool(self.failed.any())

    def marked(self, rows: np.ndarray, task: float = 0.0) -> np.ndarray:
        """Return rows with a column that tells the task, where there are two."""
        if self.earlier is None:
            return rows
        return np.column_stack([rows, np.full(len(rows), task)])

    def joined(self) -> "Observations":
        """Return these and then the earlier ones, told apart by one more column.

        A Gaussian process learns from its length-scale how alike the two tasks are.
        """
        old = self.earlier
        if old is None:
            return self
        return Observations(
            np.concatenate([self.marked(self.rows), self.marked(old.rows, 1.0)]),
            np.concatenate([self.f, old.f]),
            np.concatenate([self.g, old.g]),
            np.concatenate([self.failed, old.failed]),
            flip_rate=self.flip_rate,
        )

    def spread(self, n: int) -> "Observations":
        """Return at most `n` of them, evenly from the first to the last."""
        if len(self.f) <= n:
            return self
        kept = np.linspace(0, len(self.f) - 1, n).round().astype(int)
        return replace(self._of(kept), ever_failed=self.fails)

    @property
    def settled(self) -> "Observations":
        """The first of them, as many as hyper-parameters are learned from.

        All of them where there are few, or where any output has much news.
        """
        n, first = len(self.f), 1
        while (more := first + max(1, first // MORE)) <= n:
            first = more
        known = np.isfinite(np.column_stack([self.f, self.g]))
        known = np.column_stack([known, self.failed])
        enough = known.sum(0) * MORE <= known[:first].sum(0) * (MORE + 1)
        return self._of(np.arange(first)) if enough.all() and first < n else self

    def _of(self, kept: np.ndarray) -> "Observations":
        return replace(
            self,
            rows=self.rows[kept],
            f=self.f[kept],
            g=self.g[kept],
            failed=self.failed[kept],
            allowed=np.broadcast_to(self.allowed, self.failed.shape)[kept],
        )

    @cached_property
    def label(self) -> np.ndarray:
        """How sure it is that each point fails again, from -1 to +1, (n,)."""
        return flukes.labels(self.rows, self.failed, self.flip_rate)

    @cached_property
    def violation(self) -> np.ndarray:
        """Largest positive constraint value, infinite where failed or not allowed."""
        worst = np.max(np.nan_to_num(self.g, nan=np.inf), axis=1, initial=0.0)
        return np.where(~self.failed & self.allowed, worst, np.inf)

    @property
    def feasible(self) -> np.ndarray:
        """Whether each evaluation satisfies every constraint, (n,)."""
        return self.violation <= 0

    @cached_property
    def order(self) -> np.ndarray:
        """Indices from best to worst: feasible by value, then by scaled violation."""
        size = np.nanmedian(np.where(np.isfinite(self.g), np.abs(self.g), 0.0), axis=0)
        scaled = np.log1p(np.maximum(self.g, 0) / np.where(size > 0, size, 1.0))
        total = np.nan_to_num(scaled, nan=50.0, posinf=1e3).sum(axis=1)
        total = np.where(~self.failed & self.allowed, total, np.inf)
        f = np.where(self.failed, np.inf, self.f)
        return np.lexsort((f, np.where(self.feasible, 0.0, total)))

    def improved(self) -> np.ndarray:
        """Whether each evaluation was the best one when it came, (n,) bool."""
        rank = np.empty(len(self.f), int)
        rank[self.order] = np.arange(len(self.f))
        return rank == np.minimum.accumulate(rank)
