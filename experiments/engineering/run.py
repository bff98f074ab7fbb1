"""Compares optimisers on ten engineering designs, resumable.

    python experiments/engineering/run.py --workers 2

It is `pfnbo bench` with the arguments below; those on the command line come after them
and win, so that `--methods pfnbo` adds another method. The page is made by

    pfnbo report experiments/engineering/results.jsonl -o report.html
"""

import sys
from pathlib import Path

from pfnbo.cli import main

PROBLEMS = (
    "car_side_impact",
    "coil_spring_mixed",
    "concrete_beam_mixed",
    "disk_clutch",
    "gear_train",
    "pressure_vessel",
    "speed_reducer",
    "spring",
    "stepped_cantilever_mixed",
    "welded_beam",
)
METHODS = (
    "sobol",
    "random",
    "scipy_de",
    "cma",
    "nevergrad",
    "pymoo",
    "optuna_tpe",
)
RESULTS = Path(__file__).with_name("results.jsonl")

if __name__ == "__main__":
    chosen = ["--problems", *PROBLEMS, "--methods", *METHODS, "--seeds", "3"]
    sys.exit(main(["bench", str(RESULTS), *chosen, *sys.argv[1:]]))
