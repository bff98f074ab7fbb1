"""Prints what each part of the engine is worth: the gap without it, others unchanged.

    python experiments/ablation/run.py --seeds 3

Median gap to the best known after 50 evaluations, in per cent, ten of them a shared
design. A run already in the results file is skipped; one takes about half a minute.
"""

import argparse
import csv
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import jax
import numpy as np

from pfnbo import GP, kernel, optimize, problems, strategy
from pfnbo.maximize import gradient

PROBLEMS = (
    "welded_beam",
    "welded_beam_deb",
    "pressure_vessel",
    "spring",
    "hartmann6",
    "rosenbrock4",
)
FIELDS = ("variant", "problem", "seed", "gap")
LONG = math.exp(2**0.5)  # median of Hvarfner et al. 2024, arXiv 2402.02229
RESULTS = Path(__file__).parent / "results.csv"


def only_identity(name: str) -> AbstractContextManager:
    """Leave a maker of views the first view alone."""
    make = getattr(strategy, name)

    def first(column: np.ndarray):
        views = make(column)
        jacobian = np.where(np.arange(len(views.jacobian)) == 0, 0.0, -np.inf)
        return replace(views, jacobian=jacobian)

    return patch.object(strategy, name, first)


VARIANTS: dict[str, Callable[[], AbstractContextManager]] = {
    "whole engine": nullcontext,
    "constraints as they are": lambda: only_identity("constraint_views"),
    "objective as it is": lambda: only_identity("objective_views"),
    "no input warp": nullcontext,  # an argument of the surrogate
    "long length-scales": lambda: patch.object(kernel, "LENGTH", LONG),
    "levels not relaxed": lambda: patch.object(gradient, "_relax", lambda _, p, *a: p),
}


def gap(variant: str, name: str, seed: int) -> float:
    """Return the gap of one run in per cent of the best known, inf if infeasible."""
    problem = problems.get(name)
    jax.clear_caches()  # compiled programs hold the constants of another variant
    with VARIANTS[variant]():
        found = optimize(
            problem,
            n_trials=50,
            n_initial=10,
            seed=seed,
            surrogate=GP(warp=variant != "no input warp"),
            progress=False,
        )
    if not found.success:
        return math.inf
    return 100 * (found.fun - problem.f_star) / (abs(problem.f_star) or 1)


def results() -> dict[tuple[str, str, int], float]:
    """Return the gaps of the results file."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as file:
        return {
            (row["variant"], row["problem"], int(row["seed"])): float(row["gap"])
            for row in csv.DictReader(file)
        }


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="0 only prints")
    seeds = parser.parse_args().seeds
    keys = [(v, p, s) for s in range(seeds) for p in PROBLEMS for v in VARIANTS]
    if not RESULTS.exists():
        RESULTS.write_text(",".join(FIELDS) + "\n")
    for key in keys:
        if key not in results():
            line = ",".join([*map(str, key), f"{gap(*key):.6g}"])
            with RESULTS.open("a") as file:
                file.write(line + "\n")
    print(f"| without | {' | '.join(PROBLEMS)} |")
    print("|---|" + "---|" * len(PROBLEMS))
    for variant in VARIANTS:
        cells = []
        for name in PROBLEMS:
            own = [g for (v, p, _), g in results().items() if (v, p) == (variant, name)]
            cells.append(f"{np.median(own):.2g} ({len(own)})" if own else "")
        print(f"| {variant} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
