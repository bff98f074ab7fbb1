"""Distributions whose probabilities pass an increasing map, to be calibrated."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from pfnbo.predictive import Predictive, cdf_of, expectation, sample_of
from pfnbo.special import spread

PARTS = 20  # intervals of the predicted probabilities, of equal length
TRUST = 10  # observations that the prediction is worth, as it came
_STARTS = np.arange(PARTS) / PARTS


def shares(
    pit: Array,  # (..., n) predicted probabilities of held-out observations
    known: Array,  # (..., n) bool
) -> Array:
    """Return the calibrated probability of each interval of predicted ones, (..., k).

    Expected under a Dirichlet process around the uniform distribution (Ferguson 1973).
    On ranks the isotonic regression of Kuleshov et al. 2018, arXiv 1807.00263, is the
    distribution of the probabilities, which this smooths.
    """
    place = jnp.clip(jnp.floor(pit * PARTS), 0, PARTS - 1)
    parts = jnp.arange(PARTS, dtype=pit.dtype)
    inside = place[..., None] == parts.reshape((1,) * pit.ndim + (-1,))
    count = jnp.sum(inside & known[..., None], -2)
    total = jnp.sum(known, -1, keepdims=True)
    return ((count + TRUST / PARTS) / (total + TRUST)).astype(pit.dtype)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Isotonic:
    """P(Y <= y) is a piecewise linear map of that of another distribution.

    `shares` (..., k) are the probabilities of the `base`'s k quantile intervals, above
    0 and of sum 1. Mean and improvement are exact; variance and entropy are an
    `expectation`.
    """

    base: Predictive
    shares: Array

    cdf = cdf_of
    sample = sample_of

    @property
    def _slopes(self) -> Array:
        return self.shares * PARTS

    def _edges(self) -> Array:
        """Inner ends of the intervals, the base's quantiles, (k - 1, ...)."""
        ones = (1,) * self.base.mean.ndim
        at = jnp.asarray(_STARTS[1:], self.shares.dtype).reshape(-1, *ones)
        return self.base.icdf(at)

    def _summed(self, above: Array, below: Array) -> Array:
        """Sum of slopes times drops of what falls from `above` at -inf to 0 at inf.

        `above` (...) is its value there, `below` (k - 1, ...) those at the edges.
        """
        values = jnp.moveaxis(below, 0, -1)
        first, values = above[..., None], jnp.append(values, 0 * values[..., :1], -1)
        slopes, drops = spread(
            self._slopes, jnp.concatenate([first, values[..., :-1]], -1) - values
        )
        return jnp.sum(slopes * drops, -1)

    @property
    def mean(self) -> Array:
        """Sum of the base's partial means, weighted."""
        edge = self._edges()
        beyond = jnp.exp(self.base.log_ei(edge)) + edge * jnp.exp(
            self.base.log_sf(edge)
        )
        return self._summed(self.base.mean, beyond)

    @property
    def var(self) -> Array:
        """Variance, by quadrature."""
        centre = self.mean[None, None]
        return expectation(self, lambda y: (y - centre) ** 2)

    def log_prob(self, y: ArrayLike) -> Array:
        """Log density at `y`."""
        p = self.base.cdf(y)
        p1, start, slopes = spread(p[..., None], self._starts(), self._slopes)
        inside = (p1 >= start) & (p1 < start + 1 / PARTS)
        inside |= (p1 >= 1) & (start >= 1 - 1 / PARTS)
        slope = jnp.sum(jnp.where(inside, slopes, 0), -1)
        return jnp.add(*spread(self.base.log_prob(y), jnp.log(slope)))

    def _starts(self) -> Array:
        return jnp.asarray(_STARTS, self.shares.dtype)

    def _log_tail(self, log_p: Array, slopes: Array) -> Array:
        """Log of the mapped probability, intervals counted from the tail on."""
        p1, start, slopes = spread(jnp.exp(log_p)[..., None], self._starts(), slopes)
        inner = jnp.sum(slopes * jnp.clip(p1 - start, 0, 1 / PARTS), -1)
        log_p, first = spread(log_p, slopes[..., 0])
        outer = inner <= first / PARTS * 0.999
        return jnp.where(
            outer, jnp.log(first) + log_p, jnp.log(jnp.where(outer, 1, inner))
        )

    def log_cdf(self, y: ArrayLike) -> Array:
        """Log P(Y <= y)."""
        return self._log_tail(self.base.log_cdf(y), self._slopes)

    def log_sf(self, y: ArrayLike) -> Array:
        """Log P(Y > y)."""
        return self._log_tail(self.base.log_sf(y), self._slopes[..., ::-1])

    def icdf(self, p: ArrayLike) -> Array:
        """Quantile at `p`."""
        width = self.shares
        start = jnp.cumsum(width, -1) - width
        p1, start, width = spread(jnp.asarray(p)[..., None], start, width)
        level = jnp.sum(jnp.clip((p1 - start) / width, 0, 1), -1) / PARTS
        info = jnp.finfo(level.dtype)
        return self.base.icdf(jnp.clip(level, info.tiny, 1 - info.eps))

    def log_ei(self, best: ArrayLike) -> Array:
        """Log expected improvement on `best`, from the base's beyond each edge."""
        edge, best = self._edges(), jnp.asarray(best)
        more = max(0, best.ndim - edge.ndim + 1)
        edge = edge.reshape(len(edge), *(1,) * more, *edge.shape[1:])
        edge, best = spread(edge, best[None])
        far = jnp.maximum(edge, best)
        whole = self.base.log_ei(best[0])
        gap = jnp.where(far > best, far - best, 1)
        rest = jnp.where(far > best, jnp.log(gap) + self.base.log_sf(far), -jnp.inf)
        log_beyond = jnp.logaddexp(self.base.log_ei(far), rest)
        ratio = jnp.where(far > best, jnp.exp(log_beyond - whole[None]), 1)
        return whole + jnp.log(self._summed(jnp.ones_like(whole), ratio))

    def entropy(self) -> Array:
        """Differential entropy, by quadrature."""
        return -expectation(self, self.log_prob)

    def knots(self) -> Array:
        """The base's knots and the edges, where the density jumps."""
        edges = jnp.moveaxis(self._edges(), 0, -1)
        return jnp.concatenate([self.base.knots(), edges], -1)
