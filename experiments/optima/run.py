"""Derives every optimum of `pfnbo.problems` again and compares it with the one kept.

    python experiments/optima/run.py
    python experiments/optima/run.py --problems spring g06 --seeds 5 --out two.md

Nothing is started from the optimum kept. Where the discrete part has few enough
combinations, each is tried, with SLSQP from several starts over the rest; elsewhere
differential evolution and SLSQP from random starts search together, then basin hopping
draws a few coordinates of the best point anew or exchanges two; SLSQP over the
continuous rest takes turns with steps to discrete neighbours. Where limits have kinks,
as the frequencies of a truss have when two of them meet, linear programs end the
search. "found" is the best feasible value; "gap" is (found - kept)/|kept|, so a
negative one beats the value kept. Exits with 1 when a gap is beyond 1e-6 either way.
Slow, so each row is written as it is found, and the same command goes on after the rows
of its file.
"""

import argparse
import itertools
import sys
import time
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.optimize import differential_evolution, linprog, minimize

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
HOPS = 15  # without a gain for each variable, before a basin hopping ends
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


def slopes(value, u: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of f `(n,)` and g `(c, n)` at u by central differences."""
    up = np.minimum(u + step * np.eye(len(u)), 1)
    down = np.maximum(u - step * np.eye(len(u)), 0)
    ends = [(value(a), value(b)) for a, b in zip(up, down, strict=True)]
    width = np.sum(up - down, axis=1)
    df = np.array([a[0] - b[0] for a, b in ends]) / width
    return df, np.array([a[1] - b[1] for a, b in ends]).T / width


class Search:
    """One problem, with its variables on a unit scale where they are continuous."""

    def __init__(self, problem) -> None:
        self.problem = problem
        self.dims = problem.space.values()
        self.free = np.array([not d.levels for d in self.dims])
        self.low = np.array([at(d, 0) for d in self.dims])
        self.span = np.array([at(d, 1) for d in self.dims]) - self.low
        self.best, self.x = np.inf, None
        self.outside: list[tuple[float, np.ndarray]] = []  # ends of SLSQP, a little

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
        f = self.value(ended)[0]
        if f > self.best + 1e-6 * abs(self.best):
            return f  # no need to know it better
        for margin in (SLACK, 100 * SLACK):  # the first may be lost in rounding
            f = self.keep(self._slsqp(ended, self.free, margin, iterations))
            if np.isfinite(f):
                return f
        # Where a limit leaves a variable nothing but its bound, there is no inside.
        u = (ended - self.low) / self.span
        near = self.free & (np.abs(u - np.round(u)) < 1e-7)
        ended[near] = (self.low + np.round(u) * self.span)[near]
        ended = self._slsqp(ended, self.free & ~near, SLACK, iterations)
        f = self.keep(ended)
        if np.isinf(f):
            self.outside.append((self.value(ended)[0], ended))
        return f

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

        @lru_cache(maxsize=4)
        def steepness(key: bytes) -> tuple[np.ndarray, np.ndarray]:
            return slopes(lambda u: self.value(moved(u)), np.frombuffer(key), STEP)

        def inside(u: np.ndarray) -> np.ndarray:
            return -self.value(moved(u))[1] / size - margin * (slope > 0)

        limits = {
            "type": "ineq",
            "fun": inside,
            "jac": lambda u: -steepness(u.tobytes())[1] / size[:, None],
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = minimize(
                lambda u: self.value(moved(u))[0] / scale,
                u,
                jac=lambda u: steepness(u.tobytes())[0] / scale,
                method="SLSQP",
                bounds=[(0, 1)] * len(u),
                constraints=[limits] if len(g) else [],
                options=dict(maxiter=iterations, ftol=1e-15),
            )
        return moved(done.x) if np.all(np.isfinite(done.x)) else x

    def creep(self, x: np.ndarray, rng: np.random.Generator) -> float:
        """Descend by linear programs, with slopes sampled in a shrinking box.

        A kink has different slopes on its sides; limits linearised on all of them hold
        there, too. Source: Curtis & Overton 2012, SIAM J. Optim. 22.
        """
        u, radius, n = (x - self.low) / self.span, 1e-3, len(x)

        def value(u: np.ndarray) -> tuple[float, np.ndarray]:
            return self.value(self.low + u * self.span)

        while radius > 1e-9:
            near = u + radius * rng.uniform(-1, 1, (2 * n, n))
            near = np.vstack([u, np.clip(near, 0, 1)])
            # Differences that are wider than the box would mix the sides of a kink.
            step = min(STEP, radius / 10)
            found = [(value(p)[1], *slopes(value, p, step)) for p in near]
            g, df, dg = map(np.array, zip(*found, strict=True))
            size = np.maximum(np.abs(dg).max(axis=(0, 2)), 1e-12)
            price = 10 * n * np.abs(df).max()  # of leaving the limits
            room = np.einsum("kij,kj->ki", dg, near - u) - g  # as seen from each
            rows = (dg / size[:, None]).reshape(-1, n)
            # In units of the radius, as the solver's tolerance is absolute.
            room = (room / size - SLACK).ravel() / radius
            close = room < np.abs(rows).sum(axis=1)  # the others hold in all the box
            moved = linprog(
                np.append(df[0], price),
                A_ub=np.column_stack([rows, -np.ones(len(rows))])[close],
                b_ub=room[close],
                bounds=[*np.clip(np.stack([-u, 1 - u], 1) / radius, -1, 1), (0, None)],
            ).x
            if moved is None:  # the solver gave up
                radius /= 2
                continue
            ends = u, np.clip(u + radius * moved[:n], 0, 1)
            outcomes = [value(end) for end in ends]
            before, after = (
                f + price * np.max(np.maximum(g / size, 0)) for f, g in outcomes
            )
            u = ends[int(after < before)]
            self.keep(self.low + u * self.span)
            if before - after <= 1e-3 * radius * np.abs(df).max():
                radius /= 2
        return self.best

    def hop(self, rng: np.random.Generator) -> None:
        """Descend from the best point with a few coordinates drawn anew or exchanged.

        Source: Wales & Doye 1997, J. Phys. Chem. A 101, basin hopping.
        """
        idle, n = 0, len(self.dims)
        while idle < HOPS * n:
            before, u = self.best, (self.x - self.low) / self.span
            picked = rng.permutation(n)[: rng.integers(1, 4)]
            if rng.random() < 0.5 and n > 1:
                i, j = rng.permutation(n)[:2]
                u[[i, j]] = u[[j, i]]
                picked = picked[: rng.integers(2)]
            u[picked] = rng.random(len(picked))
            self.descend(self.low + u * self.span, 60)
            gained = self.best < before - 1e-9 * abs(before)
            idle = 0 if gained else idle + 1

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
    """Run differential evolution, SLSQP, hops and steps to discrete neighbours."""
    smooth = search.free.all()
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        search.descend(search.evolve(seed))
        for u in rng.random((STARTS, len(search.dims))):
            # Sorted starts too: some optima are descending, and few starts are.
            search.descend(search.snap(u))
            if smooth:
                search.descend(search.snap(np.sort(u)[::-1]))
        if smooth:
            for f, x in sorted(search.outside, key=lambda end: end[0])[:3]:
                if f < search.best:
                    search.creep(x, rng)
            if search.x is not None:
                search.hop(rng)
    better = not search.free.all() and search.x is not None
    while better:
        before = search.best
        for y in search.neighbours(search.x):
            search.descend(y, 60)
        better = search.best < before
    return "DE + SLSQP + hops"


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
