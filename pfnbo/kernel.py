"""Covariances of warped rows, their hyper-parameters `theta` and its prior.

`theta` holds, for one output, the logarithms of d length-scales and of the d + d
parameters of the input warp; then what else the kernel has: the logit of the additive
share, if its name ends in `ADDITIVE`, the logarithms of the weights of a "blend", or of
the variances of weights and biases of an infinite network; and the logarithms of the
signal variance and of the noise variance.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.factor import log_evidence, solve
from pfnbo.infinite import Infinite

LENGTH = 0.3  # median length-scale, times the square root of the dimension
BEND_RATE = 4.0  # rate of the Laplace prior of the logarithms of the warp
LARGEST_BEND = 2.5  # of the same logarithms
EDGE = 1e-6  # the warp may be infinitely steep at 0 and 1, so it stops short of them
NOISE_FLOOR = 1e-8  # variance, relative to the standardised output
MEAN_VARIANCE = 1.0  # prior variance of the constant mean
ADDITIVE = "+additive"  # a share of the signal is a sum of functions of one column
SHARE, SHARE_SD = -1.0, 2.0  # normal prior of the logit of that share
LARGEST_SHARE = 8.0  # of the same logit
NO_SHARE = -16.0  # a share of nothing
# Length-scale of choices over that of a number: two random points then differ as much
# by a choice, whose one-hot codes are 2 apart squared, as by a number, 1/6 apart.
CHOICE = math.log(12) / 2
NETWORK = (math.log(10.0), math.log(1.3))  # medians of an infinite network's variances

Kernel = str | Infinite


class Factor(Protocol):
    """A belief about an unknown factor of the covariance, noise included."""

    def log_evidence(self, square: jax.Array, count: jax.Array) -> jax.Array:
        """Return the log evidence of y' inverse(K) y, less -log|K| / 2, ()."""
        ...


def rbf(r2: jax.Array) -> jax.Array:
    """Squared-exponential correlation at squared scaled distance `r2`."""
    return jnp.exp(-r2 / 2)


def _distance(r2: jax.Array) -> jax.Array:
    # sqrt has an infinite slope at 0, which would turn gradients into NaN.
    return jnp.sqrt(jnp.where(r2 > 1e-20, r2, 1e-20))


def matern12(r2: jax.Array) -> jax.Array:
    """Matern-1/2 correlation at squared scaled distance `r2`."""
    return jnp.exp(-_distance(r2))


def matern32(r2: jax.Array) -> jax.Array:
    """Matern-3/2 correlation at squared scaled distance `r2`."""
    r = 3**0.5 * _distance(r2)
    return (1 + r) * jnp.exp(-r)


def matern52(r2: jax.Array) -> jax.Array:
    """Matern-5/2 correlation at squared scaled distance `r2`."""
    r = 5**0.5 * _distance(r2)
    return (1 + r + r**2 / 3) * jnp.exp(-r)


KERNELS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "rbf": rbf,
    "matern12": matern12,
    "matern32": matern32,
    "matern52": matern52,
}
BLENDED = len(KERNELS)  # weights in the `theta` of "blend", the sum of all kernels
PURE = 8.0  # logit of the only kernel in a blend; that of the others is the negative


def warp(
    theta: jax.Array,  # (3 d + 2,)
    x: jax.Array,  # (..., d) in the unit cube
) -> jax.Array:
    """Return `1 - (1 - x^a)^b` in each column (Kumaraswamy; Snoek et al. 2014)."""
    d = x.shape[-1]
    a, b = jnp.exp(theta[d : 2 * d]), jnp.exp(theta[2 * d : 3 * d])
    inside = EDGE + (1 - 2 * EDGE) * x
    return 1 - (1 - inside**a) ** b


def covariance(
    theta: jax.Array,
    a: jax.Array,  # (n, d) warped
    b: jax.Array,  # (m, d) warped
    kernel: Kernel,
) -> jax.Array:
    """Return the prior covariance of warped rows, (n, m)."""
    d = a.shape[1]
    a, b = scaled(theta, a), scaled(theta, b)
    if isinstance(kernel, Infinite):
        correlation = kernel.covariance(a, b, *jnp.exp(theta[-4:-2]))
    else:
        name = kernel.removesuffix(ADDITIVE)
        correlation = _joint(theta, _squared_distance(a, b), name)
    if is_additive(kernel) and d > 1:
        share = jax.nn.sigmoid(theta[3 * d])
        correlation = (1 - share) * correlation + share * _additive(a, b)
    return jnp.exp(theta[-2]) * correlation + MEAN_VARIANCE


def variance(
    theta: jax.Array,
    a: jax.Array,  # (n, d) warped
    kernel: Kernel,
) -> jax.Array:
    """Return the prior variance of warped rows, (n,)."""
    shape = jnp.ones(a.shape[0], a.dtype)
    if isinstance(kernel, Infinite):
        shape = kernel.variance(scaled(theta, a), *jnp.exp(theta[-4:-2]))
    return jnp.exp(theta[-2]) * shape + MEAN_VARIANCE


def scaled(theta: jax.Array, a: jax.Array) -> jax.Array:
    """Return warped rows `(n, d)` from the middle of the cube in length-scales."""
    return (a - 0.5) * jnp.exp(-theta[: a.shape[1]])[None]


def is_additive(kernel: Kernel) -> bool:
    """Return whether a share of the signal is a sum of functions of one column."""
    return isinstance(kernel, str) and kernel.endswith(ADDITIVE)


def _joint(theta: jax.Array, r2: jax.Array, kernel: str) -> jax.Array:
    if kernel != "blend":
        return KERNELS[kernel](r2)
    weights = jax.nn.softmax(theta[-2 - BLENDED : -2])
    each = [w * k(r2) for w, k in zip(weights, KERNELS.values(), strict=True)]
    return functools.reduce(operator.add, each)


def _additive(
    a: jax.Array,  # (n, d) scaled
    b: jax.Array,  # (m, d)
) -> jax.Array:
    """Return the correlation of a sum of functions of one column each, (n, m).

    Length-scales grow with sqrt(d), and a column alone has no need of that.
    Source: Duvenaud et al. 2011, arXiv 1112.4394, of first order.
    """
    r2 = a.shape[1] * (a[:, None] - b[None]) ** 2
    return jnp.mean(matern52(r2), -1)


def _squared_distance(
    a: jax.Array,  # (n, d)
    b: jax.Array,  # (m, d)
) -> jax.Array:
    # One matrix product instead of n*m*d differences; float64 keeps 1e-11 of it.
    sq_a, sq_b = jnp.sum(a * a, 1), jnp.sum(b * b, 1)
    return jnp.maximum(sq_a[:, None] + sq_b[None, :] - 2 * a @ b.T, 0)


def noise_variance(theta: jax.Array) -> jax.Array:
    """Return the noise variance of each `theta` of the last axis."""
    # A strong signal needs more than the floor to keep its matrix positive.
    return jnp.exp(theta[..., -1]) + 1e-10 * jnp.exp(theta[..., -2])


def gram(
    theta: jax.Array,  # (3 d + 2,)
    rows: jax.Array,  # (n, d) warped
    seen: jax.Array,  # (n,) bool
    kernel: Kernel,
) -> jax.Array:
    """Return the covariance of noisy observations, (n, n).

    Unseen rows become independent unit normals, which change nothing.
    """
    both = seen[:, None] & seen[None, :]
    return jnp.where(both, covariance(theta, rows, rows, kernel), 0) + jnp.diag(
        jnp.where(seen, noise_variance(theta), 1)
    )


def log_marginal_likelihood(
    theta: jax.Array,
    x: jax.Array,  # (n, d) in the unit cube
    y: jax.Array,  # (n,)
    seen: jax.Array,  # (n,) bool
    kernel: Kernel,
    factor: Factor | None = None,
) -> jax.Array:
    """Log evidence of `theta` up to a constant (Rasmussen 2006, eq. 5.8).

    Where the covariance has an unknown `factor`, it is integrated over.
    """
    k = gram(theta, warp(theta, x), seen, kernel)
    if factor is None:
        return log_evidence(k, y)
    solved, log_det = solve(k, y[:, None])
    square = y @ solved[:, 0]
    return factor.log_evidence(square, jnp.sum(seen)) - log_det / 2


def log_prior(theta: jax.Array, kernel: Kernel) -> jax.Array:
    """Log density of `theta` up to a constant.

    Length-scales are log-normal and grow with sqrt(d) (Hvarfner et al. 2024, arXiv
    2402.02229). The warp is Laplace distributed around the identity, so that a column
    stays straight unless the data ask for a bend. The variances of an infinite network
    are log-normal around those of Li et al. 2024, arXiv 2305.20028.
    """
    d = (theta.shape[0] - 2) // 3
    length = theta[:d] - math.log(LENGTH * max(d, 1) ** 0.5)
    bend = jnp.sqrt(theta[d : 3 * d] ** 2 + 1e-4)  # |.|, but smooth at 0
    signal = theta[-2] / 2
    noise = (theta[-1] - math.log(1e-6)) / 4
    squares = jnp.sum(length**2) + signal**2 + noise**2
    if is_additive(kernel):
        squares += ((theta[3 * d] - SHARE) / SHARE_SD) ** 2
    if isinstance(kernel, Infinite):
        squares += jnp.sum((theta[-4:-2] - jnp.asarray(NETWORK, theta.dtype)) ** 2)
    return -0.5 * squares - BEND_RATE * jnp.sum(bend)


def blended(theta: jax.Array, kernel: str) -> jax.Array:
    """Return the `theta` of "blend", additive or not, that is this kernel's."""
    joint = kernel.removesuffix(ADDITIVE)
    logits = PURE * (2 * np.array([name == joint for name in KERNELS]) - 1)
    logits = jnp.broadcast_to(
        jnp.asarray(logits, theta.dtype), (*theta.shape[:-1], BLENDED)
    )
    return jnp.concatenate([theta[..., :-2], logits, theta[..., -2:]], -1)


def shared(theta: jax.Array, d: int) -> jax.Array:
    """Return the same `theta` for the additive kernel, with a share of nothing."""
    none = jnp.full((*theta.shape[:-1], 1), NO_SHARE, theta.dtype)
    return jnp.concatenate([theta[..., : 3 * d], none, theta[..., 3 * d :]], -1)


class Ties(NamedTuple):
    """How all of `theta` follows from as much of it as is free."""

    source: np.ndarray  # (parameters,) which free parameter each one is
    offset: np.ndarray  # (parameters,) what is added to it
    chosen: np.ndarray  # (free columns,) bool, which are dimensions of choices

    def whole(self, free: jax.Array) -> jax.Array:
        """Return `theta` `(..., parameters)` of free parameters `(..., free)`."""
        return free[..., self.source] + self.offset.astype(free.dtype)


def ties(d: int, groups: tuple[tuple[int, int], ...], kernel: Kernel = "") -> Ties:
    """Return the ties of `d` columns: all choices of one dimension have one length.

    The free parameters are the `theta` of as many columns as there are dimensions.

    Args:
        d: number of columns.
        groups: start and width of the columns of each dimension of choices.
        kernel: decides what follows the columns in `theta`.
    """
    owner, offset = np.arange(d), np.zeros(len(start(d, 1.0, 1.0, kernel)))
    for first, width in groups:
        owner[first : first + width] = first
        offset[first : first + width] = CHOICE
    kept, owner = np.unique(owner, return_inverse=True)
    k = len(kept)
    rest = np.arange(3 * k, 3 * k + len(offset) - 3 * d)
    source = np.concatenate([owner, k + owner, 2 * k + owner, rest])
    return Ties(source, offset, np.isin(kept, [first for first, _ in groups]))


def start(
    d: int, length: float, noise: float, kernel: Kernel = "", share: float = SHARE
) -> np.ndarray:
    """Return a first `theta` without a warp; `length` is in units of sqrt(d)."""
    lengths = [math.log(length * max(d, 1) ** 0.5)] * d
    more = NETWORK if isinstance(kernel, Infinite) else (share,) * is_additive(kernel)
    return np.array([*lengths, *[0.0] * (2 * d), *more, 0.0, math.log(noise)])


def limits(d: int, warped: Any, kernel: Kernel = "") -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the box of `theta`; no warp is a box of no width.

    Args:
        d: number of columns.
        warped: whether they are warped, all or each `(d,)`.
        kernel: decides what follows the columns in `theta`.
    """
    bend = np.tile(LARGEST_BEND * np.broadcast_to(warped, d), 2)
    more = np.full(1 * is_additive(kernel), LARGEST_SHARE)
    if isinstance(kernel, Infinite):
        more = np.full(2, math.log(1e2))
    low = [math.log(0.02)] * d, -bend, -more, [math.log(1e-2), math.log(NOISE_FLOOR)]
    high = [math.log(1e2)] * d, bend, more, [math.log(1e4), 0.0]
    return np.concatenate(low), np.concatenate(high)
