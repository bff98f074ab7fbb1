"""Covariances of infinitely wide networks, and draws of wide ones.

A network with normal weights tends to a Gaussian process as its layers grow (Neal 1996;
Lee et al. 2018, arXiv 1711.00165). Every layer multiplies by weights of variance
`weight` / width and adds a bias of variance `bias`; inputs of unit size are wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from numpy.polynomial.chebyshev import cheb2poly, chebfit, chebpts1

from pfnbo.errors import SettingError

WIDTH = 256  # of the layers of a draw


# arccos(x) / sqrt(1 - x) on [0, 1] as a polynomial in 2 x - 1, to 14 digits: XLA's own
# arccos calls a function for each number, which takes most of the time of a fit.
_AT = chebpts1(23)
_ANGLE = cheb2poly(
    chebfit(_AT, np.arccos((1 + _AT) / 2) / np.sqrt((1 - _AT) / 2), len(_AT) - 1)
)


def arccos(c: jax.Array) -> jax.Array:
    """Return the angle whose cosine is `c`, clipped to [-1, 1], within 1e-13."""
    size = jnp.minimum(jnp.abs(c), 1)
    u, angle = 2 * size - 1, jnp.full_like(c, _ANGLE[-1])
    for coefficient in _ANGLE[-2::-1]:
        angle = angle * u + coefficient
    angle = jnp.sqrt(1 - size) * angle
    return jnp.where(c < 0, jnp.pi - angle, angle)


@jax.custom_jvp
def _arc(c: jax.Array) -> jax.Array:
    """Return sin t + (pi - t) cos t at cos t = `c`."""
    c = jnp.clip(c, -1, 1)
    return jnp.sqrt(1 - c * c) + (jnp.pi - arccos(c)) * c


@_arc.defjvp
def _arc_jvp(primals, tangents):
    # The slopes of both terms are infinite at 1, where two points meet, and cancel.
    (c,), (dc,) = primals, tangents
    return _arc(c), (jnp.pi - arccos(c)) * dc


@jax.custom_jvp
def _arcsin(s: jax.Array) -> jax.Array:
    return jnp.pi / 2 - arccos(s)


@_arcsin.defjvp
def _arcsin_jvp(primals, tangents):
    (s,), (ds,) = primals, tangents
    return _arcsin(s), ds / jnp.sqrt(1 - s * s)


def _relu(ab: jax.Array, aa: jax.Array, bb: jax.Array) -> jax.Array:
    """E[relu(u) relu(v)] of normals with these moments, Cho & Saul 2009, eq. 6."""
    size = jnp.sqrt(aa) * jnp.sqrt(bb)
    return size * _arc(ab / size) / (2 * jnp.pi)


def _erf(ab: jax.Array, aa: jax.Array, bb: jax.Array) -> jax.Array:
    """E[erf(u) erf(v)] of normals with these moments, Williams 1997, eq. 11."""
    size = jnp.sqrt(0.5 + aa) * jnp.sqrt(0.5 + bb)
    return 2 / jnp.pi * _arcsin(ab / size)


# The moment of two units, and the activation itself.
ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "relu": (_relu, jax.nn.relu),
    "erf": (_erf, erf),
}


@dataclass(frozen=True)
class Infinite:
    """The covariance of an infinitely wide network, scaled to 1 at |x| = 1.

    Args:
        activation: "relu" or "erf"; the latter is near to tanh.
        depth: number of hidden layers.
        even: whether the output is divided by its deviation, which grows with |x|, so
            that the variance is 1 everywhere.
    """

    activation: str = "relu"
    depth: int = 3
    even: bool = False

    def __post_init__(self):
        """Refuse a network that is none."""
        if self.activation not in ACTIVATIONS:
            raise SettingError(
                f"activation is {self.activation!r}: wanted one of {[*ACTIVATIONS]}."
            )
        if self.depth < 1:
            raise SettingError(f"depth is {self.depth}: a hidden layer is needed.")

    def covariance(
        self,
        a: jax.Array,  # (n, d)
        b: jax.Array,  # (m, d)
        weight: jax.Array,
        bias: jax.Array,
    ) -> jax.Array:
        """Return the covariance of the outputs at two sets of points, (n, m)."""
        aa, bb = jnp.sum(a * a, 1)[:, None], jnp.sum(b * b, 1)[None]
        ab, aa, bb, one = self._through(a @ b.T, aa, bb, weight, bias)
        return ab / (jnp.sqrt(aa) * jnp.sqrt(bb) if self.even else one)

    def variance(self, a: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
        """Return the variance of the output at points (n, d), (n,)."""
        size = self.size(a, weight, bias)
        return jnp.ones_like(size) if self.even else size

    def size(self, a: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
        """Return the variance before what `even` divides by, (n,)."""
        square = jnp.sum(a * a, 1)
        own, _, _, one = self._through(square, square, square, weight, bias)
        return own / one

    def _through(self, ab, aa, bb, weight, bias):
        """Return the moments of the outputs, and the variance at |x| = 1."""
        moment, _ = ACTIVATIONS[self.activation]
        one = jnp.ones_like(bias)
        ab, aa, bb, one = (bias + weight * k for k in (ab, aa, bb, one))
        for _ in range(self.depth):
            ab = bias + weight * moment(ab, aa, bb)
            aa, bb, one = (bias + weight * moment(k, k, k) for k in (aa, bb, one))
        return ab, aa, bb, one

    def draw(
        self, key: jax.Array, d: int, weight: jax.Array, bias: jax.Array
    ) -> list[tuple[jax.Array, jax.Array]]:
        """Return weights and biases of one network, scaled as the covariance is."""
        sizes, one = [d] + [WIDTH] * self.depth + [1], bias + weight
        moment, _ = ACTIVATIONS[self.activation]
        for _ in range(self.depth):
            one = bias + weight * moment(one, one, one)
        layers = []
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
            key, to_weight, to_bias = jax.random.split(key, 3)
            # Inputs come in units in which the sum of d squares is 1, not their mean.
            scale = jnp.sqrt(weight / (fan_in if layers else 1))
            w = scale * jax.random.normal(to_weight, (fan_in, fan_out), weight.dtype)
            b = jnp.sqrt(bias) * jax.random.normal(to_bias, (fan_out,), weight.dtype)
            layers.append((w, b))
        w, b = layers[-1]
        return [*layers[:-1], (w / jnp.sqrt(one), b / jnp.sqrt(one))]

    def apply(
        self,
        layers: list[tuple[jax.Array, jax.Array]],
        x: jax.Array,  # (d,)
        weight: jax.Array,
        bias: jax.Array,
    ) -> jax.Array:
        """Return the output at one point of a network drawn with these variances."""
        _, activate = ACTIVATIONS[self.activation]
        h = x
        for w, b in layers[:-1]:
            h = activate(h @ w + b)
        value = (h @ layers[-1][0] + layers[-1][1])[0]
        if self.even:
            value = value / jnp.sqrt(self.size(x[None], weight, bias)[0])
        return value
