"""Exact Gaussian processes, one per output, fitted together by maximum a posteriori.

Everything here runs in the dtype of its inputs; callers pass float64 arrays inside
`jax.enable_x64()`, which keeps the rest of the program in float32.
"""

import functools
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import bfgs
from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.factor import apply_inverse, inverse_root
from pfnbo.kernel import (
    ADDITIVE,
    NOISE_FLOOR,
    Factor,
    Kernel,
    Ties,
    covariance,
    gram,
    is_additive,
    limits,
    log_marginal_likelihood,
    log_prior,
    noise_variance,
    start,
    ties,
    variance,
    warp,
)
from pfnbo.predictive import Normal
from pfnbo.surrogates.draws import FEATURES, NoiseFree, Path, latents, prior_draw

# Length-scale in units of sqrt(d), noise variance, and logit of the additive share at
# the start of each fit; the last one, mostly additive, is left out without a share.
STARTS = ((0.3, 1e-4, -3.0), (1.5, 1e-6, -3.0), (0.3, 0.1, -3.0), (0.3, 1e-4, 2.0))


COARSE = 128  # rows to which all starts are fitted
FINE = 10  # evaluations of the fit of the best one to all rows


class Moves(Protocol):
    """A pytree that moves points, such as a network of each output."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the move of one point `(d,)` for each output, (outputs, d)."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GPPosterior:
    """One fitted Gaussian process per output; `kernel.py` tells what `theta` holds."""

    theta: jax.Array  # (outputs, parameters)
    x: jax.Array  # (n, d)
    rows: jax.Array  # (outputs, n, d) warped x
    y: jax.Array  # (outputs, n)
    seen: jax.Array  # (outputs, n) bool
    root: jax.Array  # (outputs, n, n) inverse Cholesky factor
    alpha: jax.Array  # (outputs, n)
    evidence: jax.Array  # (outputs,) log posterior density of theta
    kernel: Kernel = field(metadata=dict(static=True))
    moves: Moves | None = None  # what a point is moved by after the warp

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return jax.vmap(self._marginal)(
            self.theta, self.rows, self.seen, self.root, self.alpha, self.warped(x)
        )

    def _marginal(self, theta, rows, seen, root, alpha, x) -> Normal:
        row = covariance(theta, x[None], rows, self.kernel)[0] * seen
        prior = variance(theta, x[None], self.kernel)[0]
        var = prior - jnp.sum((root @ row) ** 2)
        return Normal(row @ alpha, jnp.sqrt(jnp.maximum(var, 1e-12 * prior)))

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        latent = self.predict(x)
        return Normal(latent.loc, jnp.sqrt(latent.scale**2 + self.noise))

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        return jax.vmap(lambda row: jnp.asarray(self.predict(row).loc), out_axes=1)(x)

    def warped(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the row as the kernel of each output sees it, (outputs, d)."""
        return _warped(self.theta, self.moves, x)

    def covariance(
        self,
        a: jax.Array,  # (p, d)
        b: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the posterior covariance of the latent outputs, (outputs, p, q)."""

        def one(theta, rows, seen, root, wa, wb):
            to_a = root @ (covariance(theta, wa, rows, self.kernel) * seen[None]).T
            to_b = root @ (covariance(theta, wb, rows, self.kernel) * seen[None]).T
            return covariance(theta, wa, wb, self.kernel) - to_a.T @ to_b

        wa, wb = (jax.vmap(self.warped, out_axes=1)(x) for x in (a, b))
        return jax.vmap(one)(self.theta, self.rows, self.seen, self.root, wa, wb)

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
        prior = prior_draw(draw, self.kernel, self.theta, self.x.shape[1], features)
        error = jax.random.normal(noise, self.y.shape, self.y.dtype)
        error = error * jnp.sqrt(self.noise)[:, None]
        lack = self.y - jax.vmap(prior, 1, 1)(self.rows) - error
        alpha = jax.vmap(apply_inverse)(self.root, jnp.where(self.seen, lack, 0))
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

        def one(key, theta, rows, y, seen, root):
            # `kept` holds the noise that stays, for the matrix to be positive.
            floor = theta.at[-1].set(jnp.log(NOISE_FLOOR))
            kept = jnp.where(noise_variance(theta) < quiet, theta, floor)
            k = gram(kept, rows, seen, self.kernel)
            own, _ = inverse_root(k)
            noise = jnp.maximum(noise_variance(theta) - noise_variance(kept), 0)
            values = latents(key, n, y, seen, noise, k, own, root)
            return own, values, values @ own.T @ own

        keys = jax.random.split(key, len(self.y))
        root, values, alpha = jax.vmap(one, out_axes=(0, 1, 1))(
            keys, self.theta, self.rows, self.y, self.seen, self.root
        )
        return NoiseFree(replace(self, root=root), values, alpha)

    def condition(self, data: Data) -> "GPPosterior":
        """Return the posterior after other data, hyper-parameters unchanged."""
        return condition(self.theta, data, self.evidence, self.kernel, self.moves)

    def leave_one_out(self) -> Normal:
        """Return predictions of each observation from the others, (outputs, n).

        Source: Rasmussen 2006, eq. 5.12; the noise is included.
        """
        precision = jnp.sum(self.root**2, axis=1)
        return Normal(self.y - self.alpha / precision, 1 / jnp.sqrt(precision))

    @property
    def log_likelihood(self) -> jax.Array:
        """Log density of the data given `theta`, up to a constant, (outputs,)."""
        diagonal = jnp.diagonal(self.root, axis1=1, axis2=2)
        return jnp.sum(jnp.log(diagonal), 1) - 0.5 * jnp.sum(self.y * self.alpha, 1)

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self.y - self.noise[:, None] * self.alpha

    @property
    def length_scales(self) -> jax.Array:
        """Length-scales in units of the warped cube, (outputs, d)."""
        return jnp.exp(self.theta[:, : self.x.shape[1]])

    @property
    def noise(self) -> jax.Array:
        """Noise variances of the standardised outputs, (outputs,)."""
        return noise_variance(self.theta)


@dataclass(frozen=True)
class GP:
    """An exact Gaussian process with ARD, its hyper-parameters learned.

    A dimension of choices has one length-scale: any two choices are as far apart.

    Args:
        kernel: "rbf", "matern12", "matern32", "matern52", or an `Infinite` network.
        additive: whether a share of the signal, learned, is a sum of functions of one
            column each, as of separable problems; an `Infinite` network has none.
        noise: None learns the noise; a number fixes its standard deviation in units
            of the standardised output.
        warp: whether to learn a monotone warp of each column.
        steps: largest number of evaluations of each start.

    Source: Hvarfner et al. 2024, arXiv 2402.02229 (length-scales); Snoek et al. 2014,
    arXiv 1402.0929 (warp); Duvenaud et al. 2011, arXiv 1112.4394 (additive share).
    """

    kernel: Kernel = "matern52"
    additive: bool = True
    noise: float | None = None
    warp: bool = True
    steps: int = 60
    exact = True

    def fit(self, key: jax.Array, data: Data) -> GPPosterior:
        """Return the maximum a posteriori fit of every output; nothing is random."""
        return self.search(data)

    def search(self, data: Data, factor: Factor | None = None) -> GPPosterior:
        """Return the fit under the evidence of `kernel.log_marginal_likelihood`."""
        tied = ties(data.x.shape[1], data.groups, self.whole)
        d = len(tied.chosen)
        # A warp moves no column that is 0 or 1.
        low, high = self.box(d, ~tied.chosen)
        first = STARTS if is_additive(self.whole) else STARTS[:-1]
        starts = np.stack(
            [
                start(d, length, noise, self.whole, share)
                for length, noise, share in first
            ]
        )
        starts = np.repeat(starts[None], len(data.y), 0)
        starts, low, high = (a.astype(data.x.dtype) for a in (starts, low, high))
        fixed = low, high, self.whole
        few = _thinned(data)
        free, loss = _fit(few, tied, starts, *fixed, self.steps, factor)
        if few is not data:
            free, loss = _fit(
                data, tied, free[:, None], *fixed, min(FINE, self.steps), factor
            )
        return condition(tied.whole(free), data, -loss, self.whole)

    def box(self, d: int, bent: Any = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the corners of the box of `theta` for `d` columns.

        Args:
            d: number of columns.
            bent: whether they may be warped, all or each `(d,)`.
        """
        low, high = limits(d, self.warp & np.asarray(bent), self.whole)
        if self.noise is not None:
            low[-1] = high[-1] = np.log(self.noise**2 + NOISE_FLOOR)
        return low, high

    @property
    def whole(self) -> Kernel:
        """The kernel with its additive share, by the name that `kernel.py` knows."""
        if isinstance(self.kernel, str) and self.additive:
            return self.kernel + ADDITIVE
        return self.kernel

    def told(self, rows: int, columns: int, posterior: Any = None) -> str:
        """Return what predicts, for the words of a result."""
        del rows, columns, posterior
        return f"GP({self.kernel!r})"


def _thinned(data: Data) -> Data:
    """Return at most `COARSE` rows, evenly spread over the order of the data."""
    if data.x.shape[0] <= COARSE:
        return data
    known = np.asarray(data.seen).any(0)
    order = np.argsort(~known, kind="stable")  # padding makes up for known rows
    spread = np.linspace(0, max(known.sum(), COARSE) - 1, COARSE)
    kept = order[spread.round().astype(int)]
    x, y, seen = (np.asarray(a) for a in (data.x, data.y, data.seen))
    return Data(x[kept], y[:, kept], seen[:, kept], data.groups)  # type: ignore[arg-type]


@functools.partial(jit, static_argnames="kernel")
def _fit(data: Data, tied: Ties, starts, low, high, kernel: Kernel, steps, factor):
    """Return the best free parameters of every output and their losses.

    `starts` is (outputs, starts, free).
    """

    def one(y, seen, start):
        def loss(free):
            theta = tied.whole(free)
            likelihood = log_marginal_likelihood(theta, data.x, y, seen, kernel, factor)
            return -likelihood - log_prior(free, kernel)

        return bfgs.minimize(
            jax.value_and_grad(loss), start, low, high, steps=steps, tolerance=1e-2
        )

    # One flat batch: a loop within two nested ones takes twice as long to trace.
    outputs, count, size = starts.shape
    y, seen = (jnp.repeat(a, count, 0) for a in (data.y, data.seen))
    found, losses = jax.vmap(one)(y, seen, starts.reshape(-1, size))
    found = found.reshape(starts.shape)
    losses = losses.reshape(-1, count)
    best = jnp.nanargmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf), axis=1)
    free = jnp.take_along_axis(found, best[:, None, None], 1)[:, 0]
    return free, jnp.take_along_axis(losses, best[:, None], 1)[:, 0]


@functools.partial(jax.jit, static_argnames="kernel")
def condition(
    theta, data: Data, evidence, kernel: Kernel, moves: Moves | None = None
) -> GPPosterior:
    """Return the posterior of given hyper-parameters; `evidence` is only kept."""

    def one(theta, rows, y, seen):
        root, _ = inverse_root(gram(theta, rows, seen, kernel))
        return root, apply_inverse(root, y)

    rows = jax.vmap(lambda x: _warped(theta, moves, x), out_axes=1)(data.x)
    root, alpha = jax.vmap(one)(theta, rows, data.y, data.seen)
    return GPPosterior(
        theta, data.x, rows, data.y, data.seen, root, alpha, evidence, kernel, moves
    )


def _warped(theta: jax.Array, moves: Moves | None, x: jax.Array) -> jax.Array:
    """Return one point `(d,)` as the kernel of each output sees it, (outputs, d)."""
    rows = jax.vmap(warp, (0, None))(theta, x)
    return rows if moves is None else rows + moves(x)
