"""Prints how near any model can come to known hyper-parameters on the flagship's GPs.

    python experiments/pfn_floor/run.py experiments/pfn_floor/results.csv

A loss is the cross-entropy of a predictive over that of the Gaussian process that drew
the task, hyper-parameters known. No model that has to infer them can be at 0: the best
possible one averages over their posterior under the prior they were drawn from. Here
that average is taken by importance sampling: many draws of the prior, each weighted by
its marginal likelihood of the rows seen. `draws` that count (the inverse of the sum of
the squared weights) are told too: where they are few, the figure is above the true one.
The models of the package are scored on the same tasks, and the last lines say how much
smaller than a Gaussian process's, fitted by maximum a posteriori, their mean gap is.
With 60 rows and more next to no draw counts, so that the best possible is not told.
Results go to the file, and what is there is not done again. Takes about an hour.
"""

import argparse
import csv
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from pfnbo.compilation import enable_compilation_cache
from pfnbo.data import bucket
from pfnbo.evaluate import WORST, judge
from pfnbo.pfn.loss import excess, standardized
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN
from pfnbo.tasks.gp import Exact, jitter
from pfnbo.tasks.task import Sizes, Task, draw

ROWS, COLUMNS, QUERIES = (5, 20, 60, 128), (2, 5, 10), 16
SAMPLED = 20  # rows up to which draws of the prior count
CHUNK = 128
BEST, REFERENCE = "best possible", "GP"
FIELDS = ["rows", "columns", "model", "tasks", "loss", "error", "draws"]


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


def sampled(prior: Exact, some: Task, args: argparse.Namespace) -> dict[str, str]:
    """Return what the average over draws of the prior makes of tasks."""
    keys = jax.random.split(jax.random.key(args.seed), len(some.y))
    losses, count = map(np.asarray, each_floor(prior, some, keys, args.draws))
    return told(losses) | {"draws": f"{np.median(count):.0f}"}


def told(losses: np.ndarray) -> dict[str, str]:
    """Return the mean of the losses of tasks and its standard error, as words."""
    error = losses.std(ddof=1) / len(losses) ** 0.5
    return {
        "tasks": str(len(losses)),
        "loss": f"{losses.mean():.4f}",
        "error": f"{error:.4f}",
    }


def fill(path: Path, args: argparse.Namespace) -> None:
    """Add what the file does not tell of any size and model."""
    if not path.exists():
        path.write_text(",".join(FIELDS) + "\n")
    prior = load_recipe("engineering").prior.priors[0]  # type: ignore[attr-defined]
    models = {name: PFN(name) for name in args.checkpoints} | {REFERENCE: GP()}
    for rows, columns in itertools.product(args.rows, COLUMNS):
        done = {r["model"] for r in read(path) if size(r) == (rows, columns)}
        missing = [name for name in (BEST, *models) if name not in done]
        if rows > SAMPLED and BEST in missing:
            missing.remove(BEST)
        if not missing:
            continue
        some = tasks(prior, rows, columns, args.tasks, args.seed)
        shown = padded(jax.tree.map(np.asarray, jax.vmap(standardized)(some)))
        for name in missing:
            if name == BEST:
                found = sampled(prior, some, args)
            else:
                found = told(judge(models[name], shown)[0])
            with path.open("a", newline="") as file:
                row = {"rows": rows, "columns": columns, "model": name} | found
                csv.DictWriter(file, FIELDS).writerow(row)


def read(path: Path) -> list[dict[str, str]]:
    """Return the lines of a file of results."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def size(row: dict[str, str]) -> tuple[int, int]:
    """Return rows and columns of the tasks of a line."""
    return int(row["rows"]), int(row["columns"])


def show(found: list[dict[str, str]]) -> None:
    """Print a table of all sizes, and how much smaller the mean gaps are."""
    names = sorted({r["model"] for r in found}, key=lambda n: (n != BEST, n))
    by = {(size(r), r["model"]): r for r in found}
    print(f"| rows | columns | draws that count | {' | '.join(names)} |")
    print(f"|---|---|---|{'---|' * len(names)}")
    for rows, columns in sorted({size(r) for r in found}):
        own = [by.get(((rows, columns), name)) for name in names]
        draws = next((r["draws"] for r in own if r and r["draws"]), "")
        cells = [cell(r) if r else "" for r in own]
        print(f"| {rows} | {columns} | {draws} | {' | '.join(cells)} |")
    print()
    names = [name for name in names if name != BEST]
    whole = {s for s, _ in by if all((s, name) in by for name in names)}
    found = [r for r in found if size(r) in whole]
    for rows in (*sorted({rows for rows, _ in whole}), None):
        means = {name: mean(found, name, rows) for name in names}
        smaller = ", ".join(
            f"{n} {v:.3f} ({1 - v / means[REFERENCE]:.0%} smaller)"
            for n, v in means.items()
            if n != REFERENCE
        )
        where = "all sizes" if rows is None else f"{rows} rows"
        print(f"mean gap, {where}: {REFERENCE} {means[REFERENCE]:.3f}, {smaller}")


def cell(row: dict[str, str]) -> str:
    """Return a mean and its standard error as words."""
    return f"{float(row['loss']):.2f} ± {float(row['error']):.2f}"


def mean(found: list[dict[str, str]], name: str, rows: int | None) -> float:
    """Return the mean loss of a model over the sizes of so many rows, or over all."""
    own = [r for r in found if r["model"] == name and rows in (None, size(r)[0])]
    return float(np.mean([float(r["loss"]) for r in own]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="CSV file to read and to fill")
    parser.add_argument(
        "--checkpoints", nargs="*", default=["anchored", "engineering"], metavar="NAME"
    )
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS, help="to fill")
    parser.add_argument("--tasks", type=int, default=24, help="of each size")
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=10_000)
    args = parser.parse_args()
    enable_compilation_cache()
    with jax.enable_x64(True):
        fill(args.results, args)
    show(read(args.results))


if __name__ == "__main__":
    main()
