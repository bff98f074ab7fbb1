"""Runs optimisers on benchmark problems, resumable, one line of JSON per run.

    python experiments/compare/run.py experiments/compare/results.jsonl \
        --set constrained --methods pfnbo optuna_gp --seeds 10 --trials 50

It is `pfnbo bench` with the two sets of problems that `table.py` prints. One run of 50
evaluations takes from under a second (sobol, cma) to minutes (ax).
"""

import argparse
import sys

from pfnbo.cli import main

SETS = {
    "constrained": (
        "welded_beam",
        "welded_beam_deb",
        "pressure_vessel",
        "pressure_vessel_cont",
        "speed_reducer",
        "speed_reducer_cec",
        "spring",
    ),
    "unconstrained": (
        "branin",
        "hartmann6",
        "ackley5",
        "rosenbrock4",
        "levy6",
        "griewank6",
        "styblinski_tang5",
        "michalewicz5",
    ),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="All other arguments are those of `pfnbo bench`.",
    )
    parser.add_argument("results", help="file of the results")
    parser.add_argument("--set", choices=sorted(SETS), default="constrained")
    args, others = parser.parse_known_args()
    sys.exit(main(["bench", args.results, "--problems", *SETS[args.set], *others]))
