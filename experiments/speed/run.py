"""Prints CPU seconds per suggestion at n = 50, warm, and the cost of a first call.

    python experiments/speed/run.py

Takes about two minutes with an empty compilation cache.
"""

import os
import resource
import subprocess
import sys
import time

import numpy as np

import pfnbo
from pfnbo import problems

FIRST = (
    "import time; t = time.perf_counter(); import pfnbo; "
    "o = pfnbo.Optimizer([(0, 1)] * 6, seed=0, n_initial=2); "
    "from pfnbo.cache import enable_compilation_cache as e; e(); "
    "[o.tell(x, sum(x)) for x in o.ask(2)]; o.ask(); "
    "print(time.perf_counter() - t)"
)


def suggestion(problem: problems.Problem, repeats: int = 10) -> float:
    """Return the median CPU seconds of a warm suggestion after 50 evaluations."""
    study = pfnbo.Optimizer(problem.space, n_constraints=problem.n_constraints, seed=0)
    for row in study.space.design(50, 1):
        x = study.space.decode(row)
        study.tell(x, *problem.evaluate(x))
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        x = study.ask()[0]
        times.append(time.process_time() - start)
        study.tell(x, *problem.evaluate(x))
    return float(np.median(times[1:]))


def main() -> None:
    """Print the tables."""
    print("| problem | d | constraints | CPU s per suggestion |\n|---|---|---|---|")
    for name in ("hartmann6", "welded_beam_deb", "speed_reducer"):
        p = problems.get(name)
        print(f"| {name} | {p.dim} | {p.n_constraints} | {suggestion(p):.3f} |")
    print(
        f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB"
    )
    for cache in ("off", ""):
        env = {**os.environ, "PFNBO_COMPILATION_CACHE": cache}
        out = [
            float(subprocess.check_output([sys.executable, "-c", FIRST], env=env))
            for _ in range(2)
        ]
        state = "off" if cache else "warm"
        print(f"first suggestion, import included, cache {state}: {out[-1]:.2f} s")


if __name__ == "__main__":
    main()
