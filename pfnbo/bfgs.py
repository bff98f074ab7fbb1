"""Projected BFGS in a box: one evaluation per iteration, so that lanes may be vmapped.

A library line search lets every lane of a `vmap` pay for the slowest one. Here a
rejected step only shortens the next trial, and all lanes advance together.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Smallest step, relative to the first trial, before a lane gives up.
SMALLEST_STEP = 1e-9
ARMIJO = 1e-4


class _State(NamedTuple):
    x: jax.Array  # (d,)
    value: jax.Array
    grad: jax.Array  # (d,)
    inverse: jax.Array  # (d, d) inverse Hessian estimate
    move: jax.Array  # (d,) direction of the next trial
    step: jax.Array  # share of `move`
    fresh: jax.Array  # whether `inverse` is still the identity
    done: jax.Array
    used: jax.Array  # evaluations so far


def minimize(
    fn: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    x: jax.Array,  # (d,)
    low: jax.Array,  # (d,)
    high: jax.Array,  # (d,)
    *,
    steps: int | jax.Array,
    tolerance: float = 1e-6,
) -> tuple[jax.Array, jax.Array]:
    """Minimise a smooth function in a box from one start.

    Args:
        fn: returns value and gradient at one point `(d,)`.
        x: start.
        low: lower corner; a coordinate with `low == high` stays fixed.
        high: upper corner.
        steps: largest number of evaluations after the first.
        tolerance: largest free gradient entry, in units of `fn` per unit of `x`, at
            which the search ends.

    Returns:
        The best point `(d,)` and its value, never worse than the start.

    Source: Nocedal & Wright, Numerical Optimization, 2006, eq. 6.17; Bertsekas 1982
    for the projection.
    """
    zeros = jnp.zeros_like(x)
    # The start is the first trial, so that `fn` is compiled once.
    state = _State(
        x=jnp.clip(x, low, high),
        value=jnp.asarray(jnp.inf, x.dtype),
        grad=zeros,
        inverse=jnp.eye(x.shape[0], dtype=x.dtype),
        move=zeros,
        step=jnp.ones((), x.dtype),
        fresh=jnp.asarray(True),
        done=jnp.asarray(False),
        used=jnp.zeros((), jnp.int32),
    )

    def body(state: _State) -> _State:
        trial = jnp.clip(state.x + state.step * state.move, low, high)
        value, grad = fn(trial)
        first = state.used == 0
        slope = state.grad @ (trial - state.x)
        good = jnp.isfinite(value) & jnp.all(jnp.isfinite(grad))
        lower = (value <= state.value + ARMIJO * slope) & (slope < 0)
        accept = good & (first | lower)
        gone = _advance(state, trial, value, grad, low, high, tolerance)
        kept = _retreat(state, low, high)
        new = jax.tree.map(lambda a, b: jnp.where(accept, a, b), gone, kept)
        hopeless = first & ~good
        value = jnp.where(hopeless, value, new.value)
        done = new.done | hopeless
        return new._replace(value=value, done=done, used=state.used + 1)

    end = jax.lax.while_loop(lambda s: ~s.done & (s.used <= steps), body, state)
    return end.x, end.value


def _free(x: jax.Array, grad: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    return ~(((x <= low) & (grad > 0)) | ((x >= high) & (grad < 0)) | (low == high))


def _advance(state, trial, value, grad, low, high, tolerance) -> _State:
    s, y = trial - state.x, grad - state.grad
    curvature = s @ y
    useful = curvature > 1e-12 * jnp.linalg.norm(s) * jnp.linalg.norm(y)
    rho = 1 / jnp.where(useful, curvature, 1)
    eye = jnp.eye(s.shape[0], dtype=s.dtype)
    # The first pair sets the scale of the identity (Nocedal & Wright, eq. 6.20).
    scale = jnp.where(state.fresh, curvature / (y @ y + 1e-300), 1)
    left = eye - rho * s[:, None] * y[None, :]
    updated = left @ (scale * state.inverse) @ left.T + rho * s[:, None] * s[None, :]
    inverse = jnp.where(useful, updated, state.inverse)
    free = _free(trial, grad, low, high)
    g = jnp.where(free, grad, 0)
    move = -jnp.where(free, inverse @ g, 0)
    downhill = move @ g < 0
    move = jnp.where(downhill, move, -g)
    done = jnp.max(jnp.abs(g), initial=0) < tolerance
    fresh = state.fresh & ~useful
    short = jnp.minimum(1, 0.3 / (jnp.linalg.norm(move) + 1e-30))
    step = jnp.where(fresh, short, 1)
    return _State(trial, value, grad, inverse, move, step, fresh, done, state.used)


def _retreat(state: _State, low: jax.Array, high: jax.Array) -> _State:
    """Shorten the step; fall back to steepest descent once, then give up."""
    step = 0.3 * state.step
    stuck = step * jnp.linalg.norm(state.move) < SMALLEST_STEP
    restart = stuck & ~state.fresh
    g = jnp.where(_free(state.x, state.grad, low, high), state.grad, 0)
    eye = jnp.eye(g.shape[0], dtype=g.dtype)
    return state._replace(
        inverse=jnp.where(restart, eye, state.inverse),
        move=jnp.where(restart, -g, state.move),
        step=jnp.where(restart, 0.1 / (jnp.linalg.norm(g) + 1e-30), step),
        fresh=state.fresh | restart,
        done=stuck & state.fresh,
    )
