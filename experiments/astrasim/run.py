"""Looks for the fastest of 1,792 simulated computing clusters in 80 evaluations.

    python experiments/astrasim/run.py --seeds 6

A design has 27 parameters, 11 of them words, 14 whole and 2 real. Only the rows of the
table were simulated: "pfnbo" chooses among them. For "nearest" it searches the whole
space, gets the nearest row that has not been evaluated, and is told of that row;
"uniform" draws designs and gets rows likewise; "rows" draws rows. Printed are decimal
logarithms of the best runtime.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np

import pfnbo
from pfnbo.problems import Problem, tables

STEPS = (20, 40, 80)  # evaluations after which the best is told


class Rows:
    """Rows of a table, each of which is evaluated at most once."""

    def __init__(self, problem: Problem) -> None:
        """Begin with all of them free."""
        self.problem, self.table = problem, problem.fn
        self.free = np.ones(len(self.table.values), bool)

    def points(self) -> list[dict]:
        """Return all rows as points of the space."""
        return list(map(self.problem.point, self.table.rows))

    def take(self, x: dict) -> tuple[dict, float]:
        """Return the free row nearest to a design, and its value."""
        distances = self.table.distances(self.problem.numbers(x))
        i = np.argmin(np.where(self.free, distances, np.inf))
        self.free[i] = False
        return self.problem.point(self.table.rows[i]), float(self.table.values[i])


def values(problem: Problem, method: str, seed: int, trials: int) -> np.ndarray:
    """Return what a method found, in the order of its evaluations."""
    rng = np.random.default_rng(seed)
    if method == "rows":
        return rng.choice(problem.fn.values, trials, replace=False)
    rows, space = Rows(problem), problem.space
    if method == "uniform":
        drawn = rng.random((trials, space.columns))
        return np.array([rows.take(space.decode(x))[1] for x in drawn])
    if method == "pfnbo":
        listed = pfnbo.Space(space.dimensions, candidates=rows.points())
        return pfnbo.optimize(problem, listed, trials, seed=seed).func_vals
    study = pfnbo.Optimizer(space, seed=seed)
    for _ in range(trials):
        row, value = rows.take(study.ask()[0])
        study.pending = []  # another point than the one asked for is told
        study.tell(row, value)
    return study.result().func_vals


def table(
    problem: Problem, methods: list[str], seeds: range, trials: int
) -> Iterator[str]:
    """Yield a line for each run, and one for the mean of each method."""
    steps = [step for step in STEPS if step < trials] + [trials]
    yield "| method | seed | " + " | ".join(f"after {n}" for n in steps) + " | CPU s |"
    yield "|---|---|" + "---|" * (len(steps) + 1)
    for method in methods:
        ends, begin = [], time.process_time()
        for seed in seeds:
            found = np.log10(values(problem, method, seed, trials))
            ends.append([found[:n].min() for n in steps])
            spent = time.process_time() - begin
            yield _line(method, seed, ends[-1], spent)
            begin += spent
        yield _line(method, "mean", np.mean(ends, axis=0), None)


def _line(method: str, seed: object, best, spent: float | None) -> str:
    told = " | ".join(f"{value:.4f}" for value in best)
    seconds = "" if spent is None else f"{spent:.0f}"
    return f"| {method} | {seed} | {told} | {seconds} |"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trials", type=int, default=80)
    parser.add_argument("--methods", nargs="+", default=["pfnbo", "uniform", "rows"])
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    for line in table(tables.astrasim(), args.methods, seeds, args.trials):
        print(line, flush=True)


if __name__ == "__main__":
    main()
