"""The Riemann distribution of prior-data fitted networks."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import erf, logsumexp, ndtri
from jax.typing import ArrayLike

from pfnbo.predictive import cdf_of, sample_of
from pfnbo.special import HALF_LOG_2PI, log_h, log_ndtr, spread

_ROOT_2_PI = math.sqrt(2 / math.pi)  # mean of a standard half-normal
_MEDIAN = 0.6744897501960817  # median of a standard half-normal
_Z = np.linspace(0, 8, 10)[1:]


def _ends(first: ArrayLike, middle: Array, last: ArrayLike) -> Array:
    """`middle` with its first and last entry along the last axis replaced."""
    inner = middle[..., 1:-1]
    first, last = (jnp.asarray(x, middle.dtype) for x in (first, last))
    first, last = (jnp.broadcast_to(x, inner.shape[:-1]) for x in (first, last))
    return jnp.concatenate([first[..., None], inner, last[..., None]], -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bars:
    """Riemann distribution: y = loc + scale z, z piecewise uniform between borders.

    The two outer bars are half-normals that start at the inner border, with the
    scale that puts half of the bar's mass inside it; so the support is the line.
    `logits` (..., k) are the bars' unnormalised log masses, k >= 2; `borders`
    (k + 1,) increase; `loc` and `scale` broadcast to the batch shape (...).

    Source: Mueller et al. 2022, arXiv 2112.10510, for the density; the moments,
    improvement and entropy are the exact integrals, both tails included.
    """

    logits: Array
    borders: Array
    loc: ArrayLike = 0.0
    scale: ArrayLike = 1.0

    cdf = cdf_of
    sample = sample_of

    def _tails(self) -> tuple[Array, Array, Array, Array]:
        """Left anchor and scale, right anchor and scale."""
        b = self.borders
        return b[1], (b[1] - b[0]) / _MEDIAN, b[-2], (b[-1] - b[-2]) / _MEDIAN

    def _outer(self, y: ArrayLike) -> tuple[Array, Array, Array, Array]:
        """Standardised y, its distance to both anchors in tail units, and scale."""
        y, loc, scale, _ = spread(y, self.loc, self.scale, self.logits[..., 0])
        left, s_left, right, s_right = self._tails()
        z = (y - loc) / scale
        return z, (z - left) / s_left, (z - right) / s_right, scale

    def _bars(self, z: Array) -> list[Array]:
        """Z, log mass, left border and right border of each bar, all (..., k)."""
        log_mass = jax.nn.log_softmax(self.logits)
        return spread(z[..., None], log_mass, self.borders[:-1], self.borders[1:])

    def _moments(self) -> list[Array]:
        """Mass, mean and variance of each bar for loc 0 and scale 1."""
        left, s_left, right, s_right = self._tails()
        low, high = self.borders[:-1], self.borders[1:]
        shift, shrink = _ROOT_2_PI, 1 - 2 / math.pi
        mean = _ends(left - s_left * shift, (low + high) / 2, right + s_right * shift)
        var = _ends(s_left**2 * shrink, (high - low) ** 2 / 12, s_right**2 * shrink)
        return spread(jax.nn.softmax(self.logits), mean, var)

    @property
    def mean(self) -> Array:
        """Mean, tails included."""
        mass, mean, _ = self._moments()
        mean, loc, scale = spread(jnp.sum(mass * mean, -1), self.loc, self.scale)
        return loc + scale * mean

    @property
    def var(self) -> Array:
        """Variance, tails included."""
        mass, mean, var = self._moments()
        centre = jnp.sum(mass * mean, -1, keepdims=True)
        var = jnp.sum(mass * (var + (mean - centre) ** 2), -1)
        var, _, scale = spread(var, self.loc, self.scale)
        return scale**2 * var

    def log_prob(self, y: ArrayLike) -> Array:
        """Log density at `y`; at a border, that of the bar on its right."""
        z, below, above, scale = self._outer(y)
        z1, log_mass, low, high = self._bars(z)
        _, s_left, _, s_right = self._tails()
        const = math.log(2) - HALF_LOG_2PI
        flat = jnp.where((z1 >= low) & (z1 < high), -jnp.log(high - low), -jnp.inf)
        below, above = jnp.where(below < 0, below, 0), jnp.where(above < 0, 0, above)
        left = jnp.where(
            z < low[..., 1], const - jnp.log(s_left) - below**2 / 2, -jnp.inf
        )
        right = jnp.where(
            z < low[..., -1], -jnp.inf, const - jnp.log(s_right) - above**2 / 2
        )
        return logsumexp(log_mass + _ends(left, flat, right), -1) - jnp.log(scale)

    def log_cdf(self, y: ArrayLike) -> Array:
        """Log P(Y <= y)."""
        z, below, above, _ = self._outer(y)
        z1, log_mass, low, high = self._bars(z)
        left = math.log(2) + log_ndtr(jnp.where(below < 0, below, 0))
        share = jnp.clip((z1 - low) / (high - low), 0, 1)
        right = erf(jnp.where(above < 0, 0, above) * math.sqrt(0.5))
        log_mass += _ends(left, jnp.zeros_like(share), 0)
        return logsumexp(log_mass, -1, b=_ends(1, share, right))

    def log_sf(self, y: ArrayLike) -> Array:
        """Log P(Y > y), the log_cdf of the mirrored bars."""
        y, loc = jnp.asarray(y), jnp.asarray(self.loc)
        logits, borders = self.logits[..., ::-1], -self.borders[::-1]
        return Bars(logits, borders, -loc, self.scale).log_cdf(-y)

    def icdf(self, p: ArrayLike) -> Array:
        """Quantile at `p`, in closed form."""
        p, loc, scale, _ = spread(p, self.loc, self.scale, self.logits[..., 0])
        p1, log_mass, low, high = self._bars(p)
        tiny = float(jnp.finfo(log_mass.dtype).tiny)
        mass = jnp.maximum(jnp.exp(log_mass), tiny)
        total = jnp.cumsum(mass, -1)
        share = jnp.clip((p1 - total + mass) / mass, 0, 1)
        left, s_left, right, s_right = self._tails()
        # Each tail from its own end, since p - total has lost the small digits.
        below = jnp.minimum(p / (2 * mass[..., 0]), 0.5)
        above = jnp.minimum((1 - p) / (2 * mass[..., -1]), 0.5)
        first, last = left + s_left * ndtri(below), right - s_right * ndtri(above)
        z = _ends(first, low + (high - low) * share, last)
        index = jnp.sum(total[..., :-1] <= p[..., None], -1, keepdims=True)
        return loc + scale * jnp.take_along_axis(z, index, -1)[..., 0]

    def log_ei(self, best: ArrayLike) -> Array:
        """Log expected improvement on `best`, a sum of positive terms."""
        z, below, above, scale = self._outer(best)
        z1, log_mass, low, high = self._bars(z)
        _, s_left, _, s_right = self._tails()
        # The whole half-normal minus its part below `best`; log_h keeps the tail.
        x = jnp.where(below < 0, -below, 0)
        left = s_left * jnp.maximum(x - _ROOT_2_PI + 2 * jnp.exp(log_h(-x)), 0)
        cut = jnp.clip(z1, low, high)
        gain = (high - cut) * ((high + cut) / 2 - z1) / (high - low)
        out, back = jnp.where(above < 0, 0, above), jnp.where(above < 0, -above, 0)
        right = jnp.where(
            above < 0, jnp.log(back + _ROOT_2_PI), math.log(2) + log_h(-out)
        )
        log_mass += _ends(0, jnp.zeros_like(gain), right + jnp.log(s_right))
        total = logsumexp(log_mass, -1, b=_ends(left, gain, 1))
        return jnp.log(scale) + total

    def entropy(self) -> Array:
        """Differential entropy, in closed form."""
        _, s_left, _, s_right = self._tails()
        half = 0.5 * math.log(math.pi * math.e / 2)
        width = jnp.log(jnp.diff(self.borders))
        bars = _ends(half + jnp.log(s_left), width, half + jnp.log(s_right))
        log_mass, bars = spread(jax.nn.log_softmax(self.logits), bars)
        total = jnp.sum(jnp.exp(log_mass) * (bars - log_mass), -1)
        total, _, scale = spread(total, self.loc, self.scale)
        return total + jnp.log(scale)

    def knots(self) -> Array:
        """The inner borders, and nine more points in either tail."""
        left, s_left, right, s_right = self._tails()
        far = jnp.asarray(_Z, self.borders.dtype)
        inner = self.borders[1:-1]
        ends = [left - s_left * far[::-1], inner, right + s_right * far]
        _, loc, scale = spread(self.mean, self.loc, self.scale)
        z, loc, scale = spread(jnp.concatenate(ends), loc[..., None], scale[..., None])
        return loc + scale * z
