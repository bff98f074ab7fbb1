"""Prints what a fit and 1,000 predictions cost, against NUTS on the same question.

    python experiments/pfn_speed/run.py

50 rows of 6 columns, drawn from a Gaussian process, in float64 on the CPU; each time is
the median of repeated, compiled calls. The reference is a fully Bayesian Gaussian
process: NUTS (Hoffman and Gelman 2014) draws its hyper-parameters from the prior and
likelihood that `GP` maximises. "loss" is the negative log density of new observations,
mean over the tasks. Takes about two minutes.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pfnbo.data import Data, pad
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.surrogates.saas import NUTS, FullyBayesianGP

ROWS, COLUMNS, QUERIES = 50, 6, 1000
LENGTH, NOISE = 0.8, 1e-3  # of the process that the tasks are drawn from


def task(seed: int) -> tuple[Data, np.ndarray, np.ndarray]:
    """Return rows, queries and new observations at them, of one function."""
    rng = np.random.default_rng(seed)
    x = rng.random((ROWS + QUERIES, COLUMNS))
    r = np.sqrt(5) * np.linalg.norm(x[:, None] - x[None], axis=2) / LENGTH
    cov = (1 + r + r**2 / 3) * np.exp(-r) + NOISE * np.eye(len(x))
    y = np.linalg.cholesky(cov) @ rng.normal(size=len(x))
    y = (y - y[:ROWS].mean()) / y[:ROWS].std()
    return pad(x[:ROWS], y[None, :ROWS], 64), x[ROWS:], y[ROWS:]


@jax.jit
def predicted(posterior: Any, x: jax.Array) -> Any:
    """Return the predictive of new observations at the queries."""
    return jax.vmap(posterior.observe)(x)


def timed(call: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call that was compiled before."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=256, help="steps of NUTS")
    parser.add_argument("--draws", type=int, default=256, help="of NUTS, by two chains")
    args = parser.parse_args()
    chains = NUTS(warmup=args.warmup, draws=args.draws // 2, kept=32)
    models = {
        "NUTS": (FullyBayesianGP(nuts=chains), 1),
        "GP": (GP(), 20),
        "network": (PFN(), 20),
        "network alone": (PFN(gp=None), 20),
        "anchored": (PFN("anchored"), 20),
    }
    costs = {name: [] for name in models}
    losses = {name: [] for name in models}
    with jax.enable_x64(True):
        for seed in range(args.tasks):
            data, x, y = task(seed)
            for name, (model, repeats) in models.items():
                key = jax.random.key(seed)

                def both(model=model, key=key, data=data, x=x):
                    return predicted(model.fit(key, data), x)

                at = jax.block_until_ready(both())
                costs[name].append(timed(both, repeats))
                losses[name].append(-np.mean(at.log_prob(y[:, None])))
    print("| surrogate | loss | ms of a fit and 1,000 predictions | NUTS / this |")
    print("|---|---|---|---|")
    for name, seconds in costs.items():
        ratio = np.median(costs["NUTS"]) / np.median(seconds)
        told = f"{np.mean(losses[name]):.3f} | {1e3 * np.median(seconds):.1f}"
        print(f"| {name} | {told} | {ratio:.0f} |")


if __name__ == "__main__":
    main()
