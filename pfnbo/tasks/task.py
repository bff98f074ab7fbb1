"""A task is a small data set drawn from a prior; `draw` draws a batch of them.

Everything is drawn in JAX's default float width: inside `jax.enable_x64(True)` in
float64, where functions without noise are smooth to about 1e-6 of their range.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

# A function prior draws one function: (choice, key, columns) -> (x -> values), where x
# is (rows, d), values are (rows,), larger is better, and the value at a row may depend
# on the rows before it (a joint draw from a Gaussian process does) but on none after.
Drawn = Callable[[Array], Array]
Function = Callable[[Array, Array, Array], Drawn]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Task:
    """Context and queries of one function; the context fills the first rows."""

    x: Array  # (rows, d) in the unit cube; 0.5 in columns that are not there
    y: Array  # (rows,) as observed, noise included, in the function's own scale
    seen: Array  # (capacity,) bool: context rows that exist
    columns: Array  # (d,) bool: columns that exist
    mean: Array  # (queries,) exact predictive mean given the context, NaN if unknown
    sd: Array  # (queries,) its standard deviation, noise included, NaN if unknown
    family: Array  # () int32 index into the families of the prior


@dataclass(frozen=True)
class Sizes:
    """Static shapes of a task."""

    capacity: int  # context rows
    queries: int
    columns: int

    @property
    def rows(self) -> int:
        """Context and query rows together."""
        return self.capacity + self.queries


class Prior(Protocol):
    """A distribution of tasks."""

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families that `Task.family` counts."""
        ...

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task; `choice` is a key that the tasks of a group share."""
        ...


def draw(key: Array, prior: Prior, sizes: Sizes, batch: int, groups: int) -> Task:
    """Draw `batch` tasks, whose leading axis is made of `groups` equal parts.

    Tasks of a group share the discrete choices (family, kernel), so that `lax.switch`
    runs one branch; under a batched index it would run them all.
    """
    if batch % groups:
        raise ValueError(f"batch is {batch}: must be a multiple of groups, {groups}.")

    tasks = jax.lax.map(
        lambda k: draw_group(k, prior, sizes, batch // groups),
        jax.random.split(key, groups),
    )
    return jax.tree.map(lambda a: a.reshape(batch, *a.shape[2:]), tasks)


def draw_group(key: Array, prior: Prior, sizes: Sizes, group: int) -> Task:
    """Draw `group` tasks that share the discrete choices."""
    choice, own = jax.random.split(key)
    keys = jax.random.split(own, group)
    return jax.vmap(lambda k: prior.sample(choice, k, sizes))(keys)


def unknown(sizes: Sizes) -> Array:
    """Return the exact predictive of a prior that has none, (queries,)."""
    return jnp.full(sizes.queries, jnp.nan)
