"""Prints losses and calibration of networks, next to Gaussian processes.

    python experiments/pfn_fidelity/run.py --tasks 200
    python experiments/pfn_fidelity/run.py --tasks 24 --nuts 200

`pfnbo eval` with more models: networks, the last of them also without the fit
of a Gaussian process among its particles; Gaussian processes with and without input
warps; and a fully Bayesian one. What a loss is, `pfnbo.evaluate.scores` tells. Takes
about ten minutes, most of them compilation; NUTS takes some seconds for each task.
`--keep` names a folder for what each model did, from which a run goes on that stopped;
of a checkpoint or a recipe that has changed since, delete it.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from pfnbo import evaluate
from pfnbo.compilation import enable_compilation_cache
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.surrogates.saas import NUTS, FullyBayesianGP
from pfnbo.tasks.task import Task

SEED = 10_000
Judged = tuple[np.ndarray, np.ndarray]


def chosen(args: argparse.Namespace) -> dict[str, Any]:
    """Return the models to compare, by name."""
    models: dict[str, Any] = {name: PFN(name) for name in args.checkpoints}
    last = args.checkpoints[-1]
    models[f"{last}, no GP"] = PFN(last, gp=None)
    models |= {"GP": GP(), "plain GP": GP(warp=False)}
    if args.nuts:
        chains = NUTS(warmup=args.nuts, draws=args.nuts // 2, kept=32)
        models["NUTS"] = FullyBayesianGP(nuts=chains)
    return models


class Keep:
    """Judges models as `pfnbo.evaluate.judge` does, unless a file tells already."""

    def __init__(self, folder: Path, names: dict[Any, str]):
        """Keep files in a folder, for models of these names."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.names = folder, names

    def __call__(self, model: Any, batch: Task) -> Judged:
        """Return losses and places of the tasks."""
        shape = f"{batch.seen.shape[1]}-{len(batch.y)}"
        path = self.folder / f"{self.names[model].replace('/', '_')} {shape}.npz"
        if not path.exists():
            loss, place = evaluate.judge(model, batch)
            np.savez(path, loss=loss, place=place)
        kept = np.load(path)
        return kept["loss"], kept["place"]


def families(found: evaluate.Scores, models: list[str]) -> list[list[str]]:
    """Return the mean losses by family over all numbers of rows, headed, as words."""
    lines = [["family", "tasks", *models]]
    for name in sorted(set(found.family)):
        own = found.family == name
        means = [f"{v:.2f}" for v in found.loss[own].mean(0)]
        lines.append([name, str(own.sum()), *means])
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", default=["anchored", "engineering"])
    parser.add_argument("--recipe", default="engineering")
    parser.add_argument("--tasks", type=int, default=200, help="for each size")
    parser.add_argument("--nuts", type=int, metavar="STEPS", help="and as many draws")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="to go on from")
    args = parser.parse_args()
    enable_compilation_cache()
    models = chosen(args)
    judge = evaluate.judge
    if args.keep:
        judge = Keep(args.keep, {model: name for name, model in models.items()})
    recipe = load_recipe(args.recipe)
    found = evaluate.scores(recipe, models, args.tasks, SEED, judge)
    tables = evaluate.table, families, evaluate.coverage, evaluate.calibration
    for told in tables:
        lines = told(found, list(models))
        lines.insert(1, ["---"] * len(lines[0]))
        print("\n".join(f"| {' | '.join(line)} |" for line in lines), end="\n\n")


if __name__ == "__main__":
    main()
