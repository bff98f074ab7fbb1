"""Laplace's approximation: a trained network, linear in its weights around them.

Linear in weights that are normal, it is a Gaussian process whose kernel is made of the
slopes of the network, so that all algebra is on matrices of rows.
"""

import functools
import math
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.factor import apply_inverse, inverse_root
from pfnbo.predictive import Normal
from pfnbo.surrogates.draws import NoiseFree
from pfnbo.surrogates.gauss_newton import (
    Table,
    candidates,
    log_evidence,
    log_left_out,
    most_likely,
)
from pfnbo.surrogates.mlp import MLP

JITTER = 1e-8  # of the prior variance, for noise-free data
SCALES = (0.3, 0.6, 1.0, 1.5)  # tried


@dataclass(frozen=True)
class Linear:
    """A network that is linear in its last `count` weights around given ones."""

    network: MLP
    count: int

    def __call__(
        self, params: jax.Array, scale: jax.Array | float, x: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return the value at one point with these weights at 0, and their slopes.

        The slopes are those in weights over `scale`, which are unit normal a priori.
        """
        value, slopes = jax.value_and_grad(self.network)(params, x)
        slopes = slopes[-self.count :]
        return value - slopes @ params[-self.count :], scale * slopes


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LinearPosterior:
    """The exact posterior of normal weights, one model per output."""

    x: jax.Array  # (n, d)
    y: jax.Array  # (outputs, n)
    seen: jax.Array  # (outputs, n) bool
    params: jax.Array  # (outputs, p)
    scale: jax.Array  # (outputs,) standard deviation of the weights a priori
    slopes: jax.Array  # (outputs, n, count) at the data, 0 where unseen
    offsets: jax.Array  # (outputs, n)
    root: jax.Array  # (outputs, n, n) inverse Cholesky factor
    alpha: jax.Array  # (outputs, n)
    noise: jax.Array  # (outputs,) variances
    model: Linear = field(metadata=dict(static=True))

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Normal:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""

        def one(params, scale, slopes, root, alpha):
            offset, slope = self.model(params, scale, x)
            row, prior = slopes @ slope, slope @ slope
            var = prior - jnp.sum((root @ row) ** 2)
            sd = jnp.sqrt(jnp.maximum(var, 1e-12 * prior + 1e-12))
            return Normal(offset + row @ alpha, sd)

        return jax.vmap(one)(
            self.params, self.scale, self.slopes, self.root, self.alpha
        )

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

    def covariance(
        self,
        a: jax.Array,  # (p, d)
        b: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the posterior covariance of the latent outputs, (outputs, p, q)."""

        def one(params, scale, slopes, root):
            each = jax.vmap(self.model, (None, None, 0))
            to_a, to_b = (each(params, scale, x)[1] for x in (a, b))
            left, right = (root @ slopes @ s.T for s in (to_a, to_b))
            return to_a @ to_b.T - left.T @ right

        return jax.vmap(one)(self.params, self.scale, self.slopes, self.root)

    def path(self, key: jax.Array) -> "LinearPath":
        """Return one joint draw of the latent outputs as a function of the point.

        Source: Wilson et al. 2020, arXiv 2002.09309 (Matheron's rule).
        """
        draw, error = jax.random.split(key)
        dtype = self.y.dtype
        shape = (len(self.y), self.model.count)
        weights = jax.random.normal(draw, shape, dtype)
        error = jax.random.normal(error, self.y.shape, dtype)
        error = error * jnp.sqrt(self.noise)[:, None]
        prior = jnp.einsum("onk,ok->on", self.slopes, weights)
        lack = jnp.where(self.seen, self.y - self.offsets - prior - error, 0)
        alpha = jax.vmap(apply_inverse)(self.root, lack)
        weights = weights + jnp.einsum("onk,on->ok", self.slopes, alpha)
        return LinearPath(self.params, self.scale, weights, self.model)

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        keys = jax.random.split(key, n)
        return jax.vmap(lambda k: jax.vmap(self.path(k), out_axes=1)(x))(keys)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> NoiseFree:
        """Return `n` posteriors, each after a joint draw of the latents at the data."""
        del quiet
        draws = self.sample(key, self.x, n)
        values = jnp.where(self.seen[None], draws, 0)
        quiet_root = jax.vmap(_root, (0, 0, None))(self.slopes, self.seen, 0.0)
        lack = jnp.where(self.seen[None], draws - self.offsets[None], 0)
        alpha = jax.vmap(jax.vmap(apply_inverse), (None, 0))(quiet_root, lack)
        return NoiseFree(replace(self, root=quiet_root), values, alpha)

    def condition(self, data: Data) -> "LinearPosterior":
        """Return the posterior after other data, the network unchanged."""
        return condition(self.params, self.scale, data, self.noise, self.model)

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self.means(self.x)

    @property
    def length_scales(self) -> jax.Array:
        """Inverse root mean square slopes over the data, (outputs, d)."""
        return _lengths(self)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LinearPath:
    """One draw of the weights of every output."""

    params: jax.Array  # (outputs, p)
    scale: jax.Array  # (outputs,)
    weights: jax.Array  # (outputs, count) over it
    model: Linear = field(metadata=dict(static=True))

    def __call__(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the values at one point, (outputs,)."""

        def one(params, scale, weights):
            offset, slope = self.model(params, scale, x)
            return offset + slope @ weights

        return jax.vmap(one)(self.params, self.scale, self.weights)


@dataclass(frozen=True)
class Laplace:
    """A network trained once, with doubts from its slopes around the best weights.

    Args:
        network: its form.
        last_layer: whether only the last layer is random, a Bayesian linear model of
            what the network makes of its inputs.
        noise: None learns the noise; a number is its standard deviation in units of
            the standardised output, at least 0.001.
        scale: None learns the standard deviation of all weights a priori, around the 1
            that the form of the network is made for; a number is the deviation.
        evidence: whether both are learned by Laplace's evidence, and not by how well
            each row is predicted from the others. It calls more of the data noise: a
            loss on a smooth function, more honest on a noisy table. The last layer
            alone is always learned so.
        steps: of the training.

    Source: MacKay 1992; Immer et al. 2021, arXiv 2008.08400 (linearised predictions).
    """

    network: MLP = MLP()
    last_layer: bool = False
    noise: float | None = None
    scale: float | None = None
    evidence: bool = False
    steps: int = 60
    exact = True

    def __post_init__(self):
        """Refuse a deviation that is none."""
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise SettingError(
                f"scale is {self.scale}: wanted a finite number above 0."
            )

    def fit(self, key: jax.Array, data: Data) -> LinearPosterior:
        """Return the posterior around the most likely weights of every output."""
        network, d = self.network, data.x.shape[1]
        count = network.last(d) if self.last_layer else network.size(d)
        linear = Linear(network, count)
        noises = candidates(self.noise, data.x.dtype)
        # One program for all noises that may be given.
        model = replace(self, noise=None)
        params, noise, scale = _train(key, data, noises, model)
        return condition(params, scale, data, noise, linear)


@functools.partial(jit, static_argnames="model")
def _train(key, data: Data, noises, model: Laplace):
    scales = SCALES if model.scale is None else (model.scale,)
    # Both score a network with all its weights random. The last layer alone has less
    # doubt, and is far too sure with the little noise that rows left out ask for.
    evidence = model.evidence or model.last_layer
    worth = log_evidence if evidence else log_left_out

    def one(key, y, seen):
        table, steps = Table(data.x, y, seen), model.steps
        return most_likely(key, model.network, table, noises, steps, scales, worth)

    return jax.vmap(one)(jax.random.split(key, len(data.y)), data.y, data.seen)


@functools.partial(jax.jit, static_argnames="model")
def condition(params, scale, data: Data, noise, model: Linear) -> LinearPosterior:
    """Return the posterior of the weights around given ones."""

    def one(params, scale, noise, y, seen):
        offsets, slopes = jax.vmap(model, (None, None, 0))(params, scale, data.x)
        slopes = jnp.where(seen[:, None], slopes, 0)
        root = _root(slopes, seen, noise)
        alpha = apply_inverse(root, jnp.where(seen, y - offsets, 0))
        return slopes, offsets, root, alpha

    slopes, offsets, root, alpha = jax.vmap(one)(
        params, scale, noise, data.y, data.seen
    )
    return LinearPosterior(
        data.x,
        data.y,
        data.seen,
        params,
        scale,
        slopes,
        offsets,
        root,
        alpha,
        noise,
        model,
    )


def _root(slopes, seen, noise) -> jax.Array:
    k = slopes @ slopes.T
    jitter = JITTER * (1 + jnp.max(jnp.diagonal(k)))
    return inverse_root(k + jnp.diag(jnp.where(seen, noise + jitter, 1)))[0]


@jax.jit
def _lengths(posterior: LinearPosterior) -> jax.Array:
    slopes = jax.vmap(jax.jacobian(lambda x: posterior.predict(x).mean))(posterior.x)
    seen = posterior.seen.T[:, :, None]
    count = jnp.maximum(jnp.sum(seen, 0), 1)
    return 1 / jnp.sqrt(jnp.sum(jnp.where(seen, slopes**2, 0), 0) / count + 1e-4)
