"""The knowledge gradient: how much an observation raises the best mean of a model."""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from pfnbo.acquisition.improvement import Goal, log_feasibility
from pfnbo.predictive import Predictive, StudentT
from pfnbo.special import log_h, log_t_ei

FAR = 1e3  # deviations at which a breakpoint is never met


class Joint(Protocol):
    """What the knowledge gradient needs of a posterior."""

    @property
    def noise(self) -> jax.Array:
        """Noise variances, (outputs,)."""
        ...

    def predict(self, x: jax.Array) -> Predictive:
        """Return the marginals of all outputs at one point."""
        ...

    def covariance(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """Return the posterior covariance of two sets of points, (outputs, p, q).

        Of Student-t marginals it is that of the squares of their scales.
        """
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rivals:
    """Points where the best mean may be after an observation."""

    x: jax.Array  # (k, d)
    mean: jax.Array  # (k,) of the objective, -inf where a point is none


def log_gain(
    a: jax.Array,  # (k,) -inf for no line
    b: jax.Array,  # (k,)
    df: jax.Array | None = None,  # ()
) -> jax.Array:
    """Return log(E[max(a + b Z)] - max a) of a unit normal Z, or a Student-t one.

    With lines in order of their slopes, the highest one has a slope beyond the m-th
    from some z on: where the highest of the first m meets the highest of the others.

    Source: Frazier et al. 2009; breakpoints from all pairs, so that nothing is dropped
    where several lines meet.
    """
    order = jnp.argsort(b)
    a, b, real = a[order], b[order], jnp.isfinite(a[order])
    rise = b[None] - b[:, None]
    a = jnp.where(real, a, 0)
    meet = (a[:, None] - a[None]) / jnp.where(rise > 0, rise, 1)
    meet = jnp.where(real[None], meet, FAR)
    meet = jnp.where(real[:, None], meet, -FAR)
    left = jax.lax.cummin(meet, axis=1, reverse=True)[:, 1:]  # by any of the others
    first = jnp.arange(len(a))[:, None] < jnp.arange(1, len(a))[None]
    z = jnp.clip(jnp.max(jnp.where(first, left, -FAR), 0), -FAR, FAR)
    step = jnp.diff(b)
    tail = log_h(-jnp.abs(z)) if df is None else log_t_ei(jnp.abs(z), df)
    each = jnp.log(jnp.where(step > 0, step, 1)) + tail
    return logsumexp(jnp.where(step > 0, each, -jnp.inf))


def kg(goal: Goal, posterior: Joint, rivals: Rivals, x: jax.Array) -> jax.Array:
    """Log of the rise of the best mean that an observation promises, and feasibility.

    The best mean is sought among some points and the observed one. While no feasible
    point is known it is the log probability of feasibility. It is exact for normal and
    Student-t posteriors; of a mixture it takes mean and covariance, as if means moved
    linearly with what is observed.

    Args:
        goal: holds the thresholds.
        posterior: of the outputs.
        rivals: points of the search, with their means.
        x: one point `(d,)`.

    Source: Frazier et al. 2009; Scott et al. 2011, where the point joins the others.
    """
    at = posterior.predict(x)
    rows = jnp.concatenate([rivals.x, x[None]])
    cross = posterior.covariance(rows, x[None])[0, :, 0]
    sd = jnp.sqrt(jnp.maximum(cross[-1], 1e-12) + posterior.noise[0])
    df = jnp.asarray(at.df)[0] if isinstance(at, StudentT) else None
    gain = log_gain(jnp.append(rivals.mean, at.mean[0]), cross / sd, df)
    return jnp.where(goal.found, gain, 0) + log_feasibility(at, goal.thresholds)
