"""Looks for the fittest of 149,361 variants of protein GB1 in 300 evaluations.

    python experiments/gb1/run.py --seeds 10

The fitness is 1 for the wild type and 8.762 for the best. Each run begins with 50
random variants that were measured and asks for 250 more in batches of 5. The 10,639
combinations that were not measured count as evaluations of fitness 0. The share is that
of an enumeration whose evaluations of the acquisition the games need for one point.
Every batch adds a line to `results.csv`; the same command skips the seeds that are
there in full. Data: Wu et al. 2016, eLife 16965; see `pfnbo/problems/data`.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import pfnbo
from pfnbo.compilation import enable_compilation_cache
from pfnbo.maximize import game
from pfnbo.problems import tables

INITIAL, BATCH = 50, 5
STEPS = (0, 10, 20, 30, 50)  # batches after which the best is told
HEAD = ("acquisition", "seed", "batch", "best", "scored", "cpu")


def counted(play: Callable, scored: list[int]) -> Callable:
    """Return the search for equilibria that also notes its evaluations."""

    def play_and_count(*args):
        ends = play(*args)
        scored.append(int(ends.scored))
        return ends

    return play_and_count


def run(seed: int, batches: int, acquisition: str) -> Iterator[tuple[float, float]]:
    """Yield the best fitness and the CPU seconds, at the start and after each batch."""
    problem = tables.gb1()
    measured = np.argwhere(np.isfinite(tables.gb1_fitness()))
    study = pfnbo.Optimizer(
        problem.space, seed=seed, n_initial=INITIAL, acquisition=acquisition
    )
    for x in np.random.default_rng(seed).choice(measured, INITIAL, replace=False):
        study.tell(problem.point(x), problem(x))
    yield -study.result().fun, 0.0
    for _ in range(batches):
        begin = time.process_time()
        for point in study.ask(BATCH):
            study.tell(point, problem(point))
        yield -study.result().fun, time.process_time() - begin


def read(path: Path) -> dict[tuple[str, int], list[list[float]]]:
    """Return batch, best, evaluations a point and CPU seconds of all lines, by run."""
    found = defaultdict(list)
    if path.exists():
        with open(path, newline="") as file:
            for line in csv.DictReader(file):
                values = [float(line[name]) for name in HEAD[2:]]
                # A run that was stopped is begun again.
                key = line["acquisition"], int(line["seed"])
                found[key] = found[key] * (values[0] > 0) + [values]
    return found


def write(path: Path, seeds: list[int], batches: int, acquisition: str) -> None:
    """Append the runs that are missing."""
    scored: list[int] = []
    game.equilibria = counted(game.equilibria, scored)
    with open(path, "a", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            lines.writerow(HEAD)
        for seed in seeds:
            for batch, (best, cpu) in enumerate(run(seed, batches, acquisition)):
                mean = np.mean(scored[-BATCH:]) if batch else 0
                line = acquisition, seed, batch, f"{best:.6g}", f"{mean:.0f}"
                lines.writerow((*line, f"{cpu:.2f}"))
                file.flush()


def table(path: Path, batches: int) -> Iterator[str]:
    """Yield a row for each run that is there in full, and the means."""
    steps = [step for step in STEPS if step < batches] + [batches]
    total = int(np.isfinite(tables.gb1_fitness()).sum())
    head = " | ".join(f"after {INITIAL + BATCH * n}" for n in steps)
    yield f"| acquisition | seed | {head} | share | CPU s |"
    yield "|---|---|" + "---|" * (len(steps) + 2)
    rows = defaultdict(list)
    for (acquisition, seed), lines in sorted(read(path).items()):
        if len(lines) > batches:
            _, best, scored, cpu = np.transpose(lines[: batches + 1])
            row = [*best[steps], scored[1:].mean() / total, cpu.sum()]
            rows[acquisition].append(row)
            yield _line(acquisition, seed, row)
    for acquisition, each in rows.items():
        yield _line(acquisition, f"mean of {len(each)}", np.mean(each, axis=0))


def _line(acquisition: str, seed: object, row) -> str:
    *best, share, cpu = row
    told = " | ".join(f"{value:.2f}" for value in best)
    return f"| {acquisition} | {seed} | {told} | {share:.1%} | {cpu:.0f} |"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--acquisition", default="auto")
    here = Path(__file__).with_name("results.csv")
    parser.add_argument("--results", type=Path, default=here)
    args = parser.parse_args()
    enable_compilation_cache()
    done = read(args.results)
    seeds = [
        seed
        for seed in range(args.first, args.first + args.seeds)
        if len(done.get((args.acquisition, seed), ())) <= args.batches
    ]
    write(args.results, seeds, args.batches, args.acquisition)
    print("\n".join(table(args.results, args.batches)))


if __name__ == "__main__":
    main()
