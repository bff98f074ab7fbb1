"""Prints the CPU seconds of 1,000 evaluations of every problem, and of the import.

python experiments/optima/speed.py
"""

import subprocess
import sys
import time

import numpy as np

from pfnbo import problems

POINTS = 100  # of each problem; scaled to 1,000
IMPORT = "import pfnbo, time; t = time.process_time(); import pfnbo.problems; "


def seconds(name: str) -> float:
    problem, rng = problems.get(name), np.random.default_rng(0)
    unit = rng.random((POINTS, problem.dim))
    dims = problem.space.values()
    points = [[d.at(u) for d, u in zip(dims, row, strict=True)] for row in unit]
    start = time.process_time()
    for x in points:
        problem.evaluate(x)
    return (time.process_time() - start) * 1000 / POINTS


def main() -> None:
    code = IMPORT + "print(time.process_time() - t)"
    print("import", subprocess.check_output([sys.executable, "-c", code], text=True))
    times = {name: seconds(name) for name in problems.names()}
    for name in sorted(times, key=lambda n: -times[n])[:8]:
        print(f"{name:24} {times[name]:6.2f} s")
    print(f"all {len(times)}: {sum(times.values()):.1f} s")


if __name__ == "__main__":
    main()
