"""One run of a method: every evaluation, and the time spent on suggesting it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pfnbo.problems.problem import Problem
from pfnbo.space import Space

SLACK = 1e-9  # constraint values up to this count as feasible
FAILURES = (ArithmeticError, ValueError, RuntimeError)  # of a formula or a solver


@dataclass(frozen=True)
class Row:
    """One evaluation of a run."""

    f: float  # objective, minimised; NaN where the evaluation failed
    violation: float  # largest constraint value, 0 where feasible, NaN where failed
    cpu: float  # CPU seconds spent on the suggestion, 0 for the shared design
    wall: float  # seconds on the clock of the same
    point: tuple[Any, ...] = ()  # values in the order of the dimensions


class Trace:
    """Evaluates a problem and records each evaluation with the time before it.

    Args:
        problem: benchmark problem.
    """

    def __init__(self, problem: Problem) -> None:
        """Begin without an evaluation and with the clock stopped."""
        self.problem = problem
        self.space = Space.from_bounds(problem.space)
        self.rows: list[Row] = []
        self.cube: list[np.ndarray] = []
        self.f: list[float] = []
        self.g: list[np.ndarray] = []
        self._mark: tuple[float, float] | None = None
        self._size = np.ones(problem.n_constraints)
        self._ceiling, self._spread = 0.0, 1.0

    def observe(self, point: Any) -> tuple[float, np.ndarray]:
        """Return f and g `(c,)` at a point, all of them NaN where it failed.

        Args:
            point: dict of values, or a list in the order of the dimensions.
        """
        cpu, wall = self._spent()
        values = listed(point)
        f, g = self._outcome(values)
        told = tuple(map(plain, values))
        self.rows.append(Row(f, self._violation(f, g), cpu, wall, told))
        self.cube.append(self.space.encode(point))
        if self._mark is not None:
            self._mark = _clocks()
        return f, g

    def evaluate(self, point: Any) -> tuple[float, np.ndarray]:
        """Return what `observe` does, with finite values where it failed.

        These are the worst objective so far, and constraints violated by their usual
        size: few optimisers can be told of a failure in another way.
        """
        f, g = self.observe(point)
        if not np.isfinite(f):
            f, g = max(self.f, default=0.0), self._size.copy()
        self.f.append(f)
        self.g.append(g)
        return f, g

    def evaluate_cube(self, row: np.ndarray) -> tuple[float, np.ndarray]:
        """Return objective and constraint values at the legal point nearest `row`."""
        return self.evaluate(listed(self.space.decode(np.clip(row, 0, 1))))

    def design(self, x_init: np.ndarray) -> None:
        """Evaluate the shared design, cube rows `(n, columns)`, and start the clock."""
        for row in x_init:
            self.evaluate_cube(row)
        if self.f:
            size = np.median(np.abs(self.g), axis=0)
            self._size = np.where(size > 0, size, 1.0)
            self._ceiling, self._spread = max(self.f), float(np.ptp(self.f)) or 1.0
        self.start_clock()

    def start_clock(self) -> None:
        """Count the time from now on towards the next evaluation."""
        self._mark = _clocks()

    def penalised(self, f: float, g: np.ndarray) -> float:
        """Return one number for optimisers that know no constraints.

        A feasible point keeps its objective. The others lie above the whole design,
        by the sum of their violations, each in units of its usual size.
        """
        if np.all(g <= SLACK):
            return f
        excess = np.log1p(np.maximum(g, 0) / self._size).sum()
        return float(self._ceiling + self._spread * excess)

    def scores(self) -> list[float]:
        """Return `penalised` of every evaluation so far."""
        return [self.penalised(f, g) for f, g in zip(self.f, self.g, strict=True)]

    def points(self) -> list[list[Any]]:
        """Return the evaluated points as lists of values of Python's own types."""
        points = (listed(self.space.decode(row)) for row in self.cube)
        return [[plain(value) for value in point] for point in points]

    def _spent(self) -> tuple[float, float]:
        if self._mark is None:
            return 0.0, 0.0
        cpu, wall = _clocks()
        return cpu - self._mark[0], wall - self._mark[1]

    def _outcome(self, point: list[Any]) -> tuple[float, np.ndarray]:
        try:
            f, g = self.problem.evaluate(dict(zip(self.space, point, strict=True)))
        except FAILURES:
            f, g = np.nan, np.zeros(0)
        if np.isfinite(f) and np.all(np.isfinite(g)):
            return f, g
        return np.nan, np.full(self.problem.n_constraints, np.nan)

    def _violation(self, f: float, g: np.ndarray) -> float:
        return np.nan if np.isnan(f) else violation(g, self.problem.tolerance)


def violation(g: np.ndarray, tolerance: float = 0.0) -> float:
    """Return the largest constraint value, 0 when none is above the tolerance."""
    worst = float(np.max(g, initial=0.0))
    return worst if worst > max(tolerance, SLACK) else 0.0


def listed(point: Any) -> list[Any]:
    """Return the values of a point in the order of the dimensions."""
    return list(point.values()) if isinstance(point, dict) else list(point)


def plain(value: Any) -> Any:
    """Return a value as Python's own type, which JSON and others want."""
    return value.item() if isinstance(value, np.generic) else value


def shared_design(problem: Problem, n: int, seed: int) -> np.ndarray:
    """Return `n` scrambled Sobol points as legal cube rows `(n, columns)`."""
    space = Space.from_bounds(problem.space)
    return np.array([space.snap(row) for row in space.design(n, seed)])


def best_of(scores: Sequence[float], cube: Sequence[np.ndarray]) -> np.ndarray:
    """Return the cube row with the lowest score."""
    return cube[int(np.argmin(scores))]


def _clocks() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()
