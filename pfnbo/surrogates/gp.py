"""Exact Gaussian processes, one per output, fitted together by maximum a posteriori.

Everything here runs in the dtype of its inputs; callers pass float64 arrays inside
`jax.enable_x64()`, which keeps the rest of the program in float32.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import bfgs
from pfnbo.data import Data
from pfnbo.predictive import Normal
from pfnbo.surrogates.draws import FEATURES, NoiseFree, Path, fourier, latents

NOISE_FLOOR = 1e-8  # variance, relative to the standardised output
MEAN_VARIANCE = 1.0  # prior variance of the constant mean


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


def _squared_distance(
    a: jax.Array,  # (n, d)
    b: jax.Array,  # (m, d)
) -> jax.Array:
    # One matrix product instead of n*m*d differences; float64 keeps 1e-11 of it.
    sq_a, sq_b = jnp.sum(a * a, 1), jnp.sum(b * b, 1)
    return jnp.maximum(sq_a[:, None] + sq_b[None, :] - 2 * a @ b.T, 0)


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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GPPosterior:
    """One fitted Gaussian process per output.

    `theta` holds the logarithms of length-scales, signal variance and noise variance.
    """

    theta: jax.Array  # (outputs, d + 2)
    x: jax.Array  # (n, d)
    y: jax.Array  # (outputs, n)
    seen: jax.Array  # (outputs, n) bool
    root: jax.Array  # (outputs, n, n) inverse Cholesky factor
    alpha: jax.Array  # (outputs, n)
    evidence: jax.Array  # (outputs,) log posterior density of theta
    kernel: str = field(metadata=dict(static=True))

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return jax.vmap(self._marginal, (0, 0, 0, 0, None))(
            self.theta, self.seen, self.root, self.alpha, x
        )

    def _marginal(self, theta, seen, root, alpha, x) -> Normal:
        row = _cross(theta, x[None], self.x, self.kernel)[0] * seen
        prior = jnp.exp(theta[-2]) + MEAN_VARIANCE
        var = prior - jnp.sum((root @ row) ** 2)
        return Normal(row @ alpha, jnp.sqrt(jnp.maximum(var, 1e-12 * prior)))

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        return jax.vmap(lambda row: jnp.asarray(self.predict(row).loc), out_axes=1)(x)

    def select(self, outputs: np.ndarray) -> "GPPosterior":
        """Return the posterior of some outputs, on the host."""
        named = ("theta", "y", "seen", "root", "alpha", "evidence")
        kept = {name: np.asarray(getattr(self, name))[outputs] for name in named}
        return replace(self, **kept)  # type: ignore[arg-type]

    def covariance(
        self,
        a: jax.Array,  # (p, d)
        b: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the posterior covariance of the latent outputs, (outputs, p, q)."""

        def one(theta, seen, root):
            to_a = root @ (_cross(theta, a, self.x, self.kernel) * seen[None]).T
            to_b = root @ (_cross(theta, b, self.x, self.kernel) * seen[None]).T
            return _cross(theta, a, b, self.kernel) - to_a.T @ to_b

        return jax.vmap(one)(self.theta, self.seen, self.root)

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        mean = self.means(x)
        cov = self.covariance(x, x)
        values, vectors = jnp.linalg.eigh(cov)
        scale = jnp.sqrt(jnp.maximum(values, 0))[:, None, :] * vectors
        noise = jax.random.normal(key, (n, *mean.shape), mean.dtype)
        return mean[None] + jnp.einsum("oij,noj->noi", scale, noise)

    def path(self, key: jax.Array, features: int = FEATURES) -> Path:
        """Return one joint draw of the latent outputs as a function of the point.

        Args:
            key: random key.
            features: frequencies of the prior draw, which is the only approximation.

        Source: Wilson et al. 2020, arXiv 2002.09309.
        """
        draw, noise = jax.random.split(key)
        variance = jnp.exp(self.theta[:, -2])
        lengths = self.length_scales
        prior = fourier(draw, self.kernel, lengths, variance, MEAN_VARIANCE, features)
        error = jax.random.normal(noise, self.y.shape, self.y.dtype)
        error = error * jnp.sqrt(self.noise)[:, None]
        lack = self.y - jax.vmap(prior, out_axes=1)(self.x) - error
        alpha = jax.vmap(_solve)(self.root, jnp.where(self.seen, lack, 0))
        return Path(prior, replace(self, alpha=alpha))

    def noise_free(
        self, key: jax.Array, n: int, quiet: float = NOISE_FLOOR
    ) -> NoiseFree:
        """Return `n` posteriors, each after a joint draw of the latents at the data.

        Args:
            key: random key.
            n: number of draws.
            quiet: an output with less noise variance keeps it, and each of its draws
                is the data.

        Source: Letham et al. 2019, arXiv 1706.07094.
        """

        def one(key, theta, y, seen, root):
            # `kept` holds the noise that stays, for the matrix to be positive.
            floor = theta.at[-1].set(jnp.log(NOISE_FLOOR))
            kept = jnp.where(_noise(theta) < quiet, theta, floor)
            k = _gram(kept, self.x, seen, self.kernel)
            own, _ = inverse_root(k)
            noise = jnp.maximum(_noise(theta) - _noise(kept), 0)
            values = latents(key, n, y, seen, noise, k, own, root)
            return own, values, values @ own.T @ own

        keys = jax.random.split(key, len(self.y))
        root, values, alpha = jax.vmap(one, out_axes=(0, 1, 1))(
            keys, self.theta, self.y, self.seen, self.root
        )
        return NoiseFree(replace(self, root=root), values, alpha)

    def condition(self, data: Data) -> "GPPosterior":
        """Return the posterior after other data, hyper-parameters unchanged."""
        return _condition(self.theta, data, self.evidence, self.kernel)

    def leave_one_out(self) -> Normal:
        """Return predictions of each observation from the others, (outputs, n).

        Source: Rasmussen 2006, eq. 5.12; the noise is included.
        """
        precision = jnp.sum(self.root**2, axis=1)
        return Normal(self.y - self.alpha / precision, 1 / jnp.sqrt(precision))

    @property
    def length_scales(self) -> jax.Array:
        """Length-scales in units of the cube, (outputs, d)."""
        return jnp.exp(self.theta[:, :-2])

    @property
    def noise(self) -> jax.Array:
        """Noise variances of the standardised outputs, (outputs,)."""
        return _noise(self.theta)


@dataclass(frozen=True)
class GP:
    """An exact Gaussian process with a dimension-scaled log-normal length-scale prior.

    Args:
        kernel: "rbf", "matern12", "matern32" or "matern52".
        noise: None learns the noise; a number fixes its standard deviation in units
            of the standardised output.
        steps: largest number of evaluations of each start.

    Source of the prior: Hvarfner et al. 2024, arXiv 2402.02229.
    """

    kernel: str = "matern52"
    noise: float | None = None
    steps: int = 60

    def fit(self, data: Data) -> GPPosterior:
        """Return the maximum a posteriori fit of every output of `data`."""
        fixed = jnp.nan if self.noise is None else self.noise**2 + NOISE_FLOOR
        return _fit(data, jnp.asarray(fixed, data.x.dtype), self.kernel, self.steps)


def _cross(theta, a, b, kernel: str) -> jax.Array:
    scale = jnp.exp(-theta[:-2])[None]
    r2 = _squared_distance((a - 0.5) * scale, (b - 0.5) * scale)
    return jnp.exp(theta[-2]) * KERNELS[kernel](r2) + MEAN_VARIANCE


def _noise(theta) -> jax.Array:
    # A strong signal needs more than the floor to keep its matrix positive.
    return jnp.exp(theta[..., -1]) + 1e-10 * jnp.exp(theta[..., -2])


def _gram(theta, x, seen, kernel: str) -> jax.Array:
    both = seen[:, None] & seen[None, :]
    # Unseen rows become independent unit normals: they change nothing.
    return jnp.where(both, _cross(theta, x, x, kernel), 0) + jnp.diag(
        jnp.where(seen, _noise(theta), 1)
    )


def _solve(root, y) -> jax.Array:
    return (root @ y) @ root


def _log_prior(theta: jax.Array) -> jax.Array:
    d = theta.shape[0] - 2
    length = (theta[:-2] - (2**0.5 + 0.5 * jnp.log(max(d, 1)))) / 3**0.5
    signal = theta[-2] / 2
    noise = (theta[-1] - jnp.log(1e-6)) / 4
    return -0.5 * (jnp.sum(length**2) + signal**2 + noise**2)


def _starts(d: int, dtype) -> jax.Array:
    lengths = jnp.log(jnp.asarray([0.3, 1.5], dtype) * max(d, 1) ** 0.5)
    rest = jnp.log(jnp.asarray([[1.0, 1e-4], [1.0, 1e-6]], dtype))
    return jnp.concatenate([jnp.repeat(lengths[:, None], d, 1), rest], 1)


@functools.partial(jax.jit, static_argnames=("kernel", "steps"))
def _fit(data: Data, noise: jax.Array, kernel: str, steps: int) -> GPPosterior:
    d, dtype = data.x.shape[1], data.x.dtype
    low = jnp.log(jnp.asarray([0.02] * d + [1e-2, NOISE_FLOOR], dtype))
    high = jnp.log(jnp.asarray([1e2] * d + [1e4, 1.0], dtype))
    fixed = jnp.isnan(noise)
    low = low.at[-1].set(jnp.where(fixed, low[-1], jnp.log(noise)))
    high = high.at[-1].set(jnp.where(fixed, high[-1], jnp.log(noise)))

    def one(y, seen, start):
        def loss(theta):
            k = _gram(theta, data.x, seen, kernel)
            return -log_evidence(k, y) - _log_prior(theta)

        return bfgs.minimize(
            jax.value_and_grad(loss), start, low, high, steps=steps, tolerance=1e-2
        )

    over_starts = jax.vmap(one, (None, None, 0))
    thetas, losses = jax.vmap(over_starts, (0, 0, None))(
        data.y, data.seen, _starts(d, dtype)
    )
    best = jnp.nanargmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf), axis=1)
    theta = jnp.take_along_axis(thetas, best[:, None, None], 1)[:, 0]
    loss = jnp.take_along_axis(losses, best[:, None], 1)[:, 0]
    return _condition(theta, data, -loss, kernel)


@functools.partial(jax.jit, static_argnames="kernel")
def _condition(theta, data: Data, evidence, kernel: str) -> GPPosterior:
    def one(theta, y, seen):
        k = _gram(theta, data.x, seen, kernel)
        root, _ = inverse_root(k)
        return root, _solve(root, y)

    root, alpha = jax.vmap(one)(theta, data.y, data.seen)
    return GPPosterior(theta, data.x, data.y, data.seen, root, alpha, evidence, kernel)
