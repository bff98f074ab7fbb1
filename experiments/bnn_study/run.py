"""How well each surrogate predicts Hartmann-3 from 40 points.

    python experiments/bnn_study/run.py

Prints, over the seeds: root mean squared error and mean negative log density of 500 new
points in standard deviations of the data, the coverage of 90 % intervals, and CPU
seconds of a fit, compilation apart. `--outliers` adds five standard deviations, of
either sign, to a tenth of the observations; `--cost` times fits of 50 points in six
dimensions instead and tells how well the chains of HMC agree. Both take a few minutes.
"""

import argparse
import time
import warnings

import jax
import numpy as np
from scipy.stats import qmc

from pfnbo import GP, HMC, NNGP, Ensemble, Laplace, TProcess, calibration
from pfnbo.data import bucket, pad
from pfnbo.problems import get

SURROGATES = {
    "GP": GP(),
    "GP, no warp": GP(warp=False),
    "t-process": TProcess(GP(warp=False)),
    "NNGP relu": NNGP(),
    "NNGP erf": NNGP("erf"),
    "t-process, NNGP": TProcess(NNGP()),
    "HMC": HMC(),
    "ensemble": Ensemble(),
    "Laplace": Laplace(),
    "last layer": Laplace(last_layer=True),
}


def draw(name: str, seed: int, n: int):
    """Return 40 Sobol points and 500 random ones, values standardised by the former."""
    problem = get(name)
    d = problem.space.columns
    x = qmc.Sobol(d, rng=np.random.default_rng(seed)).random(n)
    new = np.random.default_rng(1000 + seed).random((500, d))
    y, true = (
        np.array([float(problem(problem.space.decode(row))) for row in rows])
        for rows in (x, new)
    )
    return x, (y - y.mean()) / y.std(), new, (true - y.mean()) / y.std()


def fit(model, seed: int, x, y):
    """Return a posterior, and the CPU seconds it took."""
    start = time.process_time()
    with jax.enable_x64(True):
        data = pad(x, y[None], bucket(len(x)))
        posterior = jax.block_until_ready(model.fit(jax.random.key(seed), data))
    return posterior, time.process_time() - start


def scores(model, seeds: int, outliers: bool) -> np.ndarray:
    """Return RMSE, NLL, coverage and seconds, means over the seeds."""
    table = []
    for seed in range(seeds):
        x, y, new, true = draw("hartmann3", seed, 40)
        if outliers:
            random = np.random.default_rng(seed)
            hit = random.choice(len(y), len(y) // 10, replace=False)
            y[hit] += 5 * random.choice([-1, 1], len(hit))
        if seed == 0:
            fit(model, seed, x, y)  # compiles
        posterior, seconds = fit(model, seed, x, y)
        told = calibration.report(posterior, new, true)
        table.append([told.rmse, told.nll, told.coverage, seconds])
    return np.mean(table, 0)


def cost(model) -> str:
    """Return CPU seconds of a fit, and R-hat where there are chains."""
    x, y, *_ = draw("hartmann6", 0, 50)
    fit(model, 0, x, y)
    posteriors, seconds = zip(*(fit(model, s, x, y) for s in (1, 2, 3)), strict=True)
    chains = [getattr(p, "diagnostics", None) for p in posteriors]
    r_hat = [f"{float(c.r_hat[0]):.3f}" for c in chains if c is not None]
    return f"{np.mean(seconds):.3f} | {' '.join(r_hat)}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=SURROGATES, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--outliers", action="store_true")
    parser.add_argument("--cost", action="store_true")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "R-hat|.*diverged|The balance properties")
    chosen = {name: SURROGATES[name] for name in args.models or SURROGATES}
    if args.cost:
        print("| surrogate | CPU s | R-hat |\n|---|---|---|")
    else:
        print("| surrogate | RMSE | NLL | coverage | CPU s |\n|---|---|---|---|---|")
    for name, model in chosen.items():
        if args.cost:
            print(f"| {name} | {cost(model)} |", flush=True)
        else:
            row = scores(model, args.seeds, args.outliers)
            print(f"| {name} | {' | '.join(f'{v:.3f}' for v in row)} |", flush=True)


if __name__ == "__main__":
    main()
