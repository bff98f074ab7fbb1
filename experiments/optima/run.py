"""Derives every optimum of `pfnbo.problems` again and compares it with the one kept.

    python experiments/optima/run.py
    python experiments/optima/run.py --problems spring g06 --seeds 5 --out /tmp/two.md

Nothing is started from the optimum kept. Where the discrete part has few enough
combinations, each is tried, with SLSQP from several starts over the rest; elsewhere
differential evolution and SLSQP from random starts search together, and SLSQP over the
continuous rest takes turns with steps to discrete neighbours. "found" is the best
feasible value; "gap" is (found - kept)/|kept|, so a negative one beats the value kept.
Exits with 1 when a gap is beyond 1e-6 either way. Slow, so each row is written as it is
found, and the same command goes on after the rows of its file.
"""

import argparse
import itertools
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import differential_evolution, minimize

from pfnbo import problems
from pfnbo.bench.statistics import gap
from pfnbo.problems import tables

COMBINATIONS = 10_000  # of the discrete part, at most, to be enumerated
POINTS = 10_000_000  # of a wholly discrete problem
STEP = 1e-6  # of the central differences
FEW = 4  # variables that the method of Nelder and Mead still serves well
STARTS = 12  # of SLSQP for each seed
RESULTS = Path(__file__).with_name("results.md")
HEAD = "| problem | kept | found | gap | how | s |\n|---|---|---|---|---|---|\n"
SLACK = 1e-9  # of a limit, relative to its slope: SLSQP stops a little outside


def values(dimension) -> list[float]:
    """Return the legal values of a discrete dimension, the numbers of its words."""
    if isinstance(dimension.at(0), str):
        return [float(k) for k in range(dimension.levels)]
    return [float(dimension.nth(k)) for k in range(dimension.levels)]


def at(dimension, u: float) -> float:
    """Return the value at a position on the scale."""
    if isinstance(dimension.at(0), str):
        return float(round(u * (dimension.levels - 1)))
    return float(dimension.at(u))


class Search:
    """One problem, with its variables on a unit scale where they are continuous."""

    def __init__(self, problem) -> None:
        self.problem = problem
        self.dims = problem.space.values()
        self.free = np.array([not d.levels for d in self.dims])
        self.low = np.array([at(d, 0) for d in self.dims])
        self.span = np.array([at(d, 1) for d in self.dims]) - self.low
        self.best, self.x = np.inf, None

    def value(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return f and g, large where the formula has no value."""
        with np.errstate(all="ignore"):
            try:
                f, g = self.problem.evaluate(x)
            except (ValueError, ZeroDivisionError, OverflowError):
                f, g = np.inf, np.full(self.problem.n_constraints, 1e6)
        g = np.nan_to_num(g, nan=1e6, posinf=1e6, neginf=-1e6)
        return (f if np.isfinite(f) else 1e12), g

    def keep(self, x: np.ndarray) -> float:
        """Note a point if it is feasible and better; return its value, or inf."""
        f, g = self.value(x)
        if np.any(g > self.problem.tolerance):
            return np.inf
        if f < self.best:
            self.best, self.x = f, x.copy()
        return f

    def descend(self, x: np.ndarray, iterations: int = 300) -> float:
        """Run SLSQP over the continuous variables, then once more a little inside."""
        ended = self._slsqp(x, self.free, 0.0, iterations)
        f = self.keep(self._slsqp(ended, self.free, SLACK, iterations))
        if np.isfinite(f):
            return f
        # Where a limit leaves a variable nothing but its bound, there is no inside.
        u = (ended - self.low) / self.span
        near = self.free & (np.abs(u - np.round(u)) < 1e-7)
        ended[near] = (self.low + np.round(u) * self.span)[near]
        return self.keep(self._slsqp(ended, self.free & ~near, SLACK, iterations))

    def _slsqp(
        self, x: np.ndarray, free: np.ndarray, margin: float, iterations: int
    ) -> np.ndarray:
        start = x.copy()

        def moved(u: np.ndarray) -> np.ndarray:
            point = start.copy()
            point[free] = self.low[free] + np.clip(u, 0, 1) * self.span[free]
            return point

        if not free.any():
            return start
        u = np.clip((x - self.low) / self.span, 0, 1)[free]
        f, g = self.value(x)
        beside = [
            self.value(moved(np.clip(u + s, 0, 1))) for s in 1e-4 * np.eye(len(u))
        ]
        slope = np.array([np.abs(m[1] - g) for m in beside]).max(0, initial=0) / 1e-4
        size = np.where(slope > 0, slope, 1.0)
        scale = max(abs(f), max((abs(m[0] - f) for m in beside), default=0)) or 1.0

        def inside(u: np.ndarray) -> np.ndarray:
            return -self.value(moved(u))[1] / size - margin * (slope > 0)

        def steepness(u: np.ndarray) -> np.ndarray:
            up = np.minimum(u + STEP * np.eye(len(u)), 1)
            down = np.maximum(u - STEP * np.eye(len(u)), 0)
            rise = [inside(a) - inside(b) for a, b in zip(up, down, strict=True)]
            return (np.array(rise) / np.sum(up - down, axis=1)[:, None]).T

        limits = {"type": "ineq", "fun": inside, "jac": steepness}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = minimize(
                lambda u: self.value(moved(u))[0] / scale,
                u,
                jac="3-point",
                method="SLSQP",
                bounds=[(0, 1)] * len(u),
                constraints=[limits] if len(g) else [],
                options=dict(maxiter=iterations, ftol=1e-15),
            )
        return moved(done.x) if np.all(np.isfinite(done.x)) else x

    def snap(self, u: np.ndarray) -> np.ndarray:
        """Return the legal point at positions u of the scales."""
        return np.array(list(map(at, self.dims, u)))

    def evolve(self, seed: int) -> np.ndarray:
        """Return the best point of differential evolution."""
        rng = np.random.default_rng(seed)
        points = map(self.snap, rng.random((200, len(self.dims))))
        f, g = zip(*map(self.value, points), strict=True)
        level = float(np.median(np.abs(f))) or 1.0
        sizes = np.maximum(np.median(np.abs(g), axis=0), 1e-12)

        def rank(u: np.ndarray) -> float:
            f, g = self.value(self.snap(u))
            bad = np.sum(np.maximum(g - self.problem.tolerance, 0) / sizes)
            # Arctan keeps the order of f and every infeasible point above it.
            return 2 + bad if bad > 0 else np.arctan(f / level)

        done = differential_evolution(
            rank,
            [(0, 1)] * len(self.dims),
            maxiter=max(150, 40_000 // (10 * len(self.dims))),
            popsize=10,
            tol=1e-10,
            seed=seed,
            polish=False,
        )
        if not self.free.all() or len(self.dims) > FEW:
            return self.snap(done.x)
        # Worst cases and peaks have kinks, where SLSQP stops short.
        fine = dict(xatol=1e-12, fatol=0.0, maxfev=2000)
        bounds = [(0, 1)] * len(self.dims)
        done = minimize(rank, done.x, method="Nelder-Mead", bounds=bounds, options=fine)
        self.keep(self.snap(done.x))
        return self.snap(done.x)

    def neighbours(self, x: np.ndarray):
        """Yield x with one discrete variable at another value, or two a step on."""
        fixed = np.flatnonzero(~self.free)
        grid = {i: values(self.dims[i]) for i in fixed}
        for i in fixed:
            for value in grid[i]:
                if value != x[i]:
                    yield np.where(np.arange(len(x)) == i, value, x)
        for i, j in itertools.combinations(fixed, 2):
            place = [int(np.argmin(np.abs(np.array(grid[k]) - x[k]))) for k in (i, j)]
            for step in itertools.product((-1, 1), repeat=2):
                a, b = place[0] + step[0], place[1] + step[1]
                if 0 <= a < len(grid[i]) and 0 <= b < len(grid[j]):
                    y = x.copy()
                    y[i], y[j] = grid[i][a], grid[j][b]
                    yield y


def enumerate_points(search: Search) -> str:
    """Try every point of a discrete problem."""
    fn, best = search.problem.fn, np.inf
    for x in itertools.product(*map(values, search.dims)):
        f, g = fn(np.array(x))
        if f < best and np.all(g <= 0):
            best = f
            search.keep(np.array(x))
    return "enumeration"


def enumerate_choices(search: Search, rng: np.random.Generator, starts: int) -> str:
    """Run SLSQP for every combination of the discrete variables."""
    axes = [values(d) if d.levels else [np.nan] for d in search.dims]
    for choice in map(np.array, itertools.product(*axes)):
        for _ in range(starts):
            x = np.where(search.free, search.snap(rng.random(len(search.dims))), choice)
            search.descend(x)
    return "enumeration + SLSQP"


def explore(search: Search, seeds: int) -> str:
    """Run differential evolution, SLSQP and steps to discrete neighbours."""
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        search.descend(search.evolve(seed))
        for u in rng.random((STARTS, len(search.dims))):
            # Sorted starts too: some optima are descending, and few starts are.
            search.descend(search.snap(u))
            if search.free.all():
                search.descend(search.snap(np.sort(u)[::-1]))
    better = not search.free.all() and search.x is not None
    while better:
        before = search.best
        for y in search.neighbours(search.x):
            search.descend(y, 60)
        better = search.best < before
    return "DE + SLSQP"


def derive(problem, seeds: int) -> tuple[Search, str]:
    """Return the search after it has ended, and what it did."""
    search = Search(problem)
    if isinstance(problem.fn, tables.Nearest):
        for x in problem.fn.rows:
            search.keep(x)
        return search, "enumeration"
    levels = [
        d.levels for d, free in zip(search.dims, search.free, strict=True) if not free
    ]
    choices = float(np.prod(levels)) if levels else np.inf
    if not search.free.any() and choices <= POINTS:
        return search, enumerate_points(search)
    if choices <= COMBINATIONS:
        starts = 2 if choices > 300 else 10
        return search, enumerate_choices(search, np.random.default_rng(0), starts)
    return search, explore(search, seeds)


def row(name: str, seeds: int) -> str:
    """Return the line of the table of one problem."""
    problem, start = problems.get(name), time.perf_counter()
    search, how = derive(problem, seeds)
    same = search.best == problem.f_star  # both may be infinite
    above = 0.0 if same else float(gap(search.best, problem.f_star))
    numbers = f"{problem.f_star:.10g} | {search.best:.10g} | {above:.1e}"
    return f"| {name} | {numbers} | {how} | {time.perf_counter() - start:.0f} |"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="+", default=problems.names())
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if not args.out.exists():
        args.out.write_text(HEAD)
    done = {cells(line)[0] for line in args.out.read_text().splitlines()}
    for name in args.problems:
        if name not in done:
            with args.out.open("a") as file:
                print(row(name, args.seeds), file=file)
    rows = map(cells, args.out.read_text().splitlines()[2:])
    return int(any(not abs(float(r[3])) <= 1e-6 for r in rows if r[0] in args.problems))


if __name__ == "__main__":
    sys.exit(main())
