"""Draws of Gaussian processes as functions, which can be evaluated anywhere."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.infinite import Infinite
from pfnbo.kernel import (
    ADDITIVE,
    BLENDED,
    KERNELS,
    MEAN_VARIANCE,
    Kernel,
    scaled,
)
from pfnbo.predictive import Normal

FEATURES = 512  # frequencies; two features, sine and cosine, come with each

# Degrees of freedom of the spectral density, 2 nu for Matern-nu; 0 says normal.
DEGREES = {"rbf": 0, "matern12": 1, "matern32": 3, "matern52": 5}


def frequencies(
    key: jax.Array, kernel: str, shape: tuple[int, ...], dtype
) -> jax.Array:
    """Return draws `(..., d)` from the spectral density of a kernel at unit scale.

    It is normal for the squared exponential and a multivariate Student t with 2 nu
    degrees of freedom for Matern-nu (Rasmussen 2006, eq. 4.15).
    """
    direction, length = jax.random.split(key)
    normal = jax.random.normal(direction, shape, dtype)
    dof = DEGREES[kernel]
    if dof == 0:
        return normal
    squares = jax.random.normal(length, (*shape[:-1], dof), dtype) ** 2
    return normal * jnp.sqrt(dof / jnp.sum(squares, -1, keepdims=True))


def tailed(
    key: jax.Array, kernel: str, shape: tuple[int, ...], dtype
) -> tuple[jax.Array, jax.Array]:
    """Return frequencies (..., features, d) and their shares of the variance.

    Between the data the doubt is all in high frequencies, which the spectral density of
    a smooth Matern kernel draws too seldom. Every other frequency is one of Matern-1/2
    instead, and all have weights (balance heuristic, Veach & Guibas 1995).
    """
    own, rough = jax.random.split(key)
    waves = frequencies(own, kernel, shape, dtype)
    dof = DEGREES[kernel]
    if dof < 2:
        return waves, jnp.full(shape[:-1], 1 / shape[-2], dtype)
    odd = (np.arange(shape[-2]) % 2 == 1)[:, None]
    waves = jnp.where(odd, frequencies(rough, "matern12", shape, dtype), waves)
    r2, d = jnp.sum(waves**2, -1), shape[-1]
    odds = jnp.exp(_log_density(r2, 1, d) - _log_density(r2, dof, d))
    weights = 1 / (1 + odds)
    return waves, weights / jnp.sum(weights, -1, keepdims=True)


def _log_density(r2: jax.Array, dof: int, d: int) -> jax.Array:
    """Log density of a multivariate Student t at squared radius `r2`."""
    scale = (
        math.lgamma((dof + d) / 2)
        - math.lgamma(dof / 2)
        - d / 2 * math.log(dof * math.pi)
    )
    return scale - (dof + d) / 2 * jnp.log1p(r2 / dof)


def spectrum(
    key: jax.Array,
    kernel: str,
    theta: jax.Array,  # (outputs, parameters) as in kernel.py
    features: int,
    d: int,
) -> tuple[jax.Array, jax.Array]:
    """Return frequencies (outputs, waves, d) and the share of the variance of each.

    Every part of a kernel has all its `features`, whatever its weight: beside a
    smooth kernel, a rough one of weight 1e-7 may be all the doubt that is left between
    the data, and drawn by its weight it would be missed.
    """
    joint, (outputs, dtype) = kernel.removesuffix(ADDITIVE), (len(theta), theta.dtype)
    names = list(KERNELS) if joint == "blend" else [joint]
    *keys, alone = jax.random.split(key, len(names) + 1)
    parts = [
        tailed(k, name, (outputs, features, d), dtype)
        for k, name in zip(keys, names, strict=True)
    ]
    weights = jnp.ones((outputs, 1), dtype)
    if joint == "blend":
        weights = jax.nn.softmax(theta[:, -2 - BLENDED : -2])
    if joint != kernel and d > 1:
        share = jax.nn.sigmoid(theta[:, 3 * d])[:, None]
        weights = jnp.concatenate([(1 - share) * weights, share], 1)
        parts.append(_one_column(alone, outputs, features, d, dtype))
    waves, shares = zip(*parts, strict=True)
    shares = [shares[i] * weights[:, i, None] for i in range(len(parts))]
    return jnp.concatenate(waves, 1), jnp.concatenate(shares, 1)


def _one_column(key: jax.Array, outputs: int, features: int, d: int, dtype):
    """Return frequencies and shares of the additive kernel, columns by turns."""
    each = -(-features // d)
    along, shares = tailed(key, "matern52", (outputs, d, each, 1), dtype)
    waves = d**0.5 * along * jnp.eye(d, dtype=dtype)[None, :, None]
    return waves.reshape(outputs, -1, d), shares.reshape(outputs, -1) / d


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fourier:
    """One prior draw of each output as a sum of waves and a constant."""

    frequency: jax.Array  # (outputs, waves, d)
    cosine: jax.Array  # (outputs, waves)
    sine: jax.Array  # (outputs, waves)
    level: jax.Array  # (outputs,)

    def __call__(
        self,
        x: jax.Array,  # (outputs, d) one point as each output sees it
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""
        phase = jnp.einsum("ofd,od->of", self.frequency, x)
        waves = self.cosine * jnp.cos(phase) + self.sine * jnp.sin(phase)
        return self.level + jnp.sum(waves, axis=1)


def fourier(
    key: jax.Array,
    kernel: str,
    theta: jax.Array,  # (outputs, parameters) as in kernel.py
    d: int,
    features: int,
) -> Fourier:
    """Return a draw from the prior, its kernel replaced by random features.

    Pairs of sine and cosine make the variance exact at every point; the error of a
    covariance has a standard deviation near variance / sqrt(features) at most
    (Sutherland & Schneider 2015, arXiv 1506.02785, with half of the features).
    """
    outputs, dtype = len(theta), theta.dtype
    waving, weights, constant = jax.random.split(key, 3)
    waves, shares = spectrum(waving, kernel, theta, features, d)
    waves = waves * jnp.exp(-theta[:, None, :d])
    size = jnp.sqrt(jnp.exp(theta[:, None, -2]) * shares)
    normal = jax.random.normal(weights, (2, *size.shape), dtype)
    weight = size[None] * normal
    level = MEAN_VARIANCE**0.5 * jax.random.normal(constant, (outputs,), dtype)
    return Fourier(waves, weight[0], weight[1], level)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Wide:
    """One prior draw of each output as a wide network and a constant."""

    theta: jax.Array  # (outputs, parameters)
    layers: Any  # of one network per output
    level: jax.Array  # (outputs,)
    network: Infinite = field(metadata=dict(static=True))

    def __call__(
        self,
        x: jax.Array,  # (outputs, d) one point as each output sees it
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""

        def one(theta, layers, x):
            row = scaled(theta, x[None])[0]
            value = self.network.apply(layers, row, *jnp.exp(theta[-4:-2]))
            return jnp.exp(theta[-2] / 2) * value

        return self.level + jax.vmap(one)(self.theta, self.layers, x)


def prior_draw(
    key: jax.Array, kernel: Kernel, theta: jax.Array, d: int, features: int
) -> Fourier | Wide:
    """Return a draw from the prior: waves, or a wide network for an infinite one.

    A layer of `infinite.WIDTH` units errs as much as half as many waves.
    """
    if not isinstance(kernel, Infinite):
        return fourier(key, kernel, theta, d, features)
    inner, constant = jax.random.split(key)
    weight, bias = jnp.exp(theta[:, -4:-2]).T
    keys = jax.random.split(inner, len(theta))
    layers = jax.vmap(lambda k, w, b: kernel.draw(k, d, w, b))(keys, weight, bias)
    level = MEAN_VARIANCE**0.5 * jax.random.normal(constant, weight.shape, theta.dtype)
    return Wide(theta, layers, level, kernel)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Path:
    """One posterior draw of all latent outputs, a function of the point.

    Source: Wilson et al. 2020, arXiv 2002.09309: a prior draw plus the
    posterior mean of what the data say that the prior draw lacks.
    """

    prior: Fourier | Wide
    update: Any  # a GPPosterior whose mean is the update

    def __call__(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""
        prior = self.prior(self.update.warped(x))
        return prior + self.update.means(x[None])[:, 0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NoiseFree:
    """Posteriors after noise-free data at the same points, sharing one factor."""

    shared: Any  # a GPPosterior without noise
    values: jax.Array  # (s, outputs, n)
    alpha: jax.Array  # (s, outputs, n)

    @property
    def seen(self) -> jax.Array:
        """Which values belong to observations, (outputs, n) bool."""
        return self.shared.seen

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, (s, outputs)."""
        # Only alpha is batched, so all draws share the products that depend on x.
        return jax.vmap(lambda alpha: replace(self.shared, alpha=alpha).predict(x))(
            self.alpha
        )


def latents(
    key: jax.Array,
    count: int,
    y: jax.Array,  # (n,)
    seen: jax.Array,  # (n,) bool
    noise: jax.Array,  # () variance
    k: jax.Array,  # (n, n) covariance of the latents
    own: jax.Array,  # (n, n) inverse Cholesky factor of k
    root: jax.Array,  # (n, n) the same of k plus noise
) -> jax.Array:
    """Return joint posterior draws of one output at its data, (count, n).

    Source: Wilson et al. 2020, arXiv 2002.09309 (Matheron's rule), with
    k (k + noise)^-1 written as 1 - noise (k + noise)^-1 so that nothing cancels.
    """
    signal, error = jax.random.normal(key, (2, count, *y.shape), y.dtype)
    signal, error = signal @ own @ k, jnp.sqrt(noise) * error
    lack = jnp.where(seen[None], y[None] - signal - error, 0)
    values = y[None] - error - noise * (lack @ root.T @ root)
    return jnp.where(seen[None], values, 0)
