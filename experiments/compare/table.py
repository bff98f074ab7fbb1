"""Prints Markdown tables that compare the methods of a results file.

    python experiments/compare/table.py experiments/compare/peers.csv --set constrained

Takes a few seconds. Several files are read as one, so that results of `pfnbo` and of
its peers can be kept apart.
"""

import argparse
import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from run import SETS
from scipy.stats import rankdata

from pfnbo import problems

Key = tuple[str, str, int]  # problem, method, seed


def main() -> None:
    """Print the tables of the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="CSV files")
    parser.add_argument("--set", choices=sorted(SETS), default="constrained")
    parser.add_argument("--problems", nargs="+", help="names, instead of a set")
    parser.add_argument("--methods", nargs="+", help="columns, all when left out")
    parser.add_argument("--trials", type=int, default=50, help="evaluations to count")
    args = parser.parse_args()
    runs = load(args.results, args.problems or SETS[args.set], args.trials)
    if args.methods:
        runs = {key: run for key, run in runs.items() if key[1] in args.methods}
    if not runs:
        raise SystemExit("no complete run in the files")
    print(report(runs, args.trials))


def load(
    paths: Sequence[Path], names: Sequence[str], trials: int
) -> dict[Key, np.ndarray]:
    """Return the complete runs as arrays `(trials, 3)` of f, violation and CPU."""
    found: dict[Key, dict[int, tuple[float, ...]]] = {}
    for path in paths:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["problem"] not in names or int(row["trial"]) > trials:
                    continue
                key = (row["problem"], row["method"], int(row["seed"]))
                values = tuple(float(row[c]) for c in ("f", "violation", "cpu"))
                found.setdefault(key, {})[int(row["trial"])] = values
    return {
        key: np.array([run[t] for t in range(1, trials + 1)])
        for key, run in found.items()
        if len(run) == trials
    }


def report(runs: dict[Key, np.ndarray], trials: int) -> str:
    """Return all tables as Markdown."""
    best = {key: best_feasible(run) for key, run in runs.items()}
    names = list(dict.fromkeys(name for name, _, _ in runs))
    methods = sorted({method for _, method, _ in runs})

    def of(name: str, method: str) -> list[float]:
        return [v for (n, m, _), v in best.items() if (n, m) == (name, method)]

    def seconds(name: str, method: str) -> list[float]:
        cpu = [r[:, 2] for (n, m, _), r in runs.items() if (n, m) == (name, method)]
        return [float(np.mean(c[c > 0])) for c in cpu if np.any(c > 0)]

    def median_cell(name: str, method: str) -> str:
        values = of(name, method)
        if not values:
            return "-"
        value = float(np.median(values))
        if math.isinf(value):
            return "infeasible"
        return f"{value:.5g} ({gap(value, problems.get(name).f_star)})"

    def feasible_cell(name: str, method: str) -> str:
        values = of(name, method)
        return f"{np.isfinite(values).sum()}/{len(values)}" if values else "-"

    def cpu_cell(name: str, method: str) -> str:
        values = seconds(name, method)
        return f"{np.median(values):.3g}" if values else "-"

    parts = [
        f"Median best feasible value after {trials} evaluations (gap to the optimum,"
        " relative unless the optimum is 0)",
        grid(names, methods, median_cell),
        "Runs that found a feasible point",
        grid(names, methods, feasible_cell),
        "CPU seconds per suggestion, median over runs",
        grid(names, methods, cpu_cell),
        rank_table(best, methods),
    ]
    return "\n\n".join(parts)


def best_feasible(run: np.ndarray) -> float:
    """Return the smallest feasible f of a run, infinite when there is none."""
    return float(np.min(run[run[:, 1] == 0, 0], initial=math.inf))


def gap(value: float, f_star: float) -> str:
    """Return how far a value is above the optimum, as text."""
    if f_star == 0:
        return f"{value:+.2g}"
    return f"{100 * (value - f_star) / abs(f_star):+.2g} %"


def grid(
    rows: Sequence[str], columns: Sequence[str], cell: Callable[[str, str], str]
) -> str:
    """Return a Markdown table with a cell for each row and column."""
    lines = [["problem", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(cell(row, column) for column in columns)] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rank_table(best: dict[Key, float], methods: Sequence[str]) -> str:
    """Return mean ranks over the (problem, seed) pairs that every method has run."""
    pairs = sorted({(name, seed) for name, _, seed in best})
    pairs = [(n, s) for n, s in pairs if all((n, m, s) in best for m in methods)]
    if not pairs:
        return "No (problem, seed) pair has been run by every method."
    ranks = np.array([rankdata([best[n, m, s] for m in methods]) for n, s in pairs])
    rng = np.random.default_rng(0)
    picks = rng.integers(len(pairs), size=(2000, len(pairs)))
    low, high = np.quantile(ranks[picks].mean(axis=1), [0.05, 0.95], axis=0)
    lines = [["method", "mean rank", "90 % interval"], ["---"] * 3]
    for i in np.argsort(ranks.mean(axis=0)):
        mean, interval = ranks[:, i].mean(), f"{low[i]:.2f} to {high[i]:.2f}"
        lines.append([methods[i], f"{mean:.2f}", interval])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    title = (
        f"Mean rank over {len(pairs)} (problem, seed) pairs (1 is best; interval from"
        " a bootstrap over the pairs)"
    )
    return f"{title}\n\n{table}"


if __name__ == "__main__":
    main()
