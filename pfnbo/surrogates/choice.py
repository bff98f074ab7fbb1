"""Chooses, for each output, the view that a Gaussian process explains best.

The factor of a covariance matrix does not depend on the view, so a dozen views cost
little more than one: each needs one product with the inverse factor.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import bfgs
from pfnbo.surrogates.factor import inverse_root, log_evidence
from pfnbo.surrogates.kernel import gram, limits, log_prior, start, warp

LENGTHS = (0.15, 0.4, 1.0)  # first length-scales, in units of sqrt(d)
NOISE = 1e-4
STEPS = 20
KERNEL = "matern52"


def choose_views(
    x: jax.Array,  # (n, d)
    y: jax.Array,  # (outputs, views, n), standardised, 0 where unseen
    seen: jax.Array,  # (outputs, n) bool
    jacobians: np.ndarray,  # (outputs, views) sums of log dz/dy, -inf for no view
) -> np.ndarray:
    """Return the index of the view of highest evidence of every output, (outputs,).

    Isotropic kernels choose a first view; the kernel fitted to it judges all again.
    """
    d = x.shape[1]
    starts = np.stack([start(d, length, NOISE) for length in LENGTHS])
    return np.asarray(_choose(x, y, seen, jacobians, starts, *limits(d, warped=True)))


@jax.jit
def _choose(x, y, seen, jacobians, starts, low, high):
    def one(y, seen, jacobians):
        def covariance(theta):
            return gram(theta, warp(theta, x), seen, KERNEL)

        def judge(theta):
            worth = _profile_evidence(covariance(theta), y, jnp.sum(seen)) + jacobians
            return jnp.nan_to_num(worth, nan=-jnp.inf)

        first = jax.vmap(judge)(starts)
        guess, view = jnp.unravel_index(jnp.argmax(first), first.shape)

        def loss(theta):
            return -log_evidence(covariance(theta), y[view]) - log_prior(theta)

        theta, _ = bfgs.minimize(
            jax.value_and_grad(loss),
            starts[guess],
            low,
            high,
            steps=STEPS,
            tolerance=0.1,
        )
        return jnp.argmax(judge(theta))

    return jax.vmap(one)(y, seen, jacobians)


def _profile_evidence(k, y, n) -> jax.Array:
    """Log evidence of each view at the best scale of `k`, up to a constant."""
    root, diagonal = inverse_root(k)
    square = jnp.sum((root @ y.T) ** 2, 0)
    return -0.5 * n * jnp.log(square + 1e-300) - jnp.sum(jnp.log(diagonal))
