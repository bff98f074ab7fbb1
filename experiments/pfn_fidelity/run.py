"""Prints losses and coverage of networks, next to Gaussian processes.

    python experiments/pfn_fidelity/run.py --tasks 200
    python experiments/pfn_fidelity/run.py --tasks 24 --nuts 200

`pfnbo eval` with more models: networks, the last of them also without the fit
of a Gaussian process among its particles; Gaussian processes with and without input
warps; and a fully Bayesian one. What a loss is, `pfnbo.evaluate.scores` tells. Takes
about ten minutes, most of them compilation; NUTS takes some seconds for each task.
"""

import argparse
from typing import Any

from pfnbo.evaluate import coverage, scores, table
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.surrogates.saas import NUTS, FullyBayesianGP


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", default=["anchored", "engineering"])
    parser.add_argument("--recipe", default="engineering")
    parser.add_argument("--tasks", type=int, default=200, help="for each size")
    parser.add_argument("--nuts", type=int, metavar="STEPS", help="and as many draws")
    args = parser.parse_args()
    models: dict[str, Any] = {name: PFN(name) for name in args.checkpoints}
    last = args.checkpoints[-1]
    models[f"{last}, no GP"] = PFN(last, gp=None)
    models |= {"GP": GP(), "plain GP": GP(warp=False)}
    if args.nuts:
        chains = NUTS(warmup=args.nuts, draws=args.nuts // 2, kept=32)
        models["NUTS"] = FullyBayesianGP(nuts=chains)
    found = scores(load_recipe(args.recipe), models, args.tasks, seed=10_000)
    for lines in (table(found, list(models)), coverage(found, list(models))):
        lines.insert(1, ["---"] * len(lines[0]))
        print("\n".join(f"| {' | '.join(line)} |" for line in lines), end="\n\n")


if __name__ == "__main__":
    main()
