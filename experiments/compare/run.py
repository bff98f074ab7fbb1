"""Runs optimisers on benchmark problems and appends every evaluation to a CSV file.

    python experiments/compare/run.py --set constrained --methods pfnbo optuna_gp \
        --seeds 10 --trials 50 --results experiments/compare/results.csv

Runs go one after the other on one thread, all problems of one seed before the next
seed. A run already in the file is skipped, so an interrupted command can be repeated.
One run of 50 evaluations takes from under a second (random, cma) to minutes (ax).
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before the first import of numpy
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
)

import argparse  # noqa: E402
import csv  # noqa: E402
import io  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import peers  # noqa: E402

from pfnbo import problems  # noqa: E402

SETS = {
    "constrained": (
        "welded_beam",
        "welded_beam_deb",
        "pressure_vessel",
        "pressure_vessel_cont",
        "speed_reducer",
        "speed_reducer_cec",
        "spring",
    ),
    "unconstrained": (
        "branin",
        "hartmann6",
        "ackley5",
        "rosenbrock4",
        "levy6",
        "griewank6",
        "styblinski_tang5",
        "michalewicz5",
    ),
}
FIELDS = ("problem", "method", "seed", "trial", "f", "violation", "cpu")


def main() -> None:
    """Run what the command line asks for and what the results do not hold yet."""
    args = parse()
    done = finished(args.results, args.trials)
    names = args.problems or SETS[args.set]
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in names:
            for method in args.methods:
                key = (name, method, seed)
                if key in done or not applies(name, method):
                    continue
                try:
                    run(*key, args)
                except Exception:
                    print(f"failed: {key}", file=sys.stderr)
                    traceback.print_exc()


def parse() -> argparse.Namespace:
    """Return the command line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=sorted(SETS), default="constrained")
    parser.add_argument("--problems", nargs="+", help="names, instead of a set")
    parser.add_argument("--methods", nargs="+", choices=peers.METHODS, required=True)
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=50, help="evaluations of a run")
    parser.add_argument("--initial", type=int, default=10, help="shared design points")
    parser.add_argument("--results", type=Path, required=True, help="CSV file")
    return parser.parse_args()


def finished(path: Path, trials: int) -> set[tuple[str, str, int]]:
    """Return the (problem, method, seed) keys of the complete runs in the file."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {
            (row["problem"], row["method"], int(row["seed"]))
            for row in csv.DictReader(file)
            if int(row["trial"]) == trials
        }


def applies(name: str, method: str) -> bool:
    """Return whether a method can handle the constraints of a problem."""
    return method in peers.CONSTRAINED or not problems.get(name).n_constraints


def run(name: str, method: str, seed: int, args: argparse.Namespace) -> None:
    """Run one method once and append its rows to the results."""
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    problem = problems.get(name)
    x_init = peers.shared_design(problem, args.initial, seed)
    start = time.monotonic()
    rows = peers.METHODS[method](problem, x_init, args.trials, seed)
    append(args.results, (name, method, seed), rows)
    feasible = [row.f for row in rows if row.violation == 0]
    best = min(feasible, default=float("nan"))
    print(
        f"{name} {method} seed {seed}: best {best:.6g}, {len(feasible)} feasible, "
        f"{time.monotonic() - start:.0f} s",
        flush=True,
    )


def append(path: Path, key: tuple[str, str, int], rows: list[peers.Row]) -> None:
    """Append the rows of one run in a single write."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if not path.exists():
        writer.writerow(FIELDS)
    for trial, row in enumerate(rows, start=1):
        values = (row.f, row.violation, round(row.cpu, 5))
        writer.writerow((*key, trial, *values))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text.getvalue())


if __name__ == "__main__":
    main()
