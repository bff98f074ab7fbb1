"""Prints what is saved by scoring against the exact predictive, not the value drawn.

    python experiments/pfn_targets/run.py

Where a prior knows the exact predictive of a query, the loss of a network can be
averaged over it (`Schedule(targets="exact")`) instead of scoring the one value that was
drawn (`"drawn"`): a Rao-Blackwell average, with the same optimum. A small row-token
network is trained both ways on the tasks of `gp_fixed` with up to 16 rows of two
columns, from the same start and with the same keys. "gap" is the mean cross-entropy
over that of the exact predictive on 512 new tasks, in nats. "noise" is the trace of
the covariance of the gradient of a group of tasks, from 128 groups, at the parameters
of the training with exact targets. Both gradients have the same mean, so that the ratio
is how many times more tasks the drawn values need for a step of equal precision. Takes
two minutes a seed.
"""

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import enable_compilation_cache
from pfnbo.pfn import row_token
from pfnbo.pfn.loss import loss
from pfnbo.pfn.network import put_together
from pfnbo.pretrain import Training
from pfnbo.recipe import Recipe, load_recipe
from pfnbo.schedule import CHOICES, Stage
from pfnbo.tasks.task import Sizes, draw, draw_group

SIZES = Sizes(16, 16, 2)
STAGE = Stage(SIZES, groups=4, group=8)
TESTED, GROUPS = 512, 128  # tasks of the gap, groups of the noise
MARKS = (200, 400, 800)  # steps after which it is measured


def recipe(targets: str) -> Recipe:
    """Return the recipe of a small network, with the loss of this kind."""
    fixed = load_recipe("gp_fixed")
    schedule = replace(
        fixed.schedule, stages=(STAGE,), steps=MARKS[-1], targets=targets, average=0.98
    )
    model = row_token.Config(width=32, layers=3, components=1)
    return replace(fixed, sizes=SIZES, model=model, schedule=schedule)


@partial(jax.jit, static_argnames=("graph", "prior"))
def gap(params, key, graph, prior) -> jax.Array:
    """Return the mean loss of a network over that of the exact predictive."""
    network = put_together(graph, params)
    tasks = draw(key, prior, SIZES, TESTED, TESTED // STAGE.group)
    return jnp.mean(jax.lax.map(lambda t: loss(network, t), tasks, batch_size=32))


@partial(jax.jit, static_argnames=("graph", "prior", "exact"))
def noise(params, key, graph, prior, exact: bool) -> jax.Array:
    """Return the trace of the covariance of the gradient of a group of tasks."""

    def gradient(key):
        tasks = draw_group(key, prior, SIZES, STAGE.group)

        def mean_loss(params):
            network = put_together(graph, params)
            return jnp.mean(jax.vmap(lambda t: loss(network, t, exact=exact))(tasks))

        return jax.grad(mean_loss)(params)

    each = jax.lax.map(gradient, jax.random.split(key, GROUPS))
    flat = jnp.concatenate([a.reshape(GROUPS, -1) for a in jax.tree.leaves(each)], 1)
    return jnp.sum(jnp.var(flat, 0, ddof=1))


def trained(targets: str, seed: int) -> list[tuple[float, float, float]]:
    """Return the gap and the noise with exact and with drawn targets at each mark."""
    found, test = [], jax.random.key(10_000)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(recipe(targets), Path(folder), seed)
        graph, prior = training.program.graph, training.program.prior
        while training.done < training.total:
            training.one()
            if training.done in MARKS:
                now = training.state.params
                noises = [noise(now, test, graph, prior, e) for e in (True, False)]
                average = gap(training.state.average, test, graph, prior)
                found.append(tuple(map(float, (average, *noises))))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    enable_compilation_cache()
    found = {
        kind: np.array([trained(kind, seed) for seed in range(args.seeds)])
        for kind in CHOICES["targets"]
    }
    print("| steps | gap, exact targets | gap, drawn | noise, exact | drawn | ratio |")
    print("|---|---|---|---|---|---|")
    exact, drawn = (found[kind].mean(0) for kind in ("exact", "drawn"))
    for i, steps in enumerate(MARKS):
        quiet, loud = exact[i, 1:]
        gaps = f"{exact[i, 0]:.4f} | {drawn[i, 0]:.4f}"
        print(f"| {steps} | {gaps} | {quiet:.3g} | {loud:.3g} | {loud / quiet:.1f} |")


if __name__ == "__main__":
    main()
