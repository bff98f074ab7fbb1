"""Trains networks by least squares, in the space of the data.

There are fewer observations than parameters: a step costs the factor of a matrix of
rows, and a few dozen reach what gradients alone need thousands for.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pfnbo.factor import apply_inverse, inverse_root
from pfnbo.surrogates.mlp import MLP, Network

NOISES = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)  # standard deviations tried
LOG_NOISE = (-3.5, 1.0)  # mean and deviation of the normal prior of their logarithms


class Table(NamedTuple):
    """Observations of one output."""

    x: jax.Array  # (n, d)
    y: jax.Array  # (n,), 0 where unseen
    seen: jax.Array  # (n,) bool


def jacobian(network: Network, params: jax.Array, table: Table) -> jax.Array:
    """Return the slopes of the outputs at the data, (n, p), 0 where unseen."""
    slopes = jax.vmap(jax.grad(network), (None, 0))(params, table.x)
    return jnp.where(table.seen[:, None], slopes, 0)


def slopes_gram(network: Network, params: jax.Array, table: Table) -> jax.Array:
    """Return the inner products of the slopes at the data, (n, n), 0 where unseen."""
    if not isinstance(network, MLP):
        slopes = jacobian(network, params, table)
        return slopes @ slopes.T
    gram = network.slopes_gram(params, table.x)
    return jnp.where(table.seen[:, None] & table.seen[None], gram, 0)


def outputs(network: Network, params: jax.Array, table: Table) -> jax.Array:
    """Return the outputs at the data, (n,), 0 where unseen."""
    f = jax.vmap(network, (None, 0))(params, table.x)
    return jnp.where(table.seen, f, 0)


def residuals(network: Network, params: jax.Array, table: Table) -> jax.Array:
    """Return what the network lacks at the data, (n,)."""
    return jnp.where(table.seen, table.y, 0) - outputs(network, params, table)


def minimize(
    network: Network,
    table: Table,
    start: jax.Array,  # (p,)
    anchor: jax.Array,  # (p,)
    noise: jax.Array,  # () variance, or (n,)
    steps: int,
) -> jax.Array:
    """Return parameters near the least |y - f|^2 / noise + |params - anchor|^2, (p,).

    Source: Levenberg-Marquardt, Nocedal & Wright 2006, section 10.3.
    """

    def at(params):
        return outputs(network, params, table)

    def loss(params):
        miss = residuals(network, params, table)
        return jnp.sum(miss**2 / noise) + jnp.sum((params - anchor) ** 2)

    def body(_, state):
        params, value, damping = state
        f, back = jax.vjp(at, params)
        miss = (jnp.where(table.seen, table.y, 0) - f) / noise
        pull = back(miss)[0] - (params - anchor)
        # Woodbury: (damping I + j'j / noise)^-1 by a matrix of rows.
        diagonal = jnp.diag(jnp.broadcast_to(noise * damping, miss.shape))
        root, _ = inverse_root(slopes_gram(network, params, table) + diagonal)
        _, along = jax.jvp(at, (params,), (pull,))
        move = (pull - back(apply_inverse(root, along))[0]) / damping
        trial = params + move
        after = loss(trial)
        better = after < value  # false of a NaN
        params = jnp.where(better, trial, params)
        damping = jnp.where(better, 1 + (damping - 1) / 5, 1 + (damping - 1) * 4 + 1)
        return params, jnp.where(better, after, value), damping

    first = start, loss(start), jnp.full((), 2.0, start.dtype)
    return jax.lax.fori_loop(0, steps, body, first)[0]


def log_evidence(
    network: Network,
    table: Table,
    params: jax.Array,
    noise: jax.Array,
    scale: Any = 1.0,
) -> jax.Array:
    """Return Laplace's log evidence of the noise and the scale up to a constant.

    Source: MacKay 1992; the Hessian is that of Gauss and Newton.
    """
    gram = scale**2 * slopes_gram(network, params, table)
    miss = residuals(network, params, table)
    eye = jnp.eye(len(gram), dtype=gram.dtype)
    _, diagonal = inverse_root(eye + gram / noise)
    fit = jnp.sum(miss**2) / noise + jnp.sum((params / scale) ** 2)
    count = jnp.sum(table.seen)
    return -0.5 * fit - jnp.sum(jnp.log(diagonal)) - 0.5 * count * jnp.log(noise)


def log_left_out(
    network: Network,
    table: Table,
    params: jax.Array,
    noise: jax.Array,
    scale: Any = 1.0,
) -> jax.Array:
    """Return the log density of each row given the others, summed, up to a constant.

    The network is linear in all its parameters around these, which all rows trained, so
    that it flatters itself a little.

    Source: Rasmussen 2006, eq. 5.12.
    """
    gram = scale**2 * slopes_gram(network, params, table)
    root, _ = inverse_root(gram + jnp.diag(jnp.where(table.seen, noise, 1.0)))
    at = lambda params: outputs(network, params, table)  # noqa: E731
    f, along = jax.jvp(at, (params,), (params,))
    lack = jnp.where(table.seen, table.y - f + along, 0)
    precision = jnp.sum(root**2, 0)
    far = apply_inverse(root, lack) ** 2 / precision
    return jnp.sum(jnp.where(table.seen, jnp.log(precision) - far, 0)) / 2


def most_likely(
    key: jax.Array,
    network: Network,
    table: Table,
    noises: jax.Array,
    steps: int,
    scales: tuple[float, ...] = (1.0,),
    worth: Callable[..., jax.Array] = log_left_out,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return parameters (p,), and the noise variance and scale that are worth most.

    Args:
        key: of the start.
        network: what is trained.
        table: the data.
        noises: variances to choose from, `(k,)`.
        steps: of each training.
        scales: standard deviations of all parameters a priori to choose from.
        worth: `log_left_out` or `log_evidence`, to which the log prior of the noise is
            added.
    """
    size = network.size(table.x.shape[1])
    start = jax.random.normal(key, (size,), table.x.dtype)

    def one(noise, scale):
        # scale^2 (|y - f|^2 / noise + |params / scale|^2) is least where the loss is.
        zero, ratio = jnp.zeros_like(start), noise / scale**2
        params = minimize(network, table, scale * start, zero, ratio, steps)
        mean, sd = LOG_NOISE
        prior = -0.5 * ((jnp.log(noise) / 2 - mean) / sd) ** 2
        return params, worth(network, table, params, noise, scale) + prior

    grid = jnp.meshgrid(noises, jnp.asarray(scales, start.dtype), indexing="ij")
    noises, each = (a.ravel() for a in grid)
    params, values = jax.vmap(one)(noises, each)
    best = jnp.argmax(jnp.where(jnp.isfinite(values), values, -jnp.inf))
    return params[best], noises[best], each[best]


def candidates(noise: float | None, dtype) -> jax.Array:
    """Return the noise variances to choose from: one that is given, or several."""
    sds = NOISES if noise is None else (max(noise, 1e-3),)
    return jnp.square(jnp.asarray(sds, dtype))
