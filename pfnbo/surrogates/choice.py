"""Chooses, for each output, the view that a Gaussian process explains best.

The factor of a covariance matrix does not depend on the view, so a dozen views cost
little more than one: each needs one product with the inverse factor.
"""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.factor import inverse_root
from pfnbo.kernel import gram, start, ties, warp
from pfnbo.surrogates.gp import GP

LENGTHS = (0.15, 0.4, 1.0)  # of the first kernels, in units of sqrt(d)
NOISE = 1e-4  # their noise variance
JOINT = GP(additive=False)
STEPS = 20  # of the fit that judges the views again


def choose_views(
    x: jax.Array,  # (n, d)
    y: jax.Array,  # (outputs, views, n), standardised, 0 where unseen
    seen: jax.Array,  # (outputs, n) bool
    jacobians: np.ndarray,  # (outputs, views) sums of log dz/dy, -inf for no view
    model: GP = JOINT,
    groups: tuple[tuple[int, int], ...] = (),  # as in `Data`
) -> np.ndarray:
    """Return the index of the view of highest evidence of every output, (outputs,).

    Isotropic kernels choose a first view; the kernel fitted to it judges all again. A
    model like that of the fit which follows shares its program.
    """
    outputs = np.arange(len(y))
    kernel, model = model.whole, replace(model, steps=STEPS)
    tied = ties(x.shape[1], groups, kernel)
    first = [start(len(tied.chosen), length, NOISE, kernel) for length in LENGTHS]
    first = tied.whole(np.stack(first))  # type: ignore[arg-type]
    thetas = np.repeat(first[None], len(y), 0).astype(x.dtype)
    guess = np.asarray(_best(x, y, seen, jacobians, thetas, kernel))
    fitted = model.fit(jax.random.key(0), Data(x, y[outputs, guess], seen, groups))
    # As many kernels as before: another shape would be another compilation.
    thetas = np.repeat(np.asarray(fitted.theta)[:, None], len(LENGTHS), 1)
    return np.asarray(_best(x, y, seen, jacobians, thetas, kernel))


@functools.partial(jit, static_argnames="kernel")
def _best(x, y, seen, jacobians, thetas, kernel: str) -> jax.Array:
    """Return the view of highest evidence under any of some kernels, (outputs,)."""

    def one(y, seen, jacobian, thetas):
        def judge(theta):
            k = gram(theta, warp(theta, x), seen, kernel)
            return _profile_evidence(k, y, jnp.sum(seen)) + jacobian

        worth = jax.vmap(judge)(thetas)
        worth = jnp.nan_to_num(worth, nan=-jnp.inf)
        return jnp.argmax(jnp.max(worth, axis=0))

    return jax.vmap(one)(y, seen, jacobians, thetas)


def _profile_evidence(k, y, n) -> jax.Array:
    """Log evidence of each view at the best scale of `k`, up to a constant."""
    root, diagonal = inverse_root(k)
    square = jnp.sum((root @ y.T) ** 2, 0)
    return -0.5 * n * jnp.log(square + 1e-300) - jnp.sum(jnp.log(diagonal))
