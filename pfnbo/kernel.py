"""Covariances of warped rows, their hyper-parameters `theta` and its prior.

`theta` holds, for one output, the logarithms of d length-scales, of the d + d
parameters of the input warp, of what else the kernel has (the weights of a "blend", the
variances of weights and biases of an infinite network), of the signal variance and of
the noise variance.
"""

import functools
import math
import operator
from collections.abc import Callable

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
NETWORK = (math.log(10.0), math.log(1.3))  # medians of an infinite network's variances

Kernel = str | Infinite


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
    a, b = scaled(theta, a), scaled(theta, b)
    if isinstance(kernel, Infinite):
        correlation = kernel.covariance(a, b, *jnp.exp(theta[-4:-2]))
    else:
        correlation = _correlation(theta, _squared_distance(a, b), kernel)
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


def _correlation(theta: jax.Array, r2: jax.Array, kernel: str) -> jax.Array:
    if kernel != "blend":
        return KERNELS[kernel](r2)
    weights = jax.nn.softmax(theta[-2 - BLENDED : -2])
    each = [w * k(r2) for w, k in zip(weights, KERNELS.values(), strict=True)]
    return functools.reduce(operator.add, each)


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
    shape: float | None = None,
) -> jax.Array:
    """Log evidence of `theta` up to a constant (Rasmussen 2006, eq. 5.8).

    With a `shape` it is that of a Student-t process: the covariance is multiplied by an
    inverse-gamma variable of this shape and rate (Shah et al. 2014, arXiv 1402.4306).
    """
    k = gram(theta, warp(theta, x), seen, kernel)
    if shape is None:
        return log_evidence(k, y)
    solved, log_det = solve(k, y[:, None])
    power = shape + jnp.sum(seen) / 2
    return -power * jnp.log1p(y @ solved[:, 0] / (2 * shape)) - log_det / 2


def log_prior(theta: jax.Array) -> jax.Array:
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
    if theta.shape[0] > 3 * d + 2:
        squares += jnp.sum((theta[-4:-2] - jnp.asarray(NETWORK, theta.dtype)) ** 2)
    return -0.5 * squares - BEND_RATE * jnp.sum(bend)


def blended(theta: jax.Array, kernel: Kernel) -> jax.Array:
    """Return the `theta` of "blend" (..., 3 d + 2 + BLENDED) that is this kernel's."""
    logits = PURE * (2 * np.array([name == kernel for name in KERNELS]) - 1)
    logits = jnp.broadcast_to(
        jnp.asarray(logits, theta.dtype), (*theta.shape[:-1], BLENDED)
    )
    return jnp.concatenate([theta[..., :-2], logits, theta[..., -2:]], -1)


def start(d: int, length: float, noise: float, kernel: Kernel = "") -> np.ndarray:
    """Return a first `theta` without a warp; `length` is in units of sqrt(d)."""
    lengths = [math.log(length * max(d, 1) ** 0.5)] * d
    more = NETWORK if isinstance(kernel, Infinite) else ()
    return np.array([*lengths, *[0.0] * (2 * d), *more, 0.0, math.log(noise)])


def limits(d: int, warped: bool, kernel: Kernel = "") -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the box of `theta`; no warp is a box of no width."""
    bend = np.full(2 * d, LARGEST_BEND * warped)
    more = np.full(2 * isinstance(kernel, Infinite), math.log(1e2))
    low = [math.log(0.02)] * d, -bend, -more, [math.log(1e-2), math.log(NOISE_FLOOR)]
    high = [math.log(1e2)] * d, bend, more, [math.log(1e4), 0.0]
    return np.concatenate(low), np.concatenate(high)
