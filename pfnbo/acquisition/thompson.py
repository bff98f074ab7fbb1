"""Thompson sampling: the score is one draw of the functions themselves."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pfnbo.acquisition.improvement import Goal

# Objective lost per unit of violation, both in standard deviations of the output. It
# exceeds the Lagrange multipliers of standardised outputs, so that the penalty is
# exact; more of it would only make the ridge along a constraint harder to climb.
PENALTY = 1e3


def thompson(
    goal: Goal, path: Callable[[jax.Array], jax.Array], x: jax.Array
) -> jax.Array:
    """Drawn objective less the total violation of the drawn constraints, weighted.

    Where the draw is feasible this is the draw of the objective, and elsewhere lower
    by a thousand times the violation. Eriksson & Poloczek 2021, arXiv 2002.08526,
    rank infeasible points by violation alone, a step that no gradient can
    see; an exact penalty has the same maximum where the multipliers stay below its
    weight (Nocedal & Wright 2006, theorem 17.3).
    """
    y = path(x)
    violation = jnp.sum(jnp.maximum(y[1:] - goal.thresholds, 0))
    return y[0] - PENALTY * violation
