"""Acquisitions on the marginals of a posterior; output 0 is the objective, maximised.

The outputs after it are constraints, feasible at or below their thresholds. Every
score is a logarithm or adds one, so that a product of probabilities stays finite.
"""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from pfnbo.predictive import Normal, Predictive


class Marginals(Protocol):
    """What an acquisition needs of a posterior."""

    def predict(self, x: jax.Array) -> Normal:
        """Return the marginals of all outputs at one point."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Goal:
    """What counts as an improvement and as feasible, in units of the outputs."""

    best: jax.Array  # () feasible incumbent
    found: jax.Array  # () bool, whether any feasible point is known
    thresholds: jax.Array  # (constraints,)


def _objective(y: Normal) -> Normal:
    return jax.tree.map(lambda field: field[0], y)


def log_feasibility(y: Predictive, thresholds: jax.Array) -> jax.Array:
    """Log probability that all constraints hold, taken as independent."""
    constraints = jax.tree.map(lambda field: field[1:], y)
    return jnp.sum(constraints.log_cdf(thresholds))


def improvement(goal: Goal, y: Normal) -> jax.Array:
    """Log expected improvement of the objective plus the log feasibility.

    While no feasible point is known it is the log probability of feasibility.
    """
    gain = _objective(y).log_ei(goal.best)
    return jnp.where(goal.found, gain, 0) + log_feasibility(y, goal.thresholds)


def ei(goal: Goal, posterior: Marginals, x: jax.Array) -> jax.Array:
    """Log constrained expected improvement, Gardner et al. 2014; Ament et al. 2023."""
    return improvement(goal, posterior.predict(x))


def pi(goal: Goal, posterior: Marginals, x: jax.Array) -> jax.Array:
    """Log probability of a feasible improvement, Kushner 1964."""
    y = posterior.predict(x)
    gain = _objective(y).log_sf(goal.best)
    return jnp.where(goal.found, gain, 0) + log_feasibility(y, goal.thresholds)


def ucb(goal: Goal, posterior: Marginals, x: jax.Array) -> jax.Array:
    """Upper 97.7 % quantile of the objective plus the log feasibility.

    Source: Srinivas et al. 2010 with beta = 4, arXiv 0912.3995.
    """
    y = posterior.predict(x)
    bound = _objective(y).icdf(0.977)
    return jnp.where(goal.found, bound, 0) + log_feasibility(y, goal.thresholds)


ACQUISITIONS = {"ei": ei, "pi": pi, "ucb": ucb}
