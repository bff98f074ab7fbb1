"""Prints the loss of a network by family and size, next to a GP fitted by MAP.

    python experiments/pfn_fidelity/run.py CHECKPOINT --tasks 400

Both see the same tasks of the recipe, in units of the context's deviation. "excess" is
the cross-entropy over that of the exact predictive with known hyper-parameters (GP
families; no method reaches 0), "loss" the negative log density of what was observed.
Takes about ten minutes, most of them compilation.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data
from pfnbo.pfn.loss import NODES, WEIGHTS, standardized
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.tasks.task import Sizes, Task, draw

ROWS = (8, 32, 64)
COLUMNS = (2, 5)


def tasks(recipe, capacity: int, count: int) -> Task:
    """Return tasks drawn by the recipe's prior, of as many columns as `COLUMNS` says.

    More than half of the context's rows are seen.
    """
    sizes = Sizes(capacity, 32, max(COLUMNS))
    drawn = jax.jit(lambda key: draw(key, recipe.prior, sizes, 8 * count, 2 * count))
    made = jax.vmap(standardized)(drawn(jax.random.key(10_000 + capacity)))
    there = np.isin(np.asarray(made.columns).sum(1), COLUMNS)
    full = np.asarray(made.seen).sum(1) > capacity // 2
    kept = np.flatnonzero(there & full)[:count]
    return jax.tree.map(lambda a: a[kept], made)


def noisy(posterior, x) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return log weights, means and deviations of observations, (queries, k) each."""
    at = jax.vmap(posterior.predict)(x)
    if hasattr(at, "components"):
        noise = posterior.members.noise[None]
        loc, scale = at.components.loc[:, 0], at.components.scale[:, 0]
        return at.log_weights[:, 0], loc, jnp.sqrt(scale**2 + noise)
    sd = jnp.sqrt(at.scale**2 + posterior.noise[None])
    return jnp.zeros_like(sd), at.loc, sd


@jax.jit
def score(parts, task: Task) -> jax.Array:
    """Return the loss of the queries: excess where the truth is known."""
    log_weight, loc, scale = parts
    y = task.y[task.seen.shape[0] :]
    known = jnp.isfinite(task.mean)

    def density(y):
        z = (y[:, None] - loc) / scale
        log = -0.5 * z**2 - jnp.log(scale) - 0.9189385332
        return jax.nn.logsumexp(log + log_weight, 1)

    spread = jnp.where(known, task.sd, 0)
    centre = jnp.where(known, task.mean, y)
    cross = -sum(
        w * density(centre + z * spread) for z, w in zip(NODES, WEIGHTS, strict=True)
    )
    entropy = jnp.where(known, jnp.log(jnp.where(known, spread, 1)) + 1.4189385332, 0)
    return jnp.mean(jnp.minimum(cross - entropy, 20.0))


def losses(surrogate, batch: Task) -> np.ndarray:
    """Return the loss of each task."""
    values = []
    for i in range(batch.y.shape[0]):
        task = jax.tree.map(lambda a, i=i: a[i], batch)
        n, d = task.seen.shape[0], int(task.columns.sum())
        x = task.x[:, :d]
        y = jnp.where(task.seen, task.y[:n], 0)
        posterior = surrogate.fit(
            jax.random.key(0), Data(x[:n], y[None], task.seen[None])
        )
        values.append(float(score(noisy(posterior, x[n:]), task)))
    return np.array(values)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="engineering")
    parser.add_argument("--recipe", default="engineering")
    parser.add_argument("--tasks", type=int, default=400, help="for each size")
    args = parser.parse_args()
    recipe = load_recipe(args.recipe)
    models = {
        "network": PFN(args.checkpoint, kept=6),
        "GP": GP(),
        "plain GP": GP(warp=False),
    }
    values = []  # (family, rows, losses by model)
    with jax.enable_x64(True):
        for rows in ROWS:
            batch = tasks(recipe, rows, args.tasks)
            each = np.stack([losses(model, batch) for model in models.values()], 1)
            names = [recipe.prior.families[i] for i in np.asarray(batch.family)]
            values += [(name, rows, row) for name, row in zip(names, each, strict=True)]
    print(f"| family | rows | tasks | {' | '.join(models)} |")
    print("|---|---|---|" + "---|" * len(models))
    for name in (*recipe.prior.families, "all"):
        for rows in ROWS:
            own = [v for f, r, v in values if r == rows and name in (f, "all")]
            if own:
                means = " | ".join(f"{v:.2f}" for v in np.mean(own, 0))
                print(f"| {name} | {rows // 2 + 1}-{rows} | {len(own)} | {means} |")


if __name__ == "__main__":
    main()
