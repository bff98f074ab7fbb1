"""Prints how near any model can come to known hyper-parameters on the flagship's GPs.

    python experiments/pfn_floor/run.py

A loss is the cross-entropy of a predictive over that of the Gaussian process that drew
the task, hyper-parameters known. No model that has to infer them can be at 0: the best
possible one averages over their posterior under the prior they were drawn from. Here
that average is taken by importance sampling: many draws of the prior, each weighted by
its marginal likelihood of the rows seen. `draws` that count (the inverse of the sum of
the squared weights) are told too: where they are few, the figure is above the true one.
The models of the package are scored on the same tasks. Takes about half an hour.
"""

import argparse
import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from pfnbo.data import bucket
from pfnbo.evaluate import WORST, judge
from pfnbo.pfn.loss import excess, standardized
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.tasks.gp import Exact, jitter
from pfnbo.tasks.task import Sizes, Task, draw

ROWS, COLUMNS, QUERIES = (5, 20), (2, 5, 10), 16
CHUNK = 128


def one_draw(prior: Exact, task: Task, key: Array) -> tuple[Array, Array, Array]:
    """Return the log evidence of a draw, and its mean and sd of new observations."""
    n = task.seen.shape[0]
    to_choice, to_covariance, to_noise = jax.random.split(key, 3)
    covariance = prior.gp.covariance(to_choice, to_covariance, task.columns)
    noise = prior.noise(to_noise, covariance.variance)
    root = covariance.root(task.x[:n], noise, task.seen)
    white = solve_triangular(root, task.y[:n], lower=True)
    across = solve_triangular(root, covariance(task.x[:n], task.x[n:]), lower=True)
    evidence = -0.5 * white @ white - jnp.sum(jnp.log(jnp.diagonal(root)))
    nugget = noise + jitter() * covariance.variance
    var = covariance.variance + nugget - jnp.sum(across**2, 0)
    return evidence, white @ across, jnp.sqrt(jnp.maximum(var, nugget))


def floor(prior: Exact, task: Task, key: Array, draws: int) -> tuple[Array, Array]:
    """Return the loss of the average over draws of the prior, and how many count."""
    keys = jax.random.split(key, draws)
    evidence, mean, sd = jax.lax.map(
        lambda k: one_draw(prior, task, k), keys, batch_size=CHUNK
    )
    weights = jax.nn.log_softmax(evidence)[:, None]
    each = excess(lambda y: logsumexp(weights + norm.logpdf(y, mean, sd), 0), task)
    loss = jnp.mean(jnp.minimum(each, WORST))
    return loss, 1 / jnp.sum(jnp.exp(2 * weights))


@partial(jax.jit, static_argnames=("prior", "draws"))
def each_floor(prior: Exact, some: Task, keys: Array, draws: int):
    """Return what `floor` does for each of a batch of tasks."""
    return jax.lax.map(lambda pair: floor(prior, *pair, draws), (some, keys))


def tasks(prior: Exact, rows: int, columns: int, count: int, seed: int) -> Task:
    """Return a batch of tasks with all rows and columns seen."""
    sizes = Sizes(rows, QUERIES, columns)
    made = draw(jax.random.key(seed), prior, sizes, 64 * count, 2 * count)
    made = jax.tree.map(np.asarray, made)
    full = np.flatnonzero(made.seen.all(1) & made.columns.all(1))[:count]
    return jax.tree.map(lambda a: a[full], made)


def padded(batch: Task) -> Task:
    """Return the batch with unseen rows up to the next bucket, as models want it."""
    n = batch.seen.shape[1]
    room = ((0, 0), (0, bucket(n) - n))

    def wider(a):
        return np.concatenate([np.pad(a[:, :n], room), a[:, n:]], 1)

    x = np.stack([wider(column) for column in np.moveaxis(batch.x, 2, 0)], 2)
    return replace(batch, x=x, y=wider(batch.y), seen=np.pad(batch.seen, room))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=24, help="of each size")
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=10_000)
    args = parser.parse_args()
    prior = load_recipe("engineering").prior.priors[0]  # type: ignore[attr-defined]
    models = {name: PFN(name) for name in ("anchored", "engineering")} | {"GP": GP()}
    print(
        f"| rows | columns | draws that count | best possible | {' | '.join(models)} |"
    )
    print(f"|---|---|---|---|{'---|' * len(models)}")
    with jax.enable_x64(True):
        for rows, columns in itertools.product(ROWS, COLUMNS):
            some = tasks(prior, rows, columns, args.tasks, args.seed)
            keys = jax.random.split(jax.random.key(args.seed), len(some.y))
            pairs = each_floor(prior, some, keys, args.draws)
            best, count = map(np.asarray, pairs)
            shown = padded(jax.tree.map(np.asarray, jax.vmap(standardized)(some)))
            losses = [best, *(judge(model, shown)[0] for model in models.values())]
            told = " | ".join(map(cell, losses))
            print(
                f"| {rows} | {columns} | {np.median(count):.0f} | {told} |", flush=True
            )


def cell(losses: np.ndarray) -> str:
    """Return a mean and its standard error as words."""
    return f"{losses.mean():.2f} ± {losses.std(ddof=1) / len(losses) ** 0.5:.2f}"


if __name__ == "__main__":
    main()
