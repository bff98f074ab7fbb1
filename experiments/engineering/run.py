"""Compares optimisers on engineering problems, resumable.

    python experiments/engineering/run.py --python botorch_logei=PATH optuna_gp=PATH
    python experiments/engineering/run.py --set mixed

It is `pfnbo bench`, called for a few problems at a time, so that wherever it is stopped
all methods have run on the same ones: the corrected PFN4sBO set, or the mixed set, or
two simulators. What it does not know goes on to `pfnbo bench`. `table.py` prints what
is claimed, and the page is made by

    pfnbo report experiments/engineering/pfn4sbo.jsonl -o report.html
"""

import argparse
import sys
from pathlib import Path

from pfnbo.cli import main

# Without a model a suggestion takes next to nothing, so that these run at once.
QUICK = ("random", "sobol", "cma", "optuna_tpe", "nevergrad", "pymoo", "scipy_de")
MODELS = ("pfnbo", "optuna_gp", "botorch_logei", "smac")
TRIALS = {"pfn4sbo": "120", "mixed": "50", "simulated": "120"}
# Those of as many columns and constraints together, which share compiled programs.
BLOCKS = {
    "pfn4sbo": (
        ("gkxwc1", "gkxwc2", "jlh1", "jlh2", "three_bar_truss", "ackley_constrained2"),
        ("spring", "concrete_beam_cont", "pressure_vessel_cont", "welded_beam_deb"),
        ("ackley_constrained6", "heat_exchanger", "speed_reducer_cont"),
        ("ackley_constrained10", "stepped_cantilever", "car_side_impact_cont"),
        ("keane18",),
    ),
    "mixed": (
        ("gear_train", "coil_spring_mixed", "concrete_beam_mixed", "pressure_vessel"),
        ("disk_clutch", "process_synthesis7", "speed_reducer"),
        ("batch_plant", "car_side_impact", "stepped_cantilever_mixed"),
    ),
    "simulated": (("rankine_cycle", "airfoil"),),
}
HERE = Path(__file__).parent


def run(argv: list[str]) -> int:
    """Do what is missing and return 1 when a run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=BLOCKS, default="pfn4sbo")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", nargs="*", default=QUICK)
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--python", nargs="+", default=[])
    args, rest = parser.parse_known_args(argv)
    blocks = BLOCKS[args.set]
    every = [name for block in blocks for name in block]
    turns = [(args.quick, every), *((args.models, block) for block in blocks)]
    failed = 0
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for methods, problems in turns:
            if methods:
                chosen = ["--problems", *problems, "--methods", *methods]
                sizes = ["--seeds", "1", "--first-seed", str(seed)]
                sizes += ["--initial", "20", "--trials", TRIALS[args.set]]
                own = [p for p in args.python if p.partition("=")[0] in methods]
                own = ["--python", *own] if own else []
                file = str(HERE / f"{args.set}.jsonl")
                failed |= main(["bench", file, *chosen, *sizes, *own, *rest])
    return failed


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
