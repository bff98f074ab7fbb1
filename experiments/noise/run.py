"""Prints the regret of acquisitions on noisy problems.

    python experiments/noise/run.py --seeds 12

Each row is the mean and the standard error over seeds of f(x) - f(x*), without noise,
at the end of a run. The point x is either the best observation, which is what `Result`
gives, or the evaluated point with the best posterior mean. Takes about three minutes
of CPU time, compilation included.
"""

import argparse
import time

import jax
import numpy as np

import pfnbo
from pfnbo import problems
from pfnbo.model import Model
from pfnbo.observations import Observations

CASES = (("branin", 5.0, 30), ("hartmann6", 0.1, 50))  # problem, noise sd, evaluations


def recommended(rows: np.ndarray, f: np.ndarray) -> int:
    """Return the index of the evaluation with the best posterior mean."""
    seen = Observations(rows, f, np.zeros((len(f), 0)), np.zeros(len(f), bool))
    with jax.enable_x64(True):
        posterior = Model().fit(jax.random.key(0), seen).posterior
        mean = posterior.means(posterior.x)[0]
    return int(np.argmax(np.asarray(mean)[: len(f)]))


def regrets(name: str, sd: float, trials: int, acquisition: str, seed: int) -> tuple:
    """Return the regret of the best observation and of the best posterior mean."""
    problem, rng = problems.get(name), np.random.default_rng(seed)
    run = pfnbo.optimize(
        lambda x: problem(x) + sd * rng.normal(),
        problem.space,
        trials,
        seed=seed,
        acquisition=acquisition,
    )
    rows = np.stack([problem.space.encode(x) for x in run.x_iters])
    model = recommended(rows, np.asarray(run.func_vals))
    points = run.x, run.x_iters[model]
    return tuple(problem(x) - problem.f_star for x in points)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument(
        "--acquisitions", nargs="+", default=["ei", "auto", "nei", "thompson"]
    )
    args = parser.parse_args()
    print("| problem | noise sd | acquisition | best observed | best mean | CPU s |")
    print("|---|---|---|---|---|---|")
    for name, sd, trials in CASES:
        for acquisition in args.acquisitions:
            start = time.process_time()
            found = np.array(
                [regrets(name, sd, trials, acquisition, s) for s in range(args.seeds)]
            )
            mean, error = found.mean(0), found.std(0, ddof=1) / args.seeds**0.5
            cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True)]
            used = (time.process_time() - start) / args.seeds
            print(
                f"| {name} | {sd:g} | {acquisition} | {' | '.join(cells)} | "
                f"{used:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
