"""Looks for the fastest of 1,792 simulated computing clusters in 80 evaluations.

    python experiments/astrasim/run.py --seeds 6

A design has 27 parameters, 11 of them words, 14 whole and 2 real; its value is the
runtime of the nearest design of the table, as `pfnbo.problems.tables.astrasim` says.
Printed are decimal logarithms of the best runtime. "uniform" draws designs at random,
and "rows" draws rows of the table, both as many as evaluated.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np

import pfnbo
from pfnbo.problems import Problem, tables

STEPS = (20, 40, 80)  # evaluations after which the best is told


def values(problem: Problem, method: str, seed: int, trials: int) -> np.ndarray:
    """Return what a method found, in the order of its evaluations."""
    rng = np.random.default_rng(seed)
    if method == "pfnbo":
        return pfnbo.optimize(problem, n_trials=trials, seed=seed).func_vals
    if method == "rows":
        return rng.choice(problem.fn.values, trials, replace=False)  # type: ignore[attr-defined]
    rows = rng.random((trials, problem.space.columns))
    return np.array([problem(problem.space.decode(row)) for row in rows])


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
