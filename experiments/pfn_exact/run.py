"""Prints how far a network is from the exact posterior of the prior it was trained on.

    python experiments/pfn_exact/run.py

The prior is `gp_fixed`, one known Gaussian process, so that the exact predictive is
known. Each cell is the mean over tasks and queries of the cross-entropy less that of
the exact predictive, in nats: the Kullback-Leibler divergence. The last lines say how
often observations fall below quantiles of the predictive, and how far predictions move
where the rows of a context change their order. Takes about a minute.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import checkpoint
from pfnbo.pfn.loss import excess, predictive
from pfnbo.pfn.models import configured
from pfnbo.pfn.network import put_together, structure
from pfnbo.recipe import load_recipe
from pfnbo.tasks.task import Task, draw

GROUPS, GROUP = 64, 16
ROWS = ((1, 4), (5, 16), (17, 63), (64, 64))
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="gp_fixed")
    parser.add_argument("--tasks", type=int, default=8192, help="in multiples of 1024")
    parser.add_argument("--seed", type=int, default=10_000)
    args = parser.parse_args()
    recipe = load_recipe("gp_fixed")
    loaded = checkpoint.load(args.checkpoint)
    network = put_together(structure(configured(loaded.config["model"])), loaded.params)

    @jax.jit
    def judged(key):
        """Return columns, rows, gaps, shares below quantiles and moves of tasks."""
        tasks = draw(key, recipe.prior, recipe.sizes, GROUPS * GROUP, GROUPS)
        found = jax.lax.map(lambda t: judge(network, t), tasks, batch_size=GROUP)
        return jnp.sum(tasks.columns, 1), jnp.sum(tasks.seen, 1), *found

    keys = jax.random.split(jax.random.key(args.seed), args.tasks // (GROUPS * GROUP))
    parts = zip(*[jax.device_get(judged(key)) for key in keys], strict=True)
    columns, rows, gap, below, move = (np.concatenate(a) for a in parts)
    widths = np.unique(columns)
    print(f"| rows | {' | '.join(f'{d} columns' for d in widths)} | all |")
    print(f"|---|{'---|' * (len(widths) + 1)}")
    for low, high in (*ROWS, (1, 64)):
        there = (low <= rows) & (rows <= high)
        cells = [gap[there & (columns == d)].mean() for d in widths]
        told = " | ".join(f"{cell:.4f}" for cell in (*cells, gap[there].mean()))
        print(f"| {low}-{high} | {told} |")
    pairs = zip(below.mean(0), LEVELS, strict=True)
    shares = ", ".join(f"{share:.3f} of {level}" for share, level in pairs)
    print(f"\nshares of observations below a quantile: {shares}")
    print(f"largest move of a mean by another order of rows: {move.max():.1e}")


def judge(network, task: Task) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return gap, shares below quantiles, and how far the order of rows moves means."""
    n = task.seen.shape[0]
    at = predictive(network, task)
    gap = jnp.mean(excess(at.log_prob, task))
    y = task.y[n:]
    below = jnp.mean(at.cdf(y)[:, None] < jnp.asarray(LEVELS), 0)
    turned = jax.tree.map(
        lambda a: jnp.concatenate([a[:n][::-1], a[n:]]), (task.x, task.y)
    )
    other = Task(
        *turned, task.seen[::-1], task.columns, task.mean, task.sd, task.family
    )
    move = jnp.max(jnp.abs(predictive(network, other).mean - at.mean))
    return gap, below, move


if __name__ == "__main__":
    main()
