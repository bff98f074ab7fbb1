"""Many processes on one stored study: is every trial there, and there once?

    python experiments/workers/run.py --workers 8 --trials 500 --file study.db

Each process runs `optimize` with the same arguments on the same storage; the points
come from the design, so that what is measured is the storage and not the model.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pfnbo import Optimizer, optimize

BOX = [(0.0, 1.0), (0.0, 1.0)]


def work(path: Path, trials: int) -> None:
    """Evaluate a share of the trials and print every value."""
    evaluated = []

    def fn(x):
        evaluated.append(float(x @ [1.0, np.pi]))
        return evaluated[-1]

    optimize(fn, BOX, trials, n_initial=2 * trials, seed=0, storage=path)
    print(*map(repr, evaluated))


def check(path: Path, workers: int, trials: int) -> str:
    """Run the processes and compare what they evaluated with what is stored."""
    command = [sys.executable, __file__, "--file", str(path), "--trials", str(trials)]
    start = time.perf_counter()
    jobs = [
        subprocess.Popen([*command, "--work"], stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    told = [list(map(float, job.communicate()[0].split())) for job in jobs]
    seconds = time.perf_counter() - start
    stored = Optimizer(BOX, storage=path).result().func_vals
    evaluated = [value for values in told for value in values]
    return (
        f"{workers} processes, {seconds:.0f} s: {len(evaluated)} evaluated, "
        f"{len(stored)} stored, {len(set(evaluated) - set(stored))} lost, "
        f"{len(stored) - len(set(stored))} doubled, shares {[len(v) for v in told]}"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--file", type=Path, default=Path("study.db"))
    parser.add_argument("--work", action="store_true", help="be one of the processes")
    args = parser.parse_args()
    if args.work:
        work(args.file, args.trials)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(check(Path(folder) / args.file, args.workers, args.trials))


if __name__ == "__main__":
    main()
