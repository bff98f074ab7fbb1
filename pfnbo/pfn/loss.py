"""The PFN loss: cross-entropy of the predictive at the queries (Muller et al. 2022).

Source: arXiv 2112.10510, equation 2.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from pfnbo.predictive import Normal, Predictive
from pfnbo.tasks.task import Task

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
DOUBT = 1e-3  # weight of a wide density that keeps hopeless tasks from ruling the mean


def standardized(task: Task) -> Task:
    """Return the task in units of the mean and deviation of its seen rows."""
    n = task.seen.shape[0]
    seen = task.seen.astype(task.y.dtype)
    rows = jnp.maximum(jnp.sum(seen), 1)
    mean = jnp.sum(task.y[:n] * seen) / rows
    var = jnp.sum((task.y[:n] - mean) ** 2 * seen) / rows
    sd = jnp.where(var > 0, jnp.sqrt(jnp.where(var > 0, var, 1)), 1)
    return replace(
        task,
        y=(task.y - mean) / sd,
        mean=(task.mean - mean) / sd,
        sd=task.sd / sd,
    )


def predictive(network: nnx.Module, task: Task) -> Predictive:
    """Return what the network says at the queries of a standardised task, (q,)."""
    n = task.seen.shape[0]
    y = jnp.where(task.seen, task.y[:n], 0)
    return network(task.x[:n], y, task.seen, task.columns, task.x[n:])  # type: ignore


def loss(
    network: nnx.Module,
    task: Task,  # standardised
    *,
    exact: bool = True,
) -> jax.Array:
    """Return the mean loss of a task: excess over the exact predictive where known.

    Args:
        network: of any architecture.
        task: standardised.
        exact: whether to average over the exact predictive of the queries, where the
            task knows it, rather than to score the one value drawn: the same optimum
            with less noise.
    """
    ours = predictive(network, task)
    return jnp.mean(excess(lambda y: _doubted(ours.log_prob(y), y), task, exact=exact))


def excess(
    log_prob: Callable[[jax.Array], jax.Array],
    task: Task,  # standardised
    *,
    exact: bool = True,
) -> jax.Array:
    """Return the cross-entropy at the queries less that of the truth, (queries,).

    Args:
        log_prob: log density of one value at each query, (queries,) -> (queries,).
        task: standardised.
        exact: whether to use the exact predictive where the task knows it; elsewhere
            the result is the negative log density of the value drawn.
    """
    y = task.y[task.seen.shape[0] :]
    known = jnp.isfinite(task.mean) & exact
    # A NaN in a branch not taken would still reach the gradient.
    mean, sd = jnp.where(known, task.mean, y), jnp.where(known, task.sd, 0)
    at = mean[None] + sd[None] * jnp.asarray(NODES, y.dtype)[:, None]
    cross = -jnp.asarray(WEIGHTS, y.dtype) @ jax.vmap(log_prob)(at)
    entropy = Normal(mean, jnp.where(known, task.sd, 1)).entropy()
    return cross - jnp.where(known, entropy, 0)


def _doubted(log_prob: jax.Array, y: jax.Array) -> jax.Array:
    wide = -jnp.log(np.pi * (1 + y**2))  # Cauchy
    return jnp.logaddexp(log_prob + np.log1p(-DOUBT), wide + np.log(DOUBT))
