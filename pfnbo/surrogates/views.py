"""Chooses, for each output, the monotone view that a Gaussian process explains best.

The factor of a kernel matrix does not depend on the view, so dozens of views cost
little more than one: each needs one product with the inverse factor.
"""

import functools

import jax
import jax.numpy as jnp

from pfnbo import bfgs
from pfnbo.surrogates.gp import (
    WARP, limits,
    gram,
    inverse_root,
    log_evidence,
    log_prior,
)

RELATIVE_LENGTHS = (0.15, 0.4, 1.0)  # of the square root of the dimension
NOISE = 1e-4
STEPS = 20


@functools.partial(jax.jit, static_argnames="kernel")
def choose_views(
    x: jax.Array,  # (n, d)
    views: jax.Array,  # (outputs, views, n), standardised, 0 where unseen
    seen: jax.Array,  # (outputs, n) bool
    jacobians: jax.Array,  # (outputs, views) sums of log dz/dy, -inf to leave out
    kernel: str = "matern52",
) -> jax.Array:
    """Return the index of the best view of every output, (outputs,).

    Evidences under a few isotropic kernels choose a first view; the kernel fitted to
    it judges all views again.
    """
    d, dtype = x.shape[1], x.dtype
    lengths = jnp.log(jnp.asarray(RELATIVE_LENGTHS, dtype) * max(d, 1) ** 0.5)
    tail = jnp.broadcast_to(jnp.asarray([0.0] * (2 * d + 1) + [jnp.log(NOISE)], dtype), (3, 2 * d + 2))
    starts = jnp.concatenate([jnp.repeat(lengths[:, None], d, 1), tail], 1)
    low, high = limits(d, WARP, dtype)

    def one(views, seen, jacobians):
        def judge(theta):
            return _profile_evidence(gram(theta, x, seen, kernel), views, seen)

        first = jax.vmap(judge)(starts) + jacobians[None]
        best = jnp.unravel_index(jnp.argmax(first), first.shape)

        def loss(theta):
            k = gram(theta, x, seen, kernel)
            return -log_evidence(k, views[best[1]]) - log_prior(theta)

        theta, _ = bfgs.minimize(
            jax.value_and_grad(loss),
            starts[best[0]],
            low,
            high,
            steps=STEPS,
            tolerance=1e-1,
        )
        return jnp.argmax(jnp.nan_to_num(judge(theta) + jacobians, nan=-jnp.inf))

    return jax.vmap(one)(views, seen, jacobians)


def _profile_evidence(k, views, seen) -> jax.Array:
    """Log evidence of each view at the best scale of `k`, up to a constant."""
    root, diagonal = inverse_root(k)
    n = jnp.sum(seen)
    square = jnp.sum((root @ views.T) ** 2, 0)
    return -0.5 * n * jnp.log(square + 1e-300) - jnp.sum(jnp.log(diagonal))
