"""Looks for the fittest of 149,361 variants of protein GB1 in 300 evaluations.

    python experiments/gb1/run.py --seeds 10

The fitness is 1 for the wild type and 8.762 for the best. Each run begins with 50
random variants that were measured and asks for 250 more in batches of 5. The 10,639
combinations that were not measured count as evaluations of fitness 0. The share is that
of an enumeration whose evaluations of the acquisition the games need for one point.
Data: Wu et al. 2016, eLife 16965; see `pfnbo/problems/data`.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import pfnbo
from pfnbo.maximize import game
from pfnbo.problems import Problem, tables

# A warp moves no column that is 0 or 1; few steps, as 300 rows make each one slow.
MODEL = pfnbo.GP(additive=False, warp=False, steps=20)
INITIAL, BATCH = 50, 5


def counted(play: Callable, scored: list[int]) -> Callable:
    """Return the search for equilibria that also notes its evaluations."""

    def play_and_count(*args):
        ends = play(*args)
        scored.append(int(ends.scored))
        return ends

    return play_and_count


def run(
    problem: Problem, measured: np.ndarray, seed: int, batches: int, acquisition: str
) -> list:
    """Return the best fitness after the start and after each batch."""
    study = pfnbo.Optimizer(
        problem.space,
        seed=seed,
        n_initial=INITIAL,
        surrogate=MODEL,
        acquisition=acquisition,
    )
    for x in np.random.default_rng(seed).choice(measured, INITIAL, replace=False):
        study.tell(problem.point(x), problem(x))
    best = [-study.result().fun]
    for _ in range(batches):
        for point in study.ask(BATCH):
            study.tell(point, problem(point))
        best.append(-study.result().fun)
    return best


def main() -> None:
    """Print a row for each run, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", help="another table, gzip-ed CSV")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--acquisition", default="auto")
    args = parser.parse_args()
    problem, scored, ends = tables.gb1(args.table), [], []
    measured = np.argwhere(np.isfinite(tables.gb1_fitness(args.table)))
    game.equilibria = counted(game.equilibria, scored)
    print("| seed | start | after 10 batches | after 20 | at the end | share | s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for seed in range(args.first, args.first + args.seeds):
        begin, before = time.perf_counter(), len(scored)
        best = run(problem, measured, seed, args.batches, args.acquisition)
        share = np.mean(scored[before:]) / len(measured)
        seconds = time.perf_counter() - begin
        values = [best[0], *(best[min(i, args.batches)] for i in (10, 20)), best[-1]]
        told = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {seed} | {told} | {share:.1%} | {seconds:.0f} |", flush=True)
        ends.append(values)
    told = " | ".join(f"{value:.2f}" for value in np.mean(ends, axis=0))
    print(f"| mean | {told} | {np.mean(scored) / len(measured):.1%} | |")


if __name__ == "__main__":
    main()
