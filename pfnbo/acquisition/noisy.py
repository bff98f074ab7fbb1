"""Expected improvement over incumbents that noise hides."""

import math
from typing import Protocol

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from pfnbo.acquisition.improvement import Goal, improvement
from pfnbo.predictive import Normal


class Draws(Protocol):
    """What noisy expected improvement needs of a posterior.

    Each of `s` draws of the latent outputs at the data stands for noise-free data.
    """

    @property
    def values(self) -> jax.Array:
        """The drawn values at the data, (s, outputs, n)."""
        ...

    @property
    def seen(self) -> jax.Array:
        """Which values belong to observations, (outputs, n) bool."""
        ...

    def predict(self, x: jax.Array) -> Normal:
        """Return the marginals at one point given each draw, (s, outputs)."""
        ...


def goals(
    draws: Draws,
    thresholds: jax.Array,  # (constraints,)
    usable: jax.Array,  # (n,) bool, which rows may be an incumbent
) -> Goal:
    """Return the best feasible value of each draw, fields with a leading axis s."""
    holds = draws.values[:, 1:] <= thresholds[None, :, None]
    feasible = jnp.all(holds & draws.seen[None, 1:], axis=1)
    feasible &= (draws.seen[0] & usable)[None]
    found = jnp.any(feasible, axis=1)
    best = jnp.max(jnp.where(feasible, draws.values[:, 0], -jnp.inf), axis=1)
    s = found.shape[0]
    repeated = jnp.broadcast_to(thresholds[None], (s, *thresholds.shape))
    return Goal(jnp.where(found, best, 0), found, repeated)


def nei(goal: Goal, draws: Draws, x: jax.Array) -> jax.Array:
    """Log of the mean over draws of constrained expected improvement.

    A draw without a feasible point counts the probability of feasibility: there a
    first feasible point is worth one standard deviation of the objective.

    Args:
        goal: of `goals`, one incumbent per draw.
        draws: noise-free posteriors, one per draw.
        x: one point `(d,)`.

    Source: Letham et al. 2019, arXiv 1706.07094.
    """
    scores = jax.vmap(improvement)(goal, draws.predict(x))
    return logsumexp(scores) - math.log(scores.shape[0])
