"""How well each surrogate predicts from few rows, and what a fit costs.

    python experiments/bnn_study/run.py --results experiments/bnn_study/results.csv

Sets: Hartmann-3, 40 Sobol points; the same with five standard deviations, of either
sign, added to a tenth of the observations; Hartmann-6, 50 points; and 60 rows each of
three tables of scikit-learn. Scores are of 500 new points, or all other rows, in
standard deviations of the rows seen: root mean squared error, mean negative log density
and coverage of 90 % intervals. CPU seconds of a fit are those of compiled programs;
R-hat is the worst, where there are chains.

Every fit is a line of the results, which are only appended to: the same command goes on
where it was stopped. Means over the seeds are printed, without `--results` as well.
About 40 minutes on one core.
"""

import argparse
import csv
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.stats import qmc
from sklearn import datasets

from pfnbo import (
    DKL,
    GP,
    HMC,
    NNGP,
    PFN,
    SAAS,
    SGHMC,
    Ensemble,
    FullyBayesianGP,
    Laplace,
    NeuralLinear,
    TProcess,
    calibration,
)
from pfnbo.data import bucket, pad
from pfnbo.problems import get

SURROGATES = {
    "GP": GP(),
    "GP, no warp": GP(warp=False),
    "t-process": TProcess(GP(warp=False)),
    "GP, drawn": FullyBayesianGP(),
    "SAAS": SAAS(),
    "DKL": DKL(),
    "NNGP relu": NNGP(),
    "NNGP erf": NNGP("erf"),
    "NNGP relu, uneven": NNGP(even=False),
    "NNGP erf, uneven": NNGP("erf", even=False),
    "t-process, NNGP": TProcess(NNGP()),
    "HMC": HMC(),
    "SGHMC": SGHMC(),
    "ensemble": Ensemble(),
    "ensemble, heads": Ensemble(heads=True),
    "Laplace": Laplace(),
    "last layer": Laplace(last_layer=True),
    "neural linear": NeuralLinear(),
    "PFN": PFN(),
    "PFN, anchored": PFN("anchored"),
}
FIELDS = ["set", "surrogate", "seed", "rmse", "nll", "coverage", "seconds", "r_hat"]
SCORES = FIELDS[3:]
ROWS = 60  # of the tables of scikit-learn
Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def drawn(name: str, n: int, seed: int) -> Split:
    """Return Sobol points and 500 random ones of a problem, each with its values."""
    problem = get(name)
    d = problem.space.columns
    x = qmc.Sobol(d, rng=np.random.default_rng(seed)).random(n)
    new = np.random.default_rng(1000 + seed).random((500, d))
    y, true = (
        np.array([float(problem(problem.space.decode(row))) for row in rows])
        for rows in (x, new)
    )
    return standardised(x, y, new, true)


def standardised(x, y, new, true) -> Split:
    """Return the values in standard deviations of those that are seen."""
    return x, (y - y.mean()) / y.std(), new, (true - y.mean()) / y.std()


def spoiled(seed: int) -> Split:
    """Return Hartmann-3 with a tenth of the observations far off."""
    x, y, new, true = drawn("hartmann3", 40, seed)
    random = np.random.default_rng(seed)
    hit = random.choice(len(y), len(y) // 10, replace=False)
    y[hit] += 5 * random.choice([-1, 1], len(hit))
    return x, y, new, true


def table(x: np.ndarray, y: np.ndarray, seed: int) -> Split:
    """Return some rows of a table, columns scaled to the unit cube, and the others."""
    x = (x - x.min(0)) / (x.max(0) - x.min(0))
    order = np.random.default_rng(seed).permutation(len(y))
    seen, unseen = order[:ROWS], order[ROWS:]
    return standardised(x[seen], y[seen], x[unseen], y[unseen])


def diabetes(seed: int) -> Split:
    """Progression of a disease from ten measurements (Efron et al. 2004)."""
    return table(*datasets.load_diabetes(return_X_y=True), seed)


def wine(seed: int) -> Split:
    """Alcohol of a wine from twelve other measurements (UCI wine)."""
    x = datasets.load_wine(return_X_y=True)[0]
    return table(x[:, 1:], x[:, 0], seed)


def cancer(seed: int) -> Split:
    """Mean fractal dimension of a tumour from nine other means (UCI, Wisconsin)."""
    x = datasets.load_breast_cancer(return_X_y=True)[0]
    return table(x[:, :9], x[:, 9], seed)


SETS: dict[str, Callable[[int], Split]] = {
    "Hartmann-3": lambda seed: drawn("hartmann3", 40, seed),
    "outliers": spoiled,
    "Hartmann-6": lambda seed: drawn("hartmann6", 50, seed),
    "diabetes": diabetes,
    "wine": wine,
    "cancer": cancer,
}


def fit(model, seed: int, x, y):
    """Return a posterior, and the CPU seconds it took."""
    start = time.process_time()
    with jax.enable_x64(True):
        data = pad(x, y[None], bucket(len(x)))
        posterior = jax.block_until_ready(model.fit(jax.random.key(seed), data))
    return posterior, time.process_time() - start


def measured(name: str, model: str, seed: int, compiled: bool) -> dict[str, Any]:
    """Return one line of the results."""
    x, y, new, true = SETS[name](seed)
    if not compiled:
        fit(SURROGATES[model], seed, x, y)
    posterior, seconds = fit(SURROGATES[model], seed, x, y)
    told = calibration.report(posterior, new, true)
    chains = getattr(posterior, "diagnostics", None)
    r_hat = "" if chains is None else round(float(np.max(chains.r_hat)), 4)
    scores = [round(v, 4) for v in (told.rmse, told.nll, told.coverage, seconds)]
    return dict(zip(FIELDS, (name, model, seed, *scores, r_hat), strict=True))


def lines(args, earlier: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the lines that are asked for and not there yet."""
    done = {(line["set"], line["surrogate"], int(line["seed"])) for line in earlier}
    for name in args.sets:
        for model in args.models:
            compiled = False
            for seed in range(args.seeds):
                if (name, model, seed) not in done:
                    yield measured(name, model, seed, compiled)
                    compiled = True


def show(results: list[dict[str, Any]], args) -> None:
    """Print means over the seeds, a table for each set."""
    for name in args.sets:
        print(f"\n{name}\n\n| surrogate | RMSE | NLL | coverage | CPU s | R-hat |")
        print("|---|---|---|---|---|---|")
        for model in args.models:
            own = [x for x in results if (x["set"], x["surrogate"]) == (name, model)]
            if own:
                print(f"| {model} | {' | '.join(_mean(own, s) for s in SCORES)} |")


def _mean(lines: list[dict[str, Any]], score: str) -> str:
    values = [float(line[score]) for line in lines if line[score] != ""]
    if not values:
        return ""
    return f"{max(values) if score == 'r_hat' else np.mean(values):.3f}"


def main() -> None:
    """Measure what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--models", nargs="+", choices=SURROGATES, default=[*SURROGATES]
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="a CSV file to append to")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "R-hat|.*diverged|The balance properties")
    results = []
    if args.results and args.results.exists():
        with args.results.open(newline="") as file:
            results = list(csv.DictReader(file))
    for line in lines(args, results):
        results.append(line)
        if args.results:
            fresh = not args.results.exists()
            with args.results.open("a", newline="") as file:
                writer = csv.DictWriter(file, FIELDS)
                if fresh:
                    writer.writeheader()
                writer.writerow(line)
    show(results, args)


if __name__ == "__main__":
    main()
