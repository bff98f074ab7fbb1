"""How honest each surrogate is, before and after it is recalibrated.

    python experiments/calibration/run.py --results experiments/calibration/results.csv

Each surrogate has 32 rows and predicts 300 others: of Hartmann-3 at Sobol points, of
the same with noise of half a standard deviation, and of three columns of the diabetes
data. `Recalibrated` corrects its deviations ("scale") or its probabilities ("isotonic")
by rows held out of the 32: leave-one-out in closed form where a surrogate has it, five
folds elsewhere. Networks are small and chains short: these are no scores of the
defaults. Every line of the results is a surrogate, a set, a seed and a method; the file
is only appended to, and the same command goes on where it was stopped. Means are
printed, without `--results` as well; with all lines there, `figure.png` is drawn.

With `--shapes`, draws `shapes.png`: histograms of the predicted probabilities of three
surrogates and the share of observations below each quantile. With `--digits`, a network
and five of them learn digits from 300 images, and a temperature is found for them on
300 more; prints `digits.md` and draws `digits.png`.
"""

import argparse
import csv
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.stats import qmc
from sklearn import datasets
from sklearn.neural_network import MLPClassifier

from pfnbo import (
    DKL,
    GP,
    HMC,
    MLP,
    NNGP,
    NUTS,
    PFN,
    SAAS,
    SGHMC,
    Ensemble,
    Laplace,
    NeuralLinear,
    Recalibrated,
    SparseVI,
    TProcess,
    calibration,
)
from pfnbo.data import bucket, pad
from pfnbo.problems import get

HERE = Path(__file__).parent
NET = MLP((20, 20))
SURROGATES = {
    "GP": GP(),
    "GP, no warp": GP(warp=False),
    "NNGP": NNGP(),
    "t-process": TProcess(GP(warp=False)),
    "DKL": DKL(),
    "PFN": PFN("engineering"),
    "Laplace": Laplace(NET),
    "last layer": Laplace(NET, last_layer=True),
    "neural linear": NeuralLinear(NET),
    "ensemble": Ensemble(16, NET),
    "HMC": HMC(NET, chains=2, warmup=150, draws=150, kept=32, leapfrogs=40),
    "SGHMC": SGHMC(NET, chains=2, warmup=500, draws=500, kept=32),
    "sparse VI": SparseVI(NET, 0.3, draws=32, steps=1000),
    "SAAS": SAAS(nuts=NUTS(warmup=128, draws=64, kept=16)),
}
METHODS = ("none", "scale", "isotonic")
SHAPED = "GP", "SGHMC", "SAAS"  # drawn by `--shapes`
SCORES = ("nll", "miscalibration", "coverage")
FIELDS = ["surrogate", "set", "seed", "method", *SCORES]
ROWS, TESTED = 32, 300


def hartmann(seed: int, noise: float = 0.0):
    """Return rows and values of Hartmann-3, to learn and to predict."""
    problem = get("hartmann3")
    x = qmc.Sobol(3, rng=np.random.default_rng(seed)).random(ROWS)
    random = np.random.default_rng(1000 + seed)
    x = np.concatenate([x, random.random((TESTED, 3))])
    y = np.array([float(problem(problem.space.decode(row))) for row in x])
    return x, y + noise * y.std() * random.normal(size=len(y))


def diabetes(seed: int):
    """Progression of a disease from mass, blood pressure and a serum value."""
    x, y = datasets.load_diabetes(return_X_y=True)
    x = x[:, [2, 3, 8]]
    x = (x - x.min(0)) / (x.max(0) - x.min(0))
    order = np.random.default_rng(seed).permutation(len(y))[: ROWS + TESTED]
    return x[order], y[order]


SETS = {
    "Hartmann-3": hartmann,
    "noisy": lambda seed: hartmann(seed, 0.5),
    "diabetes": diabetes,
}


@jax.jit
def judged(posterior, x, y):
    """Return log densities and predicted probabilities of lower values, (n,) each."""
    told = jax.vmap(lambda row: jax.tree.map(lambda a: a[0], posterior.observe(row)))(x)
    return told.log_prob(y), told.cdf(y)


def fitted(name: str, of: str, seed: int):
    """Return the posterior by each of the methods, and rows and values to predict."""
    x, y = SETS[of](seed)
    y = (y - y[:ROWS].mean()) / y[:ROWS].std()
    data = pad(x[:ROWS], y[None, :ROWS], bucket(ROWS))
    scaled = Recalibrated(SURROGATES[name]).fit(jax.random.key(seed), data)
    every = scaled.base, scaled, replace(scaled, isotonic=True)
    return every, x[ROWS:], y[ROWS:]


def measured(name: str, of: str, seed: int) -> list[dict[str, Any]]:
    """Return the lines of a surrogate on one set, before and after."""
    lines = []
    with jax.enable_x64(True):
        every, x, y = fitted(name, of, seed)
        for method, posterior in zip(METHODS, every, strict=True):
            logs, pit = (np.asarray(a) for a in judged(posterior, x, y))
            inside = np.mean((pit > 0.05) & (pit < 0.95))
            scores = -np.mean(logs), calibration.miscalibration(pit), inside
            at = name, of, seed, method, *(round(float(s), 4) for s in scores)
            lines.append(dict(zip(FIELDS, at, strict=True)))
    return lines


def table(lines: list[dict[str, Any]]) -> str:
    """Return means over sets and seeds, each method side by side."""
    head = " | ".join(f"{score}, {method}" for score in SCORES for method in METHODS)
    rows = [f"| surrogate | {head} |", "|---" * (1 + 9) + "|"]
    for name in SURROGATES:
        own = [line for line in lines if line["surrogate"] == name]
        if own:
            means = [
                np.mean([float(x[score]) for x in own if x["method"] == method])
                for score in SCORES
                for method in METHODS
            ]
            rows.append(f"| {name} | " + " | ".join(f"{m:.3f}" for m in means) + " |")
    return "\n".join(rows)


def digits():
    """Return probabilities by name, and labels, of images that no network saw."""
    x, label = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(label))
    x, label = x[order] / 16, label[order]
    fits = [
        MLPClassifier((64,), alpha=1e-6, max_iter=300, random_state=seed)
        for seed in range(5)
    ]
    each = [f.fit(x[:300], label[:300]).predict_proba(x[300:]) for f in fits]
    told = {}
    for name, p in (("one network", each[0]), ("five networks", np.mean(each, 0))):
        logits = np.log(np.maximum(p, 1e-12))
        found = calibration.temperature(logits[:300], label[300:600])
        warm = np.exp(logits / found)
        told[name] = p[300:]
        told[f"{name}, T = {found:.2f}"] = (warm / warm.sum(1, keepdims=True))[300:]
    return told, label[600:]


def classes(told, label) -> str:
    """Return scores of the digits."""
    rows = [
        "| digits | accuracy | NLL | Brier | ECE, 15 bins | ECE, equal mass | "
        "ECE, 5 to 100 bins | class-wise | largest gap | KS |",
        "|---" * 10 + "|",
    ]
    for name, p in told.items():
        at = calibration.class_report(p, label)
        errors = [*at.ece.values(), *at.ece_equal_mass.values()]
        scores = at.accuracy, at.nll, at.brier, at.ece[15], at.ece_equal_mass[15]
        rest = at.classwise, at.maximum, at.kolmogorov_smirnov
        spread = f"{min(errors):.4f} to {max(errors):.4f}"
        cells = [*(f"{s:.4f}" for s in scores), spread, *(f"{s:.4f}" for s in rest)]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def draw(lines) -> None:
    """Draw miscalibration before and after."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
    at = np.arange(len(SURROGATES))
    for shift, method in zip((-0.27, 0, 0.27), METHODS, strict=True):
        own = [x for x in lines if x["method"] == method]
        areas = [
            np.mean([float(x["miscalibration"]) for x in own if x["surrogate"] == name])
            for name in SURROGATES
        ]
        ax.bar(at + shift, areas, 0.27, label=method)
    ax.set_xticks(at, list(SURROGATES), rotation=40, ha="right", fontsize=8)
    ax.set_ylabel("miscalibration area")
    ax.legend(title="recalibrated by", loc="upper left", ncols=3, fontsize=8)
    ax.margins(y=0.25)
    fig.savefig(HERE / "figure.png", dpi=120)


def draw_shapes() -> None:
    """Draw predicted probabilities on the noisy function, and shares by each method."""
    import matplotlib.pyplot as plt

    shape = 2, len(SHAPED)
    fig, axes = plt.subplots(*shape, figsize=(10, 5.5), layout="constrained")
    for (top, bottom), name in zip(axes.T, SHAPED, strict=True):
        with jax.enable_x64(True):
            every, x, y = fitted(name, "noisy", 0)
            told = [calibration.report(posterior, x, y) for posterior in every]
        calibration.plot_pit(told[0], top)
        top.set_title(name)
        for method, one in zip(METHODS, told, strict=True):
            calibration.plot_reliability(one, bottom)
            bottom.lines[-2].set_label(method)
    axes[1, 0].legend(title="recalibrated by", fontsize=8)
    fig.savefig(HERE / "shapes.png", dpi=110)


def draw_digits(told, label) -> None:
    """Draw how often the likeliest digit came, by its probability."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    for name, p in told.items():
        calibration.plot_confidence(p, label, ax, bins=8)
        ax.lines[-2].set_label(name)
    ax.legend(fontsize=8)
    fig.savefig(HERE / "digits.png", dpi=120)


def main() -> None:
    """Measure what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--surrogates", nargs="+", choices=SURROGATES, default=[*SURROGATES]
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, help="a CSV file to append to")
    parser.add_argument("--digits", action="store_true", help="only the digits")
    parser.add_argument("--shapes", action="store_true", help="only the picture")
    args = parser.parse_args()
    if args.digits:
        told, label = digits()
        print(text := classes(told, label))
        (HERE / "digits.md").write_text(text + "\n")
        return draw_digits(told, label)
    warnings.filterwarnings("ignore", "R-hat|.*diverged|The balance properties")
    if args.shapes:
        return draw_shapes()
    lines: list[dict[str, Any]] = []
    if args.results and args.results.exists():
        with args.results.open(newline="") as file:
            lines = list(csv.DictReader(file))
    done = {(x["surrogate"], x["set"], int(x["seed"])) for x in lines}
    for name in args.surrogates:
        for of in SETS:
            for seed in range(args.seeds):
                if (name, of, seed) in done:
                    continue
                lines += (fresh := measured(name, of, seed))
                if args.results:
                    empty = not args.results.exists()
                    with args.results.open("a", newline="") as file:
                        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                        if empty:
                            writer.writeheader()
                        writer.writerows(fresh)
    print(table(lines))
    if args.results and {x["surrogate"] for x in lines} == {*SURROGATES}:
        draw(lines)


if __name__ == "__main__":
    main()
