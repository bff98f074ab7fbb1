"""Scores surrogates on new tasks of a prior, by family and number of rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.pfn.loss import excess, standardized
from pfnbo.recipe import Recipe
from pfnbo.tasks.task import Sizes, Task, draw

ROWS = (8, 32, 64)  # capacities; more than half of the rows are seen
COLUMNS = (2, 5)  # if the recipe has as many; each number is another compilation
QUERIES = 32
WORST = 20.0  # nats that a query may cost at most
LEVELS = (0.5, 0.8, 0.95)  # of central intervals
PARTS = 10  # of the probability, equal ones
TRIES = 8  # tasks drawn for each one that has the right size


class Scores(NamedTuple):
    """Losses of models on tasks."""

    family: np.ndarray  # (tasks,) str
    rows: np.ndarray  # (tasks,) capacity
    loss: np.ndarray  # (tasks, models)
    place: np.ndarray  # (tasks, models, queries) probability below what was observed


def tasks(recipe: Recipe, capacity: int, count: int, seed: int) -> Task:
    """Return up to `count` tasks of as many columns as `COLUMNS` says."""
    most = recipe.sizes.columns
    columns = [c for c in COLUMNS if c <= most] or [most]
    sizes = Sizes(capacity, QUERIES, columns[-1])
    key = jax.random.fold_in(jax.random.key(seed), capacity)
    batch, groups = TRIES * count, 2 * count
    drawn = jit(lambda key: draw(key, recipe.prior, sizes, batch, groups))(key)
    if recipe.standardize:
        drawn = jax.vmap(standardized)(drawn)
    made = jax.tree.map(np.asarray, drawn)
    there = np.isin(made.columns.sum(1), columns)
    full = made.seen.sum(1) > capacity // 2
    kept = np.flatnonzero(there & full)[:count]
    return jax.tree.map(lambda a: a[kept], made)


def judge(model: Any, batch: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return how a surrogate does at the queries of each task.

    Returns:
        The mean loss `(tasks,)`, and the predictive probability below each observation
        `(tasks, queries)`, which is uniform where the surrogate is calibrated.
    """
    found = []
    for i in range(len(batch.y)):
        task = jax.tree.map(lambda a, i=i: a[i], batch)
        n, columns = len(task.seen), task.columns
        x, y = task.x[:, columns], np.where(task.seen, task.y[:n], 0)
        data = Data(x[:n], y[None], task.seen[None])  # type: ignore[arg-type]
        posterior = model.fit(jax.random.key(0), data)
        found.append(_judge(posterior, x[n:], task))
    loss, place = zip(*found, strict=True)
    return np.array(loss), np.array(place)


@jit
def _judge(posterior: Any, x: jax.Array, task: Task) -> tuple[jax.Array, jax.Array]:
    at = jax.vmap(posterior.observe)(x)
    each = excess(lambda y: at.log_prob(y[:, None])[:, 0], task)
    loss = jnp.mean(jnp.minimum(each, WORST))
    return loss, at.cdf(task.y[task.seen.shape[0] :, None])[:, 0]


def scores(
    recipe: Recipe,
    models: Mapping[str, Any],
    count: int,
    seed: int,
    judge: Callable[[Any, Task], tuple[np.ndarray, np.ndarray]] = judge,
) -> Scores:
    """Return the losses of every model on the same tasks, `count` of each capacity.

    A loss is in nats, of outputs in the units of the training: the cross-entropy over
    that of the exact predictive with known hyper-parameters where the prior knows it,
    elsewhere the negative log density of what was observed.

    Args:
        recipe: whose prior the tasks are drawn from.
        models: surrogates by name.
        count: of tasks of each capacity.
        seed: of the tasks.
        judge: what returns of a model and tasks what `judge` does; it may keep results.
    """
    parts = []
    with jax.enable_x64(True):
        for rows in ROWS:
            batch = tasks(recipe, rows, count, seed)
            if not len(batch.y):
                continue
            families = recipe.prior.families
            names = np.array([families[i] for i in np.asarray(batch.family)])
            judged = [judge(model, batch) for model in models.values()]
            loss, place = (np.stack(a, 1) for a in zip(*judged, strict=True))
            parts.append(Scores(names, np.full(len(names), rows), loss, place))
    if not parts:
        raise SettingError("no task drawn has the right size: ask for more tasks.")
    return Scores(*map(np.concatenate, zip(*parts, strict=True)))


def means(scores: Scores) -> dict[str, float]:
    """Return the mean losses of the first model by rows, as a checkpoint keeps them."""
    return {
        f"loss with {_size(rows, own)[0]} rows": round(
            float(scores.loss[own, 0].mean()), 2
        )
        for rows in ROWS
        if (own := scores.rows == rows).any()
    }


def table(scores: Scores, models: Sequence[str]) -> list[list[str]]:
    """Return the mean losses by family and rows, headed, as words."""
    lines = [["family", "rows", "tasks", *models]]
    for name in (*dict.fromkeys(sorted(scores.family)), "all"):
        for rows in ROWS:
            own = (scores.rows == rows) & ((scores.family == name) | (name == "all"))
            if own.any():
                means = [f"{v:.2f}" for v in scores.loss[own].mean(0)]
                lines.append([name, *_size(rows, own), *means])
    return lines


def coverage(scores: Scores, models: Sequence[str]) -> list[list[str]]:
    """Return the shares of observations within central intervals, as words."""
    lines = [["interval", "rows", "tasks", *models]]
    for level in LEVELS:
        for rows in ROWS:
            own = scores.rows == rows
            if own.any():
                inside = np.abs(2 * scores.place[own] - 1) < level
                told = [f"{share:.0%}" for share in inside.mean((0, 2))]
                lines.append([f"{level:.0%}", *_size(rows, own), *told])
    return lines


def calibration(scores: Scores, models: Sequence[str]) -> list[list[str]]:
    """Return the shares of observations in equal parts of the probability, as words.

    Source: the probability integral transform, Gneiting et al. 2007, section 3.1.
    """
    lines = [["probability below", *models]]
    for part in range(PARTS):
        low, high = part / PARTS, (part + 1) / PARTS
        inside = (low <= scores.place) & (scores.place < high + (part == PARTS - 1))
        told = [f"{share:.1%}" for share in inside.mean((0, 2))]
        lines.append([f"{low:.1f}-{high:.1f}", *told])
    return lines


def _size(rows: int, own: np.ndarray) -> tuple[str, str]:
    """Return the rows that tasks of a capacity see, and the number of tasks."""
    return f"{rows // 2 + 1}-{rows}", str(own.sum())
