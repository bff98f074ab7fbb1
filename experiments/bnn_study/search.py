"""Which surrogate finds the best point, on the problems of the study.

    python experiments/bnn_study/search.py --results experiments/bnn_study/search.csv

Each run begins with 14 points of a design, the same for all surrogates of a seed, and
goes on with six batches of three. Every evaluation is a line of the results; a run is
written when it is complete and the same command goes on after the last one. Printed are
the medians of the best values, and a normalised score: (worst - best of a run) over
(worst - best), both among the means of all surrogates on that problem, so that 1 is the
best surrogate and 0 the worst; intervals of 90 % by a bootstrap over the seeds.

About an hour of a core for three seeds.
"""

import argparse
import csv
import itertools
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from problems import PROBLEMS, problem

import pfnbo
from pfnbo import (
    DKL,
    GP,
    HMC,
    NNGP,
    NUTS,
    PFN,
    SAAS,
    SGHMC,
    Ensemble,
    Laplace,
    TProcess,
)

START, BATCH, TRIALS = 14, 3, 32  # all of them in one program
RANDOM = "random"
SURROGATES = {
    RANDOM: None,
    "GP": GP(),
    "NNGP": NNGP(),
    "NNGP, uneven": NNGP(even=False),
    "t-process": TProcess(GP(additive=False)),
    "PFN": PFN(),
    "Laplace": Laplace(),
    "ensemble": Ensemble(),
    "DKL": DKL(),
    "SGHMC": SGHMC(),
    "HMC": HMC(),
    "SAAS": SAAS(nuts=NUTS(warmup=128, draws=128)),
}
# What takes long, and what it is left out of.
LARGE = ("pest control", "polynomial, 60", "network, 200")
SKIPPED = {"SAAS": LARGE, "HMC": LARGE, "SGHMC": LARGE, "PFN": LARGE}
SKIPPED["NNGP, uneven"] = tuple(name for name in PROBLEMS if name != "hartmann6")
FIELDS = ["problem", "surrogate", "seed", "evaluation", "value", "seconds"]
RESAMPLES, LEVEL = 2000, 0.9
HERE = Path(__file__).parent


def run(name: str, surrogate: str, seed: int, trials: int) -> list[dict]:
    """Return a line for each evaluation of one run."""
    fn, lines, begun = problem(name), [], time.process_time()

    def noted(point):
        value = fn(point)
        seconds = round(time.process_time() - begun, 3)
        lines.append((name, surrogate, seed, len(lines), value, seconds))
        return value

    pfnbo.optimize(
        noted,
        fn.space,
        n_trials=trials,
        n_initial=trials if surrogate == RANDOM else START,
        batch_size=BATCH,
        seed=seed,
        surrogate=SURROGATES[surrogate],
    )
    return [dict(zip(FIELDS, line, strict=True)) for line in lines]


def missing(args, results: list[dict]) -> Iterator[tuple[str, str, int]]:
    """Yield the runs that are asked for and not there yet."""
    done = {(x["problem"], x["surrogate"], int(x["seed"])) for x in results}
    for name, surrogate in itertools.product(args.problems, args.surrogates):
        if name not in SKIPPED.get(surrogate, ()):
            for seed in args.seeds:
                if (name, surrogate, seed) not in done:
                    yield name, surrogate, seed


def best(results: list[dict], name: str) -> dict[str, np.ndarray]:
    """Return the best values so far of each surrogate on a problem, (seeds, trials)."""
    curves: dict[str, dict[int, list[float]]] = {}
    for line in results:
        if line["problem"] == name:
            own = curves.setdefault(line["surrogate"], {})
            own.setdefault(int(line["seed"]), []).append(float(line["value"]))
    return {
        surrogate: np.minimum.accumulate([own[seed] for seed in sorted(own)], 1)
        for surrogate, own in curves.items()
    }


def scores(results: list[dict], name: str) -> dict[str, tuple[float, float, float]]:
    """Return each surrogate's score on a problem and the ends of its interval."""
    ends = {s: curve[:, -1] for s, curve in best(results, name).items()}
    means = {s: end.mean() for s, end in ends.items()}
    low, high = min(means.values()), max(means.values())
    random, tail = np.random.default_rng(0), (1 - LEVEL) / 2

    def one(end: np.ndarray) -> tuple[float, float, float]:
        drawn = random.choice(end, (RESAMPLES, len(end))).mean(1)
        around = np.quantile(drawn, [1 - tail, tail])
        score, *interval = (high - np.append(end.mean(), around)) / (high - low or 1)
        return score, *interval

    return {surrogate: one(end) for surrogate, end in ends.items()}


def show(results: list[dict]) -> None:
    """Print the best values and the scores of every problem, and mean scores."""
    names = [n for n in PROBLEMS if any(x["problem"] == n for x in results)]
    scored = {name: scores(results, name) for name in names}
    ends = {name: best(results, name) for name in names}
    print(f"\n| surrogate | {' | '.join(names)} | mean score | CPU s a point |")
    print("|---" * (len(names) + 3) + "|")
    for surrogate in SURROGATES:
        own = [name for name in names if surrogate in scored[name]]
        if own:
            cells = [_cell(scored[n], ends[n], surrogate) for n in names]
            mean = np.mean([scored[name][surrogate][0] for name in own])
            told = f"{mean:.2f} of {len(own)} | {_pace(results, surrogate):.2f}"
            print(f"| {surrogate} | {' | '.join(cells)} | {told} |")


def _cell(scored, ends, surrogate: str) -> str:
    if surrogate not in scored:
        return ""
    score, low, high = scored[surrogate]
    return (
        f"{np.median(ends[surrogate][:, -1]):.4g}: {score:.2f} [{low:.2f}, {high:.2f}]"
    )


def _pace(results: list[dict], surrogate: str) -> float:
    """Return CPU seconds of a point, all of a run and its compilation counted."""
    lasts = {}
    for line in results:
        if line["surrogate"] == surrogate:
            lasts[line["problem"], line["seed"]] = float(line["seconds"])
    return float(np.mean([*lasts.values()])) / (TRIALS - START)


def draw(results: list[dict], path: Path) -> None:
    """Draw the mean of the best values so far where more than chance has searched."""
    import matplotlib.pyplot as plt

    searched = {x["problem"] for x in results if x["surrogate"] != RANDOM}
    names = [n for n in PROBLEMS if n in searched]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.2 * columns + 1, 3.4 * rows + 0.6),
        squeeze=False,
        layout="constrained",
    )
    colours = plt.get_cmap("tab20").colors
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax, name in zip(axes.flat, names, strict=False):
        curves = best(results, name)
        for i, surrogate in enumerate(SURROGATES):
            if surrogate in curves:
                curve = curves[surrogate]
                at = np.arange(1, curve.shape[1] + 1)
                style = dict(color=colours[i], label=surrogate, lw=1.3)
                ax.plot(at, np.mean(curve, 0), **style)
        ax.axvline(START + 0.5, color="0.8", lw=0.8)
        means = [np.mean(curve, 0) for curve in curves.values()]
        low = min(float(mean[-1]) for mean in means)
        start = max(float(mean[START - 1]) for mean in means)
        ax.set_ylim(low - 0.05 * (start - low), start + 0.05 * (start - low))
        ax.set_title(name, fontsize=10)
        ax.set_xlim(START - 1, TRIALS)
    axes[-1, 0].set_xlabel("evaluations")
    axes[-1, 0].set_ylabel("best value, mean over seeds")
    handles, labels = max(
        (ax.get_legend_handles_labels() for ax in axes.flat), key=lambda h: len(h[1])
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=[*PROBLEMS])
    parser.add_argument(
        "--surrogates", nargs="+", choices=SURROGATES, default=[*SURROGATES]
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--results", type=Path, help="a CSV file to append to")
    parser.add_argument("--figure", type=Path, help="a picture to draw")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "R-hat|.*diverged")
    results = []
    if args.results and args.results.exists():
        with args.results.open(newline="") as file:
            results = list(csv.DictReader(file))
    for name, surrogate, seed in missing(args, results):
        lines = run(name, surrogate, seed, args.trials)
        jax.clear_caches()  # a process may hold only so many compiled programs
        results += lines
        end = min(line["value"] for line in lines)
        print(f"{name}, {surrogate}, {seed}: {end:.4g}, {lines[-1]['seconds']} s")
        if args.results:
            fresh = not args.results.exists()
            with args.results.open("a", newline="") as file:
                writer = csv.DictWriter(file, FIELDS)
                if fresh:
                    writer.writeheader()
                writer.writerows(lines)
    show(results)
    if args.figure:
        draw(results, args.figure)


if __name__ == "__main__":
    main()
