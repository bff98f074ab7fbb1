"""A row-token network that corrects the predictive of a kernel head, query by query.

Its queries see what the particles say of them; its rows, what the particles say of them
from all others. It shifts and widens the normals that they predict, and mixes others
in. Before training it changes nearly nothing, so that it starts as good as the kernel
head and learns what no Gaussian process can say: jumps, plateaus, skew. The kernel head
stays as it is: what was learned of hyper-parameters is not to be unlearned.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from pfnbo.errors import PretrainError
from pfnbo.factor import inverse_root
from pfnbo.kernel import gram, warp
from pfnbo.pfn import kernel_head, row_token
from pfnbo.pfn.blocks import linear
from pfnbo.pfn.kernel_head import KERNEL, KernelHead, Particles
from pfnbo.pfn.row_token import Context, RowToken
from pfnbo.predictive import Mixture, Normal

RARE = -5.0  # log odds of the normals mixed in, before training


@dataclass(frozen=True)
class Config:
    """Sizes of the two networks; `row.components` normals are mixed in."""

    kernel: kernel_head.Config = kernel_head.Config()
    row: row_token.Config = row_token.Config(width=48, layers=4)

    def __post_init__(self):
        """Refuse a network that has no normals to mix in."""
        if not self.row.components:
            raise PretrainError("row.components is 0: at least 1 normal is mixed in.")

    def build(self, key: jax.Array) -> "Anchored":
        """Return an untrained network."""
        return Anchored(self, nnx.Rngs(key))


class Anchored(nnx.Module):
    """The whole network; call it with one table of standardised observations."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.config = config
        self.kernel = KernelHead(config.kernel, rngs)
        self.row = RowToken(config.row, rngs)
        self.fit = linear(rngs, 3, config.row.width)
        self.anchor = linear(rngs, 3, config.row.width)
        self.move = linear(rngs, config.row.width, 3, zero=True, precise=True)

    def __call__(
        self,
        x: jax.Array,  # (n, d) in the unit cube
        y: jax.Array,  # (n,) standardised, 0 where unseen
        seen: jax.Array,  # (n,) bool
        columns: jax.Array,  # (d,) bool
        queries: jax.Array,  # (q, d)
    ) -> Mixture:
        """Return the predictive of noisy observations at the queries, (q,)."""
        particles = jax.lax.stop_gradient(self.kernel.infer(x, y, seen, columns))
        others = leave_one_out(particles, x, y, seen)
        anchor = kernel_head.predict(particles, x, y, seen, queries)
        return self.correct(self.encode(x, y, seen, columns, others), queries, anchor)

    def encode(
        self,
        x: jax.Array,  # (n, d)
        y: jax.Array,  # (n,)
        seen: jax.Array,  # (n,) bool
        columns: jax.Array,  # (d,) bool
        others: Mixture,  # (n,) what is said of each row from the others
    ) -> Context:
        """Return what queries need to know of the context, whatever they ask."""
        surprise = (y - others.mean) / jnp.sqrt(others.var)
        fit = self.fit(_words(jnp.where(seen, surprise, 0), others.var))
        return self.row.encode(x, y, seen, columns, fit)

    def correct(
        self,
        context: Context,
        queries: jax.Array,  # (q, d)
        anchor: Mixture,  # (q,) of normals
    ) -> Mixture:
        """Return the anchor as the network would have it, (q,)."""
        told = self.anchor(_words(anchor.mean, anchor.var))
        h = self.row.read(context, queries.astype(jnp.float32), told)
        return self._moved(h, anchor)

    def _moved(self, h: jax.Array, anchor: Mixture) -> Mixture:
        """Return the anchor as the tokens of the queries would have it."""
        old: Normal = anchor.components  # type: ignore[assignment]
        shift, widen, rare = self.move(h).T[..., None]
        mean, sd = anchor.mean[:, None], jnp.sqrt(anchor.var)[:, None]
        weight, new = self.row.normals(h)  # in units of the anchor
        loc = [old.loc + shift * old.scale, mean + sd * new.loc]
        widen = jnp.exp(jnp.clip(widen, -2, 2))
        scale = [old.scale * widen, sd * new.scale]
        kept = jax.nn.log_softmax(anchor.log_weights)
        weights = [
            kept + jax.nn.log_sigmoid(-RARE - rare),
            jax.nn.log_softmax(weight) + jax.nn.log_sigmoid(RARE + rare),
        ]
        weights, loc, scale = (jnp.concatenate(a, -1) for a in (weights, loc, scale))
        return Mixture(weights, Normal(loc, scale))


def leave_one_out(
    particles: Particles,
    x: jax.Array,  # (n, d)
    y: jax.Array,  # (n,)
    seen: jax.Array,  # (n,) bool
) -> Mixture:
    """Return what each particle says of each row from the others, (n,).

    Source: Rasmussen 2006, eq. 5.12; the weights are those after all rows.
    """

    def one(theta):
        k = gram(theta, warp(theta, x), seen, KERNEL)
        root, diagonal = inverse_root(k)
        white = root @ y
        alpha, precision = white @ root, jnp.sum(root**2, 0)
        evidence = -0.5 * white @ white - jnp.sum(jnp.log(diagonal))
        return y - alpha / precision, 1 / jnp.sqrt(precision), evidence

    mean, sd, evidence = jax.vmap(one)(particles.theta)
    weight = particles.log_weight.astype(evidence.dtype) + evidence
    return Mixture(weight[None], Normal(mean.T, sd.T))


def _words(value: jax.Array, var: jax.Array) -> jax.Array:
    """Return a number and how sure it is in words of a network, (..., 3)."""
    # Log standard deviations span 1e-5 to 10, and numbers may be anything.
    words = [jnp.tanh(value), jnp.arcsinh(value), np.float32(0.1) * jnp.log(var)]
    return jnp.stack(words, -1).astype(jnp.float32)
