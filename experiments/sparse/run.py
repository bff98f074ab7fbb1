"""What a Bayesian network loses when few of its weights may be other than zero.

    python experiments/sparse/run.py --results experiments/sparse/results.csv

Digits: 1,200 images of 8 x 8 points in ten classes, 597 to predict, by a network of 32
units with a likelihood of classes. Diabetes: 200 rows of ten measurements, 242 to
predict, by `SparseVI` with two layers of 20 units and the noise that a linear model
leaves of the rows seen. Mean negative log densities and shares of wrong classes, or
root mean squared errors, of the rows to predict, by the share of the weights that are
not zero; 1 is the dense network under the same inference.

Every line of the results is a set, a density and a seed; the file is only appended to,
and the same command goes on where it was stopped. Means over the seeds are printed,
without `--results` as well; with it, `figure.png` is drawn.
"""

import argparse
import csv
import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from pfnbo import MLP, SparseVI, calibration
from pfnbo.data import bucket, pad
from pfnbo.surrogates.sparse import infer

HERE = Path(__file__).parent
DENSITIES = (1.0, 0.1, 0.05, 0.3)
PIXELS = MLP((32,), "relu", weight=60.0, bias=0.1, outputs=10)
STEPS, RATE, DRAWS = 5000, 0.02, 64
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


def diabetes(density: float, seed: int) -> tuple[int, float, float]:
    """Return active weights, negative log density and root mean squared error."""
    x, y, new, true = halves(*datasets.load_diabetes(return_X_y=True), seed, 200)
    mean, sd = y.mean(), y.std()
    y, true = (y - mean) / sd, (true - mean) / sd
    columns = np.column_stack([x, np.ones(len(x))])
    missed = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    model = SparseVI(MLP((20, 20)), density, noise=float(missed.std()), steps=STEPS)
    with jax.enable_x64(True):
        data = pad(x, y[None], bucket(len(x)))
        posterior = model.fit(jax.random.key(seed), data)
    told = calibration.report(posterior, new, true)
    return int(posterior.diagnostics.active.sum()), told.nll, told.rmse


SETS = {"digits": digits, "diabetes": diabetes}


def table(rows: list[dict]) -> str:
    """Return means over the seeds, and what is lost against the dense network."""
    lines = [
        "| set | density | active weights | NLL | loss of NLL | error or RMSE |",
        "|---|---|---|---|---|---|",
    ]
    for name in SETS:
        own = [r for r in rows if r["set"] == name]
        if not own:
            continue
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

    fig, axes = plt.subplots(1, len(SETS), figsize=(7, 3.2), layout="constrained")
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
    """Measure what is missing and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--densities", nargs="+", type=float, default=[*DENSITIES])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--results", type=Path, help="a CSV file to append to")
    args = parser.parse_args()
    rows: list[dict] = []
    if args.results and args.results.exists():
        with args.results.open(newline="") as file:
            rows = [
                {k: v if k == "set" else float(v) for k, v in row.items()}
                for row in csv.DictReader(file)
            ]
    done = {(r["set"], r["density"], r["seed"]) for r in rows}
    for density in args.densities:
        for name in args.sets:
            for seed in range(args.seeds):
                if (name, density, seed) in done:
                    continue
                told = SETS[name](density, seed)
                rows.append(dict(zip(NAMES, (name, density, seed, *told), strict=True)))
                if args.results:
                    fresh = not args.results.exists()
                    with args.results.open("a", newline="") as file:
                        writer = csv.DictWriter(file, NAMES, lineterminator="\n")
                        if fresh:
                            writer.writeheader()
                        writer.writerow(rows[-1])
    print(table(rows))
    if args.results and {r["set"] for r in rows} == {*SETS}:
        draw(rows)


if __name__ == "__main__":
    main()
