"""Whether networks predict better from five points after they have seen other tasks.

    python experiments/weight_prior/run.py hpobench_xgb_48tasks.npz

The file holds validation errors `y` of XGBoost at settings `x` of six hyper-parameters,
on 48 data sets (HPOBench, Eggensperger et al. 2021). A prior of the weights is learned
from the first 20. Then, for each of the last 14, a network is given five points and
predicts 200 others, under that prior and under the unit normal one. Logarithms of the
errors are standardised in each table, by all of its values. Prints the mean negative
log densities over the seeds; writes `results.csv` and `figure.png`. `--valid` takes the
14 tables between, on which the settings were chosen. A few minutes on two shared cores.
"""

import argparse
import csv
import warnings
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from pfnbo import HMC, MLP, Ensemble, WeightPrior, calibration
from pfnbo.data import bucket, pad

HERE = Path(__file__).parent
SEEN, VALID, NEW = range(20), range(20, 34), range(34, 48)
ROWS = 256  # of a table that is seen
SHOTS, TESTED = 5, 200  # rows of a new one
NETWORK = MLP((20, 20))
LEARNING = dict(noise=0.6, rounds=20, steps=3)
MODELS = {
    "ensemble": Ensemble(network=NETWORK),
    "HMC": HMC(NETWORK, chains=2, warmup=200, draws=200),
}


def tables(path: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rows of the unit cube and standardised log errors of every data set."""
    file = np.load(path)
    x = file["x"].astype(float)
    x = x / x.max((0, 1))
    log_error = np.log(file["y"].astype(float) + 1e-3)
    known = np.isfinite(log_error)
    return [
        (rows[use], (y[use] - y[use].mean()) / y[use].std())
        for rows, y, use in zip(x, log_error, known, strict=True)
    ]


def some(table, seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random rows of a table."""
    x, y = table
    picks = np.random.default_rng(seed).permutation(len(y))[:rows]
    return x[picks], y[picks]


def nll(model, x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Return the mean negative log density of all rows but the first five."""
    data = pad(x[:SHOTS], y[None, :SHOTS], bucket(SHOTS))
    posterior = model.fit(jax.random.key(seed), data)
    return calibration.report(posterior, x[SHOTS:], y[SHOTS:]).nll


def learned(path: str, shown: range) -> tuple[WeightPrior, list]:
    """Return the prior that the first tables teach, and those to predict."""
    every = tables(path)
    tasks = [some(every[i], i, ROWS) for i in SEEN]
    prior = WeightPrior.learn(jax.random.key(0), tasks, NETWORK, **LEARNING)
    return prior, [every[i] for i in shown]


def compared(model, prior, table, seeds: int) -> tuple[float, float]:
    """Return the scores under the unit normal and under the learned prior."""
    scores = []
    for seed in range(seeds):
        x, y = some(table, 100 + seed, SHOTS + TESTED)
        with_prior = replace(model, prior=prior)
        scores.append([nll(m, x, y, seed) for m in (model, with_prior)])
    unit, taught = np.mean(scores, 0)
    return unit, taught


def draw(rows: list[tuple]) -> None:
    """Draw the scores under both priors, a point for each table."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(MODELS), figsize=(8, 4), layout="constrained")
    for ax, label in zip(axes, MODELS, strict=True):
        unit, taught = np.array([r[2:] for r in rows if r[0] == label]).T
        ends = min(unit.min(), taught.min()) - 0.1, max(unit.max(), taught.max()) + 0.1
        ax.plot(ends, ends, color="black", linewidth=0.8)
        ax.plot(unit, taught, "o")
        ax.set(title=label, xlabel="NLL, unit normal prior", ylabel="NLL, learned")
    fig.savefig(HERE / "figure.png", dpi=120)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--valid", action="store_true")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "R-hat|.*diverged")
    shown = VALID if args.valid else NEW
    rows = []
    with jax.enable_x64(True):
        prior, new = learned(args.path, shown)
        print("| surrogate | table | unit normal | learned |\n|---|---|---|---|")
        for label, model in MODELS.items():
            for i, table in zip(shown, new, strict=True):
                rows.append((label, i, *compared(model, prior, table, args.seeds)))
                print("| {} | {} | {:.3f} | {:.3f} |".format(*rows[-1]), flush=True)
    for label in MODELS:
        unit, taught = np.array([r[2:] for r in rows if r[0] == label]).T
        print(
            f"\n{label}: {np.mean(unit):.3f} and {np.mean(taught):.3f}, "
            f"{np.sum(taught < unit)} of {len(unit)} tables better with the learned."
        )
    if not args.valid:
        with open(HERE / "results.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["surrogate", "table", "unit_normal", "learned"])
            writer.writerows(rows)
        draw(rows)


if __name__ == "__main__":
    main()
