"""Prints Markdown tables that compare the methods of a results file.

    python experiments/compare/table.py experiments/compare/peers.csv --set constrained

Takes a few seconds. Several files are read as one, so that results of `pfnbo` and of
its peers can be kept apart.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from run import SETS

from pfnbo import problems
from pfnbo.bench.results import Key, Run, load
from pfnbo.bench.statistics import Table, gap


def main() -> None:
    """Print the tables of the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="files of results")
    parser.add_argument("--set", choices=sorted(SETS), default="constrained")
    parser.add_argument("--problems", nargs="+", help="names, instead of a set")
    parser.add_argument("--methods", nargs="+", help="columns, all when left out")
    parser.add_argument("--trials", type=int, default=50, help="evaluations to count")
    args = parser.parse_args()
    names, methods = args.problems or SETS[args.set], args.methods
    runs = {
        key: run.first(args.trials)
        for key, run in load(args.results).items()
        if run.problem in names and run.trials >= args.trials
        if not methods or run.method in methods
    }
    if not runs:
        raise SystemExit("no complete run in the files")
    print(report(runs, args.trials))


def report(runs: dict[Key, Run], trials: int) -> str:
    """Return all tables as Markdown."""
    best = {key: float(run.incumbents[-1]) for key, run in runs.items()}
    names = list(dict.fromkeys(name for name, _, _ in runs))
    methods = sorted({method for _, method, _ in runs})

    def of(name: str, method: str) -> list[float]:
        return [v for (n, m, _), v in best.items() if (n, m) == (name, method)]

    def seconds(name: str, method: str) -> list[float]:
        cpu = [r.cpu for (n, m, _), r in runs.items() if (n, m) == (name, method)]
        return [float(np.mean(c[c > 0])) for c in cpu if np.any(c > 0)]

    def median_cell(name: str, method: str) -> str:
        values = of(name, method)
        if not values:
            return "-"
        value = float(np.median(values))
        if math.isinf(value):
            return "infeasible"
        return f"{value:.5g} ({_gap(value, problems.get(name).f_star)})"

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
        rank_table(Table.of(best)),
    ]
    return "\n\n".join(parts)


def _gap(value: float, f_star: float) -> str:
    """Return how far a value is above the optimum, as text."""
    above = float(gap(value, f_star))
    return f"{100 * above:+.2g} %" if f_star else f"{above:+.2g}"


def grid(
    rows: Sequence[str], columns: Sequence[str], cell: Callable[[str, str], str]
) -> str:
    """Return a Markdown table with a cell for each row and column."""
    lines = [["problem", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(cell(row, column) for column in columns)] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rank_table(table: Table) -> str:
    """Return mean ranks over the (problem, seed) pairs that every method has run."""
    if not table.pairs:
        return "No (problem, seed) pair has been run by every method."
    found = table.mean_ranks()
    lines = [["method", "mean rank", "90 % interval"], ["---"] * 3]
    for i in np.argsort(found.mean):
        interval = f"{found.low[i]:.2f} to {found.high[i]:.2f}"
        lines.append([table.methods[i], f"{found.mean[i]:.2f}", interval])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    title = (
        f"Mean rank over {len(table.pairs)} (problem, seed) pairs (1 is best; interval"
        " from a bootstrap over the problems)"
    )
    return f"{title}\n\n{text}"


if __name__ == "__main__":
    main()
