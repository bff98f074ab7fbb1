"""Prints what a fit and 1,000 predictions cost, against samplers of the same question.

    python experiments/pfn_speed/run.py

50 rows of 6 columns, drawn from a Gaussian process, in float64 on the CPU. The
reference is a fully Bayesian Gaussian process: NUTS (Hoffman and Gelman 2014) draws its
hyper-parameters from the prior and likelihood that `GP` maximises, with chains of
several lengths; who asks for an R-hat of at most 1.05 needs the longest. Variational
inference approximates the same posterior by independent normals.

"loss" is the negative log density of new observations, mean over the tasks, and "more"
what it is above that of the longest chains, with the standard error over the tasks.
"CPU ms" is the median of compiled calls, on however many cores XLA takes; the cost of
the longest chains over it is the last column. Takes some minutes; `--keep` names a file
for the result of each task, from which a run goes on that stopped.
"""

import argparse
import csv
import functools
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import optim
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

from pfnbo.compilation import enable_compilation_cache
from pfnbo.data import Data, pad
from pfnbo.surrogates.gp import GP, condition
from pfnbo.surrogates.particles import ParticlePosterior, repeat
from pfnbo.surrogates.pfn import PFN
from pfnbo.surrogates.saas import NUTS, FullyBayesianGP

ROWS, COLUMNS, QUERIES = 50, 6, 1000
LENGTH, NOISE = 0.8, 1e-3  # of the process that the tasks are drawn from
KEPT = 32  # draws of a posterior that predict
LENGTHS = (32, 128, 512)  # of a chain, after as many steps of adaptation
STEPS = 2000  # of variational inference
CONVERGED = 1.05  # largest R-hat
FIELDS = ["task", "model", "loss", "cpu", "r_hat"]


@dataclass(frozen=True)
class Variational:
    """Independent normals for the hyper-parameters, by Adam on the evidence bound."""

    model: FullyBayesianGP = FullyBayesianGP()
    steps: int = STEPS

    def fit(self, key: jax.Array, data: Data) -> ParticlePosterior:
        """Return a mixture over draws of the hyper-parameters of one output."""
        theta = _variational(key, data, self)
        weight = jnp.full((1, KEPT), -np.log(KEPT), theta.dtype)
        members = condition(theta, repeat(data, KEPT), weight[0], self.model.kernel)
        return ParticlePosterior(members, weight)


@functools.partial(jax.jit, static_argnames="variational")
def _variational(key: jax.Array, data: Data, variational: Variational) -> jax.Array:
    """Return draws of the hyper-parameters, (KEPT, parameters)."""
    model, table = variational.model, (data.x, data.y[0], data.seen[0])
    guide = AutoNormal(model, init_scale=0.1)
    svi = SVI(model, guide, optim.Adam(0.01), Trace_ELBO())
    first, own = jax.random.split(key)
    state = svi.init(first, *table)
    state = jax.lax.fori_loop(
        0, variational.steps, lambda _, s: svi.update(s, *table)[0], state
    )
    params = svi.get_params(state)
    draws: Any = guide.sample_posterior(own, params, sample_shape=(KEPT,))
    free = draws["free"]
    low, high = model.process.box(COLUMNS)
    fixed = jnp.tile(jnp.asarray(low, free.dtype), (KEPT, 1))
    return fixed.at[:, np.flatnonzero(low < high)].set(free)


def chains(length: int) -> FullyBayesianGP:
    """Return four chains of this length."""
    nuts = NUTS(chains=4, warmup=length, draws=length, kept=KEPT)
    return FullyBayesianGP(nuts=nuts)


# What is compared, and how often a call is timed.
MODELS: dict[str, tuple[Any, int]] = {
    "engineering": (PFN(), 10),
    "engineering, no GP": (PFN(gp=None), 10),
    "anchored": (PFN("anchored"), 10),
    "anchored, no GP": (PFN("anchored", gp=None), 10),
    "GP": (GP(), 10),
    f"variational, {STEPS} steps": (Variational(), 1),
    **{f"NUTS, 4 x {n} draws": (chains(n), 1) for n in LENGTHS},
}


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
    """Return the median CPU seconds of a call that was compiled before."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        jax.block_until_ready(call())
        times.append(time.process_time() - begin)
    return float(np.median(times))


def result(seed: int, name: str) -> dict[str, Any]:
    """Return what a model makes of a task, and at what cost."""
    (data, x, y), (model, repeats) = task(seed), MODELS[name]
    key = jax.random.key(seed)

    def both():
        posterior = model.fit(key, data)
        return posterior, predicted(posterior, x)

    posterior, at = jax.block_until_ready(both())
    told = getattr(posterior, "diagnostics", None)
    return {
        "task": seed,
        "model": name,
        "loss": -float(np.mean(at.log_prob(y[:, None]))),
        "cpu": timed(lambda: both()[1], repeats),
        "r_hat": float(told.r_hat[0]) if told else "",
    }


def results(path: Path, tasks: int) -> list[dict[str, str]]:
    """Return the results of all tasks, those of the file as they are there."""
    if not path.exists() or not path.stat().st_size:
        path.write_text(",".join(FIELDS) + "\n")
    known = list(csv.DictReader(path.open()))
    done = {(row["task"], row["model"]) for row in known}
    for seed in range(tasks):
        for name in MODELS:
            if (str(seed), name) not in done:
                with path.open("a", newline="") as file:
                    csv.DictWriter(file, FIELDS).writerow(result(seed, name))
    return list(csv.DictReader(path.open()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--keep", type=Path, metavar="FILE", help="to go on from")
    args = parser.parse_args()
    enable_compilation_cache()
    warnings.filterwarnings("ignore", message="R-hat")  # the table tells it
    with jax.enable_x64(True), tempfile.TemporaryDirectory() as folder:
        found = results(args.keep or Path(folder) / "results.csv", args.tasks)
    by = {name: [r for r in found if r["model"] == name] for name in MODELS}
    loss = {n: np.array([float(r["loss"]) for r in rows]) for n, rows in by.items()}
    cost = {n: np.median([float(r["cpu"]) for r in rows]) for n, rows in by.items()}
    longest = list(MODELS)[-1]
    print("| surrogate | loss | more | R-hat | converged | CPU ms | times faster |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in by.items():
        more = loss[name] - loss[longest]
        error = more.std(ddof=1) / len(more) ** 0.5
        r_hat = np.array([float(r["r_hat"]) for r in rows if r["r_hat"]])
        health = " | "
        if r_hat.size:
            health = f"{np.median(r_hat):.2f} | {np.mean(r_hat <= CONVERGED):.0%}"
        told = f"{loss[name].mean():.3f} | {more.mean():.3f} ± {error:.3f} | {health}"
        speed = f"{1e3 * cost[name]:.0f} | {cost[longest] / cost[name]:.1f}"
        print(f"| {name} | {told} | {speed} |")


if __name__ == "__main__":
    main()
