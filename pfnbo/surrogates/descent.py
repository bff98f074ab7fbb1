"""Descent by gradients alone, for losses of networks that are no sums of squares."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

RATE = 0.05  # largest


def descend(
    loss: Callable, start: Any, steps: int, boxed: Callable = lambda place: place
) -> tuple[Any, jax.Array]:
    """Return the best place that Adam comes by, from the start on, and its loss.

    Args:
        loss: of a place, a pytree of arrays.
        start: the first place.
        steps: of the descent, at a rate that falls to 0.
        boxed: returns the nearest place that is allowed.
    """
    import optax  # slow to import, and few surrogates need it

    adam = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def body(state, _):
        place, moments, best, least = state
        value, slope = jax.value_and_grad(loss)(place)
        better = value < least
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), place, best)
        step, moments = adam.update(slope, moments)
        place = boxed(optax.apply_updates(place, step))
        return (place, moments, best, jnp.where(better, value, least)), None

    least = jnp.full((), jnp.inf, jax.tree.leaves(start)[0].dtype)
    first = start, adam.init(start), start, least
    (_, _, best, least), _ = jax.lax.scan(body, first, length=steps)
    return best, least
