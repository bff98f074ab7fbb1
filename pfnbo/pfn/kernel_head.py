"""A network that infers the hyper-parameters of a Gaussian process from the data.

It returns particles of the hyper-posterior. A cell encoder proposes them and a few
refinements correct them, each of which reads the exact gradient of the log evidence,
as a learned optimiser does (Andrychowicz et al. 2016, arXiv 1606.04474). Each particle
is then conditioned on the data exactly and weighted by its evidence, so that the
network learns only what algebra does not know.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from pfnbo.factor import solve
from pfnbo.kernel import (
    BLENDED,
    MEAN_VARIANCE,
    PURE,
    covariance,
    gram,
    limits,
    log_marginal_likelihood,
    noise_variance,
    warp,
)
from pfnbo.pfn.blocks import GridBlock, linear
from pfnbo.pfn.cells import CellEncoder
from pfnbo.predictive import Mixture, Normal

KERNEL = "blend"
TAIL = BLENDED + 2  # entries of theta that belong to no column


@dataclass(frozen=True)
class Config:
    """Sizes of the network."""

    particles: int = 6
    refinements: int = 5
    cell_width: int = 32
    cell_blocks: int = 2
    width: int = 64
    heads: int = 4

    def build(self, key: jax.Array) -> "KernelHead":
        """Return an untrained network."""
        return KernelHead(self, nnx.Rngs(key))


class Particles(NamedTuple):
    """Draws of the hyper-posterior of one task."""

    theta: jax.Array  # (particles, 3 d + TAIL)
    log_weight: jax.Array  # (particles,) of the network, before the evidence


# Where the state of a particle is 0, and how much of theta one unit of it is.
_COLUMN = np.array([[math.log(0.3), 0, 0], [1, 0.5, 0.5]], np.float32)
_TABLE = np.array([[*[0] * BLENDED, 0, -9], [*[1] * BLENDED, 1, 4]], np.float32)


class _State(NamedTuple):
    """All particles in units of order 1, apart by what permutes with the columns."""

    column: jax.Array  # (particles, d, 3) length-scale over sqrt(d), warp
    table: jax.Array  # (particles, TAIL) weights of the blend, signal, noise

    def theta(self, columns: jax.Array, dtype) -> jax.Array:
        column = _COLUMN[0] + _COLUMN[1] * self.column
        half_log_d = 0.5 * jnp.log(jnp.sum(columns).astype(jnp.float32))
        column = column.at[..., 0].add(half_log_d)
        column = jnp.clip(column, *_column_limits())
        table = jnp.clip(_TABLE[0] + _TABLE[1] * self.table, *_table_limits())
        flat = column.swapaxes(1, 2).reshape(len(column), -1)
        return jnp.concatenate([flat, table], -1).astype(dtype)


def box(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the corners of the box of theta, and how much one unit of a particle is.

    Each has the shape (3 d + TAIL,).
    """
    sides = (*_column_limits(), _COLUMN[1]), (*_table_limits(), _TABLE[1])
    low, high, unit = (
        np.concatenate([np.repeat(column, d), table])
        for column, table in zip(*sides, strict=True)
    )
    return low, high, unit


def _column_limits() -> tuple[np.ndarray, np.ndarray]:
    low, high = limits(1, True)
    return low[:3].astype(np.float32), high[:3].astype(np.float32)


def _table_limits() -> tuple[np.ndarray, np.ndarray]:
    low, high = limits(1, True)
    blend = np.full(BLENDED, PURE)
    return (
        np.concatenate([-blend, low[-2:]]).astype(np.float32),
        np.concatenate([blend, high[-2:]]).astype(np.float32),
    )


class _News(NamedTuple):
    """What the data say about each particle, in numbers a network can read."""

    column: jax.Array  # (particles, d, 3) slopes of the log evidence
    table: jax.Array  # (particles, TAIL)
    size: jax.Array  # (particles, 3) evidence per row, rows, columns

    @classmethod
    def of(cls, value, grad, rows, columns) -> "_News":
        k, d = len(grad), (grad.shape[1] - TAIL) // 3
        grad, value = grad.astype(jnp.float32), value.astype(jnp.float32)
        column = grad[:, : 3 * d].reshape(k, 3, d).swapaxes(1, 2)
        rows, columns = rows.astype(jnp.float32), columns.astype(jnp.float32)
        sizes = jnp.log(jnp.stack([rows, columns]))
        size = [jnp.arcsinh(value / rows)[:, None], jnp.tile(sizes, (k, 1))]
        return cls(
            jnp.arcsinh(column * _COLUMN[1]),
            jnp.arcsinh(grad[:, 3 * d :] * _TABLE[1]),
            jnp.concatenate(size, -1),
        )


def _step(move: jax.Array, slope: jax.Array) -> jax.Array:
    """Return a free shift plus a learned rate times the compressed slope, bounded."""
    shift, rate = jnp.split(move, 2, -1)
    return jnp.tanh(shift) + jnp.tanh(0.1 * jnp.exp(2 * jnp.tanh(rate)) * slope)


class KernelHead(nnx.Module):
    """The whole network; call it with one table of standardised observations."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        e, k = config.width, config.particles
        self.config = config
        self.encoder = CellEncoder(
            rngs, config.cell_width, config.cell_blocks, config.width
        )
        normal = nnx.initializers.normal(1.0)
        # The width is named: within a float64 scope it would be the default.
        self.identity = nnx.Param(normal(rngs.params(), (k, 1, e), jnp.float32))
        self.first_column = linear(rngs, e, 3, precise=True)
        self.first_table = linear(rngs, e, TAIL, precise=True)
        self.read_column = linear(rngs, 6, e)
        self.read_table = linear(rngs, 2 * TAIL + 3, e)
        self.step = nnx.Param(
            normal(rngs.params(), (config.refinements, 1, 1, e), jnp.float32)
        )
        self.block = GridBlock(rngs, e, config.heads)
        self.norm = nnx.RMSNorm(e, rngs=rngs)
        self.move_column = linear(rngs, e, 6, zero=True, precise=True)
        self.move_table = linear(rngs, e, 2 * TAIL, zero=True, precise=True)
        self.weight = linear(rngs, e, 1, zero=True, precise=True)

    def __call__(
        self,
        x: jax.Array,  # (n, d) in the unit cube
        y: jax.Array,  # (n,) standardised, 0 where unseen
        seen: jax.Array,  # (n,) bool
        columns: jax.Array,  # (d,) bool
        queries: jax.Array,  # (q, d)
    ) -> Mixture:
        """Return the predictive of noisy observations at the queries, (q,)."""
        return predict(self.infer(x, y, seen, columns), x, y, seen, queries)

    def infer(
        self,
        x: jax.Array,  # (n, d)
        y: jax.Array,  # (n,)
        seen: jax.Array,  # (n,) bool
        columns: jax.Array,  # (d,) bool
    ) -> Particles:
        """Return particles of the hyper-posterior, which depend on no query."""
        table = x.astype(jnp.float32), y.astype(jnp.float32)
        h = self.identity[...] + self.encoder(table[0], table[1], seen, columns)[None]
        first = self.first_column(h[:, :-1]), self.first_table(h[:, -1])
        state = _State(*(2 * jnp.tanh(a) for a in first))
        there = jnp.append(columns, True)
        particles = jnp.ones(self.config.particles, bool)
        evidence = jax.value_and_grad(
            lambda theta: log_marginal_likelihood(theta, x, y, seen, KERNEL)
        )

        def refine(carry, step):
            h, state = carry
            theta = jax.lax.stop_gradient(state.theta(columns, x.dtype))
            value, grad = jax.vmap(evidence)(theta)
            news = _News.of(value, grad, jnp.sum(seen), jnp.sum(columns))
            read = self.read_column(jnp.concatenate([state.column, news.column], -1))
            table = jnp.concatenate([state.table, news.table, news.size], -1)
            read = jnp.concatenate([read, self.read_table(table)[:, None]], 1)
            h = self.block(h + read + step, a_there=particles, b_there=there)
            out = self.norm(h)
            column = state.column + _step(self.move_column(out[:, :-1]), news.column)
            table = state.table + _step(self.move_table(out[:, -1]), news.table)
            return (h, _State(column, table)), None

        (h, state), _ = jax.lax.scan(refine, (h, state), self.step[...])
        weight = self.weight(self.norm(h[:, -1]))[:, 0]
        return Particles(state.theta(columns, x.dtype), weight)


def predict(
    particles: Particles,
    x: jax.Array,  # (n, d)
    y: jax.Array,  # (n,)
    seen: jax.Array,  # (n,) bool
    queries: jax.Array,  # (q, d)
) -> Mixture:
    """Return the predictive of noisy observations at the queries, batch shape (q,)."""

    def one(theta):
        rows, points = warp(theta, x), warp(theta, queries)
        cross = covariance(theta, rows, points, KERNEL) * seen[:, None]
        k = gram(theta, rows, seen, KERNEL)
        inverse, log_det = solve(k, jnp.concatenate([y[:, None], cross], 1))
        alpha, weights = inverse[:, 0], inverse[:, 1:]
        prior = jnp.exp(theta[-2]) + MEAN_VARIANCE
        var = jnp.maximum(prior - jnp.sum(cross * weights, 0), 1e-12 * prior)
        evidence = -0.5 * (y @ alpha + log_det)
        return cross.T @ alpha, jnp.sqrt(var + noise_variance(theta)), evidence

    mean, sd, evidence = jax.vmap(one)(particles.theta)
    weights = particles.log_weight.astype(evidence.dtype) + evidence
    return Mixture(weights[None], Normal(mean.T, sd.T))
