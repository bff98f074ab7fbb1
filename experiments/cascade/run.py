"""How often a cascade finds the best candidate of the expensive surrogate.

    python experiments/cascade/run.py

Candidates are those of the search for the next point. For each function and surrogate,
by the number of members that screen and the share that they pass on: how often the
best candidate is passed on, what is lost where it is not (of the upper confidence
bound and of the expected improvement, in standard deviations of the data), and the
evaluations of networks as a share of those without a cascade. Prints what costs at
most 30 %, writes `results.csv` and `figure.png`.
"""

import argparse
import csv
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from pfnbo import HMC, Ensemble
from pfnbo.acquisition.improvement import ACQUISITIONS, Goal
from pfnbo.data import bucket, pad
from pfnbo.maximize.gradient import Region, screen, sobol
from pfnbo.problems import get
from pfnbo.surrogates.members import few

HERE = Path(__file__).parent
FUNCTIONS = {"branin": 32, "hartmann3": 32, "hartmann6": 64}  # rows of the data
MODELS = {"ensemble": Ensemble(64), "HMC": HMC()}
MEMBERS = (2, 4, 6, 8, 10)  # that screen, of 64
SHARES = (0.05, 0.1, 0.15, 0.2)
NAMES = "function surrogate acquisition members share same loss cost".split()


def _score(kind):
    fn = ACQUISITIONS[kind]
    return lambda args, x: fn(*args, x)


SCORES = {kind: _score(kind) for kind in ("ucb", "ei")}


def fitted(model, name: str, seed: int):
    """Return a posterior of a function at Sobol points, and where to search."""
    problem, n = get(name), FUNCTIONS[name]
    d = problem.space.columns
    x = qmc.Sobol(d, rng=np.random.default_rng(seed)).random(n)
    f = np.array([float(problem(problem.space.decode(row))) for row in x])
    y = (f.mean() - f) / f.std()
    data = pad(x, y[None], bucket(n))
    best = x[np.argsort(-y)[:3]]
    region = Region(*map(jnp.asarray, (np.zeros(d), np.ones(d), best, data.x)))
    return model.fit(jax.random.key(seed), data), region, problem.space.grid


def worths(posterior, kind: str, seed: int, region: Region, grid) -> np.ndarray:
    """Return the scores of all candidates, (r,)."""
    best = jnp.max(jnp.where(posterior.seen[0], posterior.fitted[0], -jnp.inf))
    args = Goal(best, jnp.asarray(True), jnp.zeros(0)), posterior
    points = sobol(region.low.shape[0])
    _, values = screen(jax.random.key(seed), SCORES[kind], args, region, grid, points)
    values = np.asarray(values)
    return np.exp(values) if kind == "ei" else values


def judged(full: np.ndarray, cheap: np.ndarray, share: float) -> tuple[bool, float]:
    """Return whether the best candidate is passed on, and the loss."""
    passed = np.argsort(-cheap, kind="stable")[: math.ceil(share * len(full))]
    loss = np.max(full) - np.max(full[passed])
    return loss == 0, loss


def study(name: str, label: str, seeds: int) -> list[dict]:
    """Return a record of each setting, means over the seeds."""
    tries: dict = {}
    for seed in range(seeds):
        posterior, *where = fitted(MODELS[label], name, seed)
        total = posterior.noises.shape[1]
        for kind in SCORES:
            full = worths(posterior, kind, seed, *where)
            for count in MEMBERS:
                cheap = worths(few(posterior, count), kind, seed, *where)
                for share in SHARES:
                    told = judged(full, cheap, share)
                    tries.setdefault((kind, count, share), []).append(told)
    return [
        dict(
            zip(
                NAMES,
                (name, label, *at, *np.mean(told, 0), at[1] / total + at[2]),
                strict=True,
            )
        )
        for at, told in tries.items()
    ]


def table(rows: list[dict]) -> str:
    """Return the settings of at most 30 % of the cost, means over the functions."""
    lines = [
        "| surrogate | acquisition | members | share | same | loss | cost |",
        "|---|---|---|---|---|---|---|",
    ]
    groups: dict = {}
    for row in rows:
        at = row["surrogate"], row["acquisition"], row["members"], row["share"]
        groups.setdefault(at, []).append(row)
    for at, group in groups.items():
        same, loss, cost = (np.mean([r[k] for r in group]) for k in NAMES[-3:])
        if cost <= 0.3:
            told = f"{100 * same:.0f} % | {loss:.4f} | {100 * cost:.0f} %"
            lines.append("| " + " | ".join(map(str, at)) + f" | {told} |")
    return "\n".join(lines)


def draw(rows: list[dict]) -> None:
    """Draw how often the best candidate is passed on against the cost."""
    import matplotlib.pyplot as plt

    kinds = [(label, kind) for label in MODELS for kind in SCORES]
    fig, axes = plt.subplots(
        1, len(kinds), figsize=(11, 3), sharey=True, layout="constrained"
    )
    for ax, (label, kind) in zip(axes, kinds, strict=True):
        for count in MEMBERS:
            points = {}
            for r in rows:
                if (r["surrogate"], r["acquisition"], r["members"]) == (
                    label,
                    kind,
                    count,
                ):
                    points.setdefault(r["cost"], []).append(100 * r["same"])
            cost, same = zip(*sorted(points.items()), strict=True)
            ax.plot(np.multiply(cost, 100), np.mean(same, 1), "o-", label=count)
        ax.axhline(90, color="black", linewidth=0.8, linestyle=":")
        ax.axvline(30, color="black", linewidth=0.8, linestyle=":")
        ax.set(title=f"{label}, {kind}", xlabel="cost, % of all 64 members")
    axes[0].set_ylabel("best candidate passed on, %")
    axes[-1].legend(title="members that screen", fontsize=8)
    fig.savefig(HERE / "figure.png", dpi=120)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    rows = []
    with jax.enable_x64(True):
        for label in MODELS:
            for name in FUNCTIONS:
                rows += study(name, label, args.seeds)
    with open(HERE / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, NAMES, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows)
    print(table(rows))


if __name__ == "__main__":
    main()
