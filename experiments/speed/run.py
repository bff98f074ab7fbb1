"""Prints what a suggestion costs, and what importing and starting cost.

"cold" and "warm" tell whether the compilation cache is empty.

    python experiments/speed/run.py

Takes about eight minutes with an empty compilation cache. `--quick` takes one repeat of
each and fewer evaluations, to see that it works; `--parts start` prints a part alone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

import pfnbo
from pfnbo import problems

PROBLEMS = ("hartmann6", "welded_beam_deb", "speed_reducer")
WARM = 7  # suggestions that compile, with a fit of the hyper-parameters and without
PEAK = (
    "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"
)
FIRST = (
    "import time; t = time.perf_counter(); import pfnbo; "
    "from pfnbo.compilation import enable_compilation_cache as e; e(); "
    "o = pfnbo.Optimizer([(0, 1)] * 6, seed=0, n_initial=2); "
    "[o.tell(x, sum(x)) for x in o.ask(2)]; o.ask(); "
    "print(time.perf_counter() - t); " + PEAK
)
IMPORT = (
    "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
)
WHOLE = (
    "from pfnbo import optimize, problems; "
    "optimize(problems.get({!r}), n_trials={}, seed=0, progress=False); " + PEAK
)
LONG = (
    """
import time, numpy as np, pfnbo
study = pfnbo.Optimizer([(0, 1)] * 20, seed=0, n_initial=20)
cost = []
while len(study.result().func_vals) < {}:
    start = time.process_time()
    x = study.ask()[0]
    cost.append(time.process_time() - start)
    study.tell(x, float(np.sum((np.array(x) - np.linspace(0.2, 0.8, 20)) ** 2)))
print(*[np.mean(cost[n - 15 : n]) for n in {}])
"""
    + PEAK
)


def suggestion(problem: problems.Problem, repeats: int, surrogate=None) -> float:
    """Return the mean CPU seconds of a suggestion after 50 evaluations and more.

    Every fifth of them is a fit of the hyper-parameters; compilation is left out.
    """
    study = pfnbo.Optimizer(
        problem.space, n_constraints=problem.n_constraints, seed=0, surrogate=surrogate
    )
    for row in study.space.design(50 - WARM, 1):
        x = study.space.decode(row)
        study.tell(x, *problem.evaluate(x))
    times = []
    for _ in range(WARM + repeats):
        start = time.process_time()
        x = study.ask()[0]
        times.append(time.process_time() - start)
        study.tell(x, *problem.evaluate(x))
    return float(np.mean(times[WARM:]))


def fresh(code: str, cache: str = "off") -> list[float]:
    """Return the numbers that code prints in a new process."""
    env = {**os.environ, "PFNBO_COMPILATION_CACHE": cache}
    out = subprocess.check_output([sys.executable, "-c", code], env=env, text=True)
    return [float(word) for word in out.split()]


def memory(quick: bool) -> None:
    """Print the peak memory of a whole run."""
    print("| problem | peak MB of 50 evaluations, cold | warm |")
    print("|---|---|---|")
    for name in PROBLEMS[: 1 if quick else 3]:
        with tempfile.TemporaryDirectory() as folder:
            run = WHOLE.format(name, 12 if quick else 50)
            cold, warm = (fresh(run, folder)[0] for _ in range(2))
        print(f"| {name} | {cold:.0f} | {warm:.0f} |")


def suggestions(quick: bool) -> None:
    """Print what a suggestion costs at 50 evaluations."""
    print("| problem | d | constraints | CPU s per suggestion |")
    print("|---|---|---|---|")
    for name in PROBLEMS[: 1 if quick else 3]:
        p = problems.get(name)
        cpu = suggestion(p, 1 if quick else 10)
        print(f"| {name} | {p.dim} | {p.n_constraints} | {cpu:.3f} |")


def network(quick: bool) -> None:
    """Print what a suggestion by a network costs, beside that of the default."""
    print("| problem | d | constraints | CPU s, network | CPU s, GP | ratio |")
    print("|---|---|---|---|---|---|")
    for name in PROBLEMS[: 1 if quick else 2]:
        p, repeats = problems.get(name), 1 if quick else 10
        ours = suggestion(p, repeats, pfnbo.PFN("engineering"))
        gp = suggestion(p, repeats)
        costs = f"{ours:.3f} | {gp:.3f} | {ours / gp:.1f}"
        print(f"| {name} | {p.dim} | {p.n_constraints} | {costs} |")


def growth(quick: bool) -> None:
    """Print how the cost of a suggestion grows in 20 dimensions."""
    last = (40,) if quick else (50, 100, 200)
    *costs, peak = fresh(LONG.format(last[-1], last))
    for n, cost in zip(last, costs, strict=True):
        cubic = (n / last[0]) ** 3
        told = f"{cost / costs[0]:.1f} times; cubic would be {cubic:.0f}"
        print(f"20 dimensions, {n} evaluations: {cost:.3f} CPU s ({told})")
    print(f"20 dimensions, {last[-1]} evaluations: peak {peak:.0f} MB")


def start(quick: bool) -> None:
    """Print what imports and the first suggestion cost."""
    rounds = range(1 if quick else 7)
    pairs = [[fresh(IMPORT.format(m))[0] for m in ("jax", "pfnbo")] for _ in rounds]
    jax = np.median([pair[0] for pair in pairs])
    ratio = np.median([ours / jax for jax, ours in pairs])
    print(f"import jax: {jax:.2f} s; import pfnbo: {ratio:.2f} times that")
    with tempfile.TemporaryDirectory() as folder:
        cold, *warm = (fresh(FIRST, folder) for _ in (0, *rounds))
    for cache, (seconds, peak) in (("empty", cold), ("warm", np.median(warm, 0))):
        print(
            f"first suggestion, import included, {cache} cache: {seconds:.1f} s "
            f"({seconds / jax:.1f} times import jax), peak {peak:.0f} MB"
        )


# Memory first: a process starts with the peak of the one that it was forked from.
PARTS = {
    "memory": memory,
    "growth": growth,
    "start": start,
    "suggestions": suggestions,
    "network": network,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    for name in args.parts:
        PARTS[name](args.quick)


if __name__ == "__main__":
    main()
