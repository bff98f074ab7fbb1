"""Prints how fast training steps are, and what share of them draws tasks.

    python experiments/pretraining/run.py

For the largest table size of each recipe: tasks per second of whole steps and of the
sampler alone, the share of a step that the sampler takes, and the floating-point
operations per second that XLA counts in a step, as a share of those of a large float32
matrix product in the same process; inner loops, as the refinements of a kernel head,
count for one turn. On all cores that JAX is given. Takes some minutes, most of them
compilation.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.pretrain import Training
from pfnbo.recipe import Recipe, load_recipe
from pfnbo.tasks.task import draw

SECONDS = 10.0  # of each measurement, at least
SIZE = 1024  # of the matrices of the ceiling


def rate(call: Callable[[], Any]) -> float:
    """Return the calls per second of a compiled function."""
    jax.block_until_ready(call())
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        jax.block_until_ready(call())
        calls += 1
    return calls / (time.perf_counter() - start)


def ceiling() -> float:
    """Return the operations per second of a large float32 matrix product."""
    a = jnp.ones((SIZE, SIZE), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    return 2 * SIZE**3 * rate(lambda: product(a))


def measured(recipe: Recipe, best: float) -> tuple[float, float, float]:
    """Return tasks per second of steps and of the sampler, and share of the ceiling."""
    stage = recipe.schedule.stages[-1]
    count = stage.groups * stage.group
    with jax.enable_x64(recipe.schedule.double), tempfile.TemporaryDirectory() as f:
        training = Training(recipe, Path(f))
        key, zero = training.key(0), np.float32(0)
        drawn = jax.jit(
            lambda key: draw(key, recipe.prior, stage.sizes, count, stage.groups)
        )
        program = jax.jit(training.program.step, static_argnums=0)
        step = program.lower(stage, training.state, key, zero).compile()
        steps = rate(lambda: step(training.state, key, zero))
        draws = rate(lambda: drawn(key))
    # XLA counts the body of the loop over the groups once.
    operations = step.cost_analysis()["flops"] * stage.groups * steps
    return steps * count, draws * count, operations / best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=["gp_fixed", "engineering"])
    args = parser.parse_args()
    best = ceiling()
    print("| recipe | tasks/s | sampler alone, tasks/s | its share | of the ceiling |")
    print("|---|---|---|---|---|")
    for name in args.recipes:
        steps, draws, share = measured(load_recipe(name), best)
        told = f"{steps:.0f} | {draws:.0f} | {steps / draws:.0%} | {share:.0%}"
        print(f"| {name} | {told} |", flush=True)


if __name__ == "__main__":
    main()
