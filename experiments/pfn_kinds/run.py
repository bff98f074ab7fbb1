"""Prints what kinds of networks learn from one prior in equal CPU time.

    python experiments/pfn_kinds/run.py --seconds 900
    python experiments/pfn_kinds/run.py --recipe gp_fixed --kinds normals bars

Each kind is trained by the schedule of the recipe, whose progress is the share of the
CPU time that is used, compilation left out; "anchored" starts from the kernel head of
the checkpoint `engineering`, whose own training is not counted. Then the averaged
parameters are scored on new tasks, the same for all: "loss" is that of the training,
with the standard error over groups of tasks of one family; groups whose loss or
gradient is not finite are left out, as they are in training. "normals" and "bars" are
row-token networks that predict mixtures of normals, and 1,000 bars of fixed borders.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from pfnbo.compilation import enable_compilation_cache
from pfnbo.pfn import anchored, kernel_head, row_token
from pfnbo.pfn.models import Config
from pfnbo.pretrain import Training
from pfnbo.recipe import Recipe, load_recipe

TESTED = 32  # steps' worth of new tasks
FIRST = 10**6  # number of their keys, beyond those of any training


def kinds(recipe: Recipe) -> dict[str, tuple[Config, str | None]]:
    """Return networks by name, and the checkpoints that they start from."""
    row = recipe.model
    if not isinstance(row, row_token.Config):
        row = row_token.Config()
    return {
        "kernel head": (kernel_head.Config(), None),
        "normals": (row, None),
        "bars": (replace(row, components=0), None),
        "anchored": (anchored.Config(), "engineering"),
    }


def trained(recipe: Recipe, start: str | None, seconds: float) -> list[str]:
    """Return the cells of a network that is trained for so many CPU seconds."""
    schedule = recipe.schedule
    with jax.enable_x64(schedule.double), tempfile.TemporaryDirectory() as folder:
        training = Training(recipe, Path(folder), start=start)
        for stage in schedule.stages:  # compiles
            jax.block_until_ready(training.step(stage, training.key(0), 0.0))
        used, begin, tasks = 0.0, time.process_time(), 0
        while used < seconds:
            stage = training.stage(training.done)
            key = training.key(training.done)
            state, _ = training.step(stage, key, schedule.rate(used / seconds))
            training.state = jax.block_until_ready(state)
            training.done += 1
            tasks += stage.groups * stage.group
            used = time.process_time() - begin
        training.state = training.state._replace(params=training.state.average)
        reports = []
        for number in range(FIRST, FIRST + TESTED):
            stage = training.stage(number)
            reports.append(training.step(stage, training.key(number), 0.0)[1])
    count = sum(a.size for a in jax.tree.leaves(training.state.params))
    fine = np.concatenate([report.finite for report in reports])
    found = np.concatenate([report.loss for report in reports])[fine]
    error = found.std(ddof=1) / len(found) ** 0.5
    told = f"{found.mean():.3f} ± {error:.3f}"
    return [f"{count:,}", f"{tasks:,}", told, str(np.sum(~fine))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="engineering")
    parser.add_argument("--kinds", nargs="+", help="of those that the table has")
    parser.add_argument("--seconds", type=float, default=900, help="of CPU, for each")
    args = parser.parse_args()
    enable_compilation_cache()
    recipe = load_recipe(args.recipe)
    models = kinds(recipe)
    print("| network | parameters | tasks | loss | left out |")
    print("|---|---|---|---|---|")
    for name in args.kinds or models:
        model, start = models[name]
        cells = trained(replace(recipe, model=model), start, args.seconds)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
