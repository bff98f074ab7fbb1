"""What a Bayesian network loses when few of its weights may be other than zero.

    python experiments/sparse/run.py

Digits: 1,200 images of 8 x 8 points in ten classes, 597 to predict, by a network of
32 units with a likelihood of classes. Diabetes: 300 rows of ten measurements, 142
to predict. Hartmann-3: 200 Sobol points, 500 to predict; the last two by `SparseVI`
with its defaults. Mean negative log densities and shares of wrong classes, or root mean
squared errors, of the rows to predict, by the share of the weights that are not zero; 1
is the dense network under the same inference. Prints a table of means over the seeds;
writes `results.csv` and `figure.png`.
"""

import argparse
import csv
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc
from sklearn import datasets

from pfnbo import MLP, SparseVI, calibration
from pfnbo.data import bucket, pad
from pfnbo.problems import get
from pfnbo.surrogates.sparse import infer

HERE = Path(__file__).parent
DENSITIES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
PIXELS = MLP((32,), "relu", weight=2.0, bias=0.1, outputs=10)
STEPS, RATE, DRAWS = 2000, 0.02, 64
NAMES = "set density seed active nll error".split()


def halves(x, y, seed: int, seen: int):
    """Return rows seen and rows to predict, columns in the unit cube."""
    x = (x - x.min(0)) / np.maximum(x.max(0) - x.min(0), 1e-9)
    order = np.random.default_rng(seed).permutation(len(y))
    first, rest = order[:seen], order[seen:]
    return x[first], y[first], x[rest], y[rest]


def digits(density: float, seed: int) -> tuple[int, float, float]:
    """Return active weights, negative log density and share of wrong classes."""
    x, label, new, true = halves(*datasets.load_digits(return_X_y=True), seed, 1200)
    with jax.enable_x64(False):
        shown = jnp.asarray(x, jnp.float32), jnp.asarray(label)
        key = jax.random.key(seed)
        active, logits = _classified(
            key, *shown, jnp.asarray(new, jnp.float32), density
        )
        p = np.asarray(jnp.mean(jax.nn.softmax(logits), 0))
    told = calibration.class_report(p, true)
    return int(active), told.nll, 1 - told.accuracy


@partial(jax.jit, static_argnames="density")
def _classified(key, x, label, new, density: float):
    """Return the number of active weights and logits of new rows (draws, n, 10)."""
    start, train, draw = jax.random.split(key, 3)
    size = PIXELS.size(x.shape[1])
    first = jax.random.normal(start, (size,), x.dtype)
    outputs = jax.vmap(PIXELS.all, (None, 0))

    def loss(params):
        logs = jax.nn.log_softmax(outputs(params, x))
        return -jnp.sum(jnp.take_along_axis(logs, label[:, None], 1))

    kept = math.ceil(density * size)
    told = infer(train, loss, first, kept, steps=STEPS, rate=RATE)
    draws = told.draws(draw, DRAWS)
    return jnp.sum(told.active), jax.vmap(lambda p: outputs(p, new))(draws)


def regression(split, density: float, seed: int) -> tuple[int, float, float]:
    """Return active weights, negative log density and root mean squared error."""
    x, y, new, true = split(seed)
    mean, sd = y.mean(), y.std()
    with jax.enable_x64(True):
        data = pad(x, (y - mean)[None] / sd, bucket(len(x)))
        posterior = replace(SparseVI(), density=density).fit(jax.random.key(seed), data)
    told = calibration.report(posterior, new, (true - mean) / sd)
    return int(posterior.diagnostics.active.sum()), told.nll, told.rmse


def diabetes(seed: int):
    """Progression of a disease from ten measurements (Efron et al. 2004)."""
    return halves(*datasets.load_diabetes(return_X_y=True), seed, 300)


def hartmann(seed: int):
    """A smooth function of three parameters."""
    problem = get("hartmann3")
    x = qmc.Sobol(3, rng=np.random.default_rng(seed)).random(200)
    new = np.random.default_rng(1000 + seed).random((500, 3))
    values = [
        np.array([float(problem(problem.space.decode(row))) for row in rows])
        for rows in (x, new)
    ]
    return x, values[0], new, values[1]


SETS = {
    "digits": digits,
    "diabetes": partial(regression, diabetes),
    "Hartmann-3": partial(regression, hartmann),
}


def table(rows: list[dict]) -> str:
    """Return means over the seeds, and what is lost against the dense network."""
    lines = [
        "| set | density | active weights | NLL | loss of NLL | error or RMSE |",
        "|---|---|---|---|---|---|",
    ]
    for name in SETS:
        own = [r for r in rows if r["set"] == name]
        dense = np.mean([r["nll"] for r in own if r["density"] == 1])
        for density in sorted({r["density"] for r in own}, reverse=True):
            at = [r for r in own if r["density"] == density]
            active, nll, error = (np.mean([r[k] for r in at]) for k in NAMES[3:])
            lost = 100 * (nll - dense) / abs(dense)
            lines.append(
                f"| {name} | {density:g} | {active:.0f} | {nll:.4f} | {lost:.1f} % | "
                f"{error:.4f} |"
            )
    return "\n".join(lines)


def draw(rows: list[dict]) -> None:
    """Draw the negative log density of every seed by the share of the weights."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(SETS), figsize=(10, 3.2), layout="constrained")
    for ax, name in zip(axes, SETS, strict=True):
        own = [r for r in rows if r["set"] == name]
        at = sorted({r["density"] for r in own})
        every = [[r["nll"] for r in own if r["density"] == d] for d in at]
        for d, values in zip(at, every, strict=True):
            ax.plot([d] * len(values), values, ".", color="tab:gray")
        ax.plot(at, [np.mean(v) for v in every], "o-")
        ax.axhline(np.mean(every[-1]), color="black", linewidth=0.8, linestyle=":")
        ax.set(title=name, xscale="log", xlabel="share of weights not zero")
    axes[0].set_ylabel("test NLL, nats")
    fig.savefig(HERE / "figure.png", dpi=120)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    args = parser.parse_args()
    rows = []
    for name in args.sets:
        for density in DENSITIES:
            for seed in range(args.seeds):
                told = SETS[name](density, seed)
                rows.append(dict(zip(NAMES, (name, density, seed, *told), strict=True)))
    print(table(rows))
    if len(args.sets) == len(SETS):
        with open(HERE / "results.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, NAMES, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        draw(rows)


if __name__ == "__main__":
    main()
