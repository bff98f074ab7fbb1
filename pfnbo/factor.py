"""The inverse Cholesky factor of a covariance matrix, and the evidence from it."""

import jax
import jax.numpy as jnp


def inverse_root(
    k: jax.Array,  # (n, n), n a power of two
) -> tuple[jax.Array, jax.Array]:
    """Return the inverse of the Cholesky factor of `k`, and the factor's diagonal.

    Diagonal blocks of doubling size are inverted together by matrix products: on CPU
    a batched triangular solve costs a hundred times as much as the factorisation.
    """
    chol = jnp.linalg.cholesky(k)
    diagonal = jnp.diagonal(chol)
    n = k.shape[0]
    inverse = (1 / diagonal)[:, None, None]  # (blocks, size, size)
    size = 1
    while size < n:
        pairs = n // (2 * size)
        blocks = chol.reshape(pairs, 2, size, pairs, 2, size)[:, 1, :, :, 0, :]
        below = jnp.moveaxis(jnp.diagonal(blocks, axis1=0, axis2=2), -1, 0)
        upper, lower = inverse[0::2], inverse[1::2]
        corner = -lower @ below @ upper
        top = jnp.concatenate([upper, jnp.zeros_like(upper)], 2)
        inverse = jnp.concatenate([top, jnp.concatenate([corner, lower], 2)], 1)
        size *= 2
    return inverse[0], diagonal


def apply_inverse(
    root: jax.Array,  # (n, n) of `inverse_root`
    y: jax.Array,  # (n,)
) -> jax.Array:
    """Return the inverse of the matrix times `y`, (n,)."""
    return (root @ y) @ root


@jax.custom_vjp
def log_evidence(
    k: jax.Array,  # (n, n)
    y: jax.Array,  # (n,)
) -> jax.Array:
    """Log density of `y` under N(0, k) up to the constant (Rasmussen 2006, eq. 5.8)."""
    return _log_evidence(k, y)[0]


def _log_evidence(k, y):
    root, diagonal = inverse_root(k)
    white = root @ y
    value = -0.5 * white @ white - jnp.sum(jnp.log(diagonal))
    return value, (root, white @ root)


def _log_evidence_back(kept, bar):
    # Rasmussen 2006, eq. 5.9: one inverse is cheaper than the adjoint of a Cholesky.
    root, alpha = kept
    outer = alpha[:, None] * alpha[None, :]
    return bar * 0.5 * (outer - root.T @ root), -bar * alpha


log_evidence.defvjp(_log_evidence, _log_evidence_back)


@jax.custom_vjp
def solve(
    k: jax.Array,  # (n, n)
    b: jax.Array,  # (n, m)
) -> tuple[jax.Array, jax.Array]:
    """Return `inverse(k) @ b` (n, m) and the logarithm of the determinant of `k`."""
    return _solve(k, b)[0]


def _solve(k, b):
    root, diagonal = inverse_root(k)
    a = root.T @ (root @ b)
    return (a, 2 * jnp.sum(jnp.log(diagonal))), (root, a)


def _solve_back(kept, bar):
    root, a = kept
    bar_a, bar_logdet = bar
    back = root.T @ (root @ bar_a)
    return bar_logdet * (root.T @ root) - back @ a.T, back


solve.defvjp(_solve, _solve_back)
