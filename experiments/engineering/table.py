"""Prints what the comparison says, on the runs that all of the methods share.

    python experiments/engineering/table.py
    python experiments/engineering/table.py --set mixed --methods pfnbo optuna_tpe

The aims: a median gap of pfnbo that no other method's is below on 12 of 15 problems,
the first mean rank, and a fifth of the time of BoTorch's constrained log EI.
"""

import argparse
from pathlib import Path

import numpy as np

from pfnbo.bench.results import load
from pfnbo.report.comparison import Comparison, middle

OURS = "pfnbo"
HERE = Path(__file__).parent


def seconds(comparison: Comparison, method: str) -> np.ndarray:
    """Return median and mean of the CPU seconds of a suggestion `(2,)`."""
    runs = comparison.shared(method)
    spent = np.concatenate([run.cpu[run.suggested] for run in runs])
    return np.array([np.median(spent), np.mean(spent)])


def told(value: float) -> str:
    return "none" if np.isinf(value) else f"{value:.2g}"


def gaps(comparison: Comparison) -> dict[str, dict[str, float]]:
    """Return the median gap of each method by problem, on what all have run."""
    found: dict[str, dict[str, list[float]]] = {}
    for problem, seed in comparison.table.pairs:
        for method in comparison.methods:
            ends = found.setdefault(problem, {}).setdefault(method, [])
            ends.append(comparison.finals[problem, method, seed])
    return {
        problem: {method: middle(ends) for method, ends in row.items()}
        for problem, row in found.items()
    }


def report(comparison: Comparison) -> list[str]:
    """Return the lines of the tables and of the answers."""
    methods = comparison.methods
    table = gaps(comparison)
    lines = ["| problem | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1)]
    lines[-1] += "|"
    for problem, row in table.items():
        lines.append(f"| {problem} | " + " | ".join(map(told, row.values())) + " |")
    lines += ["", "| method | mean rank | 90 % interval | CPU s, median | mean |"]
    lines.append("|---" * 5 + "|")
    ranks, order = comparison.ranks, comparison.table.methods
    for method in methods:
        i = order.index(method)
        interval = f"{ranks.low[i]:.2f} to {ranks.high[i]:.2f}"
        spent = " | ".join(f"{value:.2g}" for value in seconds(comparison, method))
        lines.append(f"| {method} | {ranks.mean[i]:.2f} | {interval} | {spent} |")
    seeds = len({seed for _, seed in comparison.table.pairs})
    lines.append(f"\n{len(table)} problems, up to {seeds} seeds, {comparison.trials} ")
    lines[-1] += "evaluations; gaps are medians, none: no feasible design"
    if OURS in methods:
        first = [p for p, row in table.items() if row[OURS] <= min(row.values())]
        lines.append(f"{OURS} is not behind on {len(first)} of {len(table)}; behind on")
        lines[-1] += " " + (", ".join(sorted({*table} - {*first})) or "none")
        if "botorch_logei" in methods:
            ratio = seconds(comparison, "botorch_logei") / seconds(comparison, OURS)
            lines.append(f"botorch_logei takes {ratio[0]:.1f} times the CPU of {OURS} ")
            lines[-1] += f"in the median, {ratio[1]:.1f} times with compilation"
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sets = [path.stem for path in sorted(HERE.glob("*.jsonl"))]
    parser.add_argument("--set", choices=sets, default="pfn4sbo")
    parser.add_argument("--methods", nargs="+", help="all when left out")
    args = parser.parse_args()
    runs = {
        key: run
        for key, run in load([HERE / f"{args.set}.jsonl"]).items()
        if not args.methods or run.method in args.methods
    }
    print("\n".join(report(Comparison(runs))))


if __name__ == "__main__":
    main()
