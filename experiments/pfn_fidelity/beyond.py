"""Prints what networks make of tables beyond their training, and of another order.

    python experiments/pfn_fidelity/beyond.py

Two tables. The first has mean losses, as those of `run.py`, on tasks of the flagship
prior with as many rows and columns as it says, up to twice the 64 rows and 10 columns
of the largest tables that `engineering` was trained on. The second tells how far the
order of rows and of columns moves predictions: the largest change of a mean, in its
standard deviations, and of the log density of an observation. Takes some minutes.
"""

import argparse
from typing import Any

import jax
import numpy as np

from pfnbo.compilation import enable_compilation_cache
from pfnbo.data import Data
from pfnbo.evaluate import judge
from pfnbo.pfn.loss import standardized
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.tasks.task import Prior, Sizes, Task, draw

SIZES = ((32, 5), (128, 5), (32, 20))  # rows and columns
TURNED = (32, 5)  # of the tasks whose order is changed
QUERIES = 32


def tasks(prior: Prior, rows: int, columns: int, count: int, seed: int) -> Task:
    """Return a batch of tasks with all rows and columns seen."""
    sizes = Sizes(rows, QUERIES, columns)
    made = draw(jax.random.key(seed), prior, sizes, 64 * count, 2 * count)
    made = jax.tree.map(np.asarray, jax.vmap(standardized)(made))
    full = np.flatnonzero(made.seen.all(1) & made.columns.all(1))[:count]
    return jax.tree.map(lambda a: a[full], made)


def moves(model: Any, task: Task, rng: np.random.Generator) -> np.ndarray:
    """Return how far another order of rows, and of columns, moves predictions, (2, 2).

    The largest move of a mean in its deviations, and of a log density.
    """
    n, d = len(task.seen), task.x.shape[1]
    rows, columns = rng.permutation(n), rng.permutation(d)
    context, queries, y = task.x[:n], task.x[n:], task.y[:n]
    first = asked(model, context, y, queries, task.y[n:])
    found = []
    for other in (
        (context[rows], y[rows], queries),
        (context[:, columns], y, queries[:, columns]),
    ):
        mean, sd, log_prob = asked(model, *other, task.y[n:])
        far = np.abs(mean - first[0]) / np.minimum(sd, first[1])
        found.append([far.max(), np.abs(log_prob - first[2]).max()])
    return np.array(found)


def asked(model: Any, x, y, queries, out) -> tuple[np.ndarray, ...]:
    """Return mean, deviation and log density of the outputs at queries."""
    data: Any = Data(x, y[None], np.ones((1, len(y)), bool))
    posterior = model.fit(jax.random.key(0), data)
    at = _predicted(posterior, queries)
    each = at.mean, np.sqrt(at.var), at.log_prob(out[:, None])
    return tuple(np.asarray(a)[:, 0] for a in each)


@jax.jit
def _predicted(posterior: Any, x: jax.Array) -> Any:
    return jax.vmap(posterior.observe)(x)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", default=["anchored", "engineering"])
    parser.add_argument("--tasks", type=int, default=40, help="of each size")
    parser.add_argument("--turned", type=int, default=10, help="tasks of the second")
    parser.add_argument("--seed", type=int, default=10_000)
    args = parser.parse_args()
    enable_compilation_cache()
    prior = load_recipe("engineering").prior
    models = {name: PFN(name) for name in args.checkpoints} | {"GP": GP()}
    rng = np.random.default_rng(args.seed)
    with jax.enable_x64(True):
        print(f"| rows | columns | tasks | {' | '.join(models)} |")
        print(f"|---|---|---|{'---|' * len(models)}")
        for rows, columns in SIZES:
            batch = tasks(prior, rows, columns, args.tasks, args.seed)
            means = [f"{judge(m, batch)[0].mean():.2f}" for m in models.values()]
            print(f"| {rows} | {columns} | {len(batch.y)} | {' | '.join(means)} |")
        print("\n| model | another order of | move of a mean, sd | of a log density |")
        print("|---|---|---|---|")
        batch = tasks(prior, *TURNED, args.turned, args.seed)
        each = [jax.tree.map(lambda a, i=i: a[i], batch) for i in range(len(batch.y))]
        for name, model in models.items():
            worst = np.max([moves(model, task, rng) for task in each], 0)
            for what, (mean, density) in zip(("rows", "columns"), worst, strict=True):
                print(f"| {name} | {what} | {mean:.1e} | {density:.1e} |", flush=True)


if __name__ == "__main__":
    main()
