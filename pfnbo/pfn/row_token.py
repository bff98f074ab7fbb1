"""A transformer whose tokens are the rows of a table, as in the first PFNs.

Context rows attend to each other and queries to the context, so that the context is
encoded once for any number of queries (Mueller et al. 2022, arXiv 2112.10510). Besides
the usual match of tokens, a head weighs rows by their distance, with a rate of its own
for every column: what a kernel does exactly, a network would have to learn from many
tasks. No column has a place or a name, so that columns permute.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from pfnbo.bars import Bars
from pfnbo.pfn.blocks import Mlp, linear
from pfnbo.pfn.cells import FEATURES, CellEncoder, fourier
from pfnbo.predictive import Mixture, Normal, Predictive

SCALES = (1.0, 10.0)  # of the heads of a layer at first, geometrically spaced
LOG_SCALES = (-8.0, 4.0)  # of the normals
FARTHEST = 5.0  # outer border of the fixed bars, whose last ones have tails


@dataclass(frozen=True)
class Config:
    """Sizes of the network.

    Args:
        width: of a row token.
        layers: of attention to the context.
        heads: of each layer.
        cell_width: of a cell token.
        cell_blocks: of attention among the cells.
        components: normals of the predictive; 0 for fixed bars.
        bars: their number, of equal width, where there are no components.
    """

    width: int = 64
    layers: int = 6
    heads: int = 4
    cell_width: int = 16
    cell_blocks: int = 1
    components: int = 5
    bars: int = 1000

    def build(self, key: jax.Array) -> "RowToken":
        """Return an untrained network."""
        return RowToken(self, nnx.Rngs(key))


class Context(NamedTuple):
    """All that queries read of a context."""

    x: jax.Array  # (n, d)
    seen: jax.Array  # (n,) bool
    columns: jax.Array  # (d,) bool
    token: jax.Array  # (d, width) of the columns
    scale: jax.Array  # (layers, heads, d) of the columns, as a distance has them
    key: jax.Array  # (layers, 1 + n, heads, size)
    value: jax.Array  # (layers, 1 + n, heads, size)


class Attention(nnx.Module):
    """Pre-normed attention of rows to the context and to one token of its own.

    That token lets a head tell how many rows are near: with none, it takes it all.
    """

    def __init__(self, rngs: nnx.Rngs, width: int, heads: int):
        size = width // heads
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.query = linear(rngs, width, width)
        self.pair = linear(rngs, width, 2 * width)
        self.out = linear(rngs, width, width, zero=True)
        # The shape is named with its type: a float64 scope has another default.
        self.none = nnx.Param(jnp.zeros((2, 1, heads, size), jnp.float32))
        self.heads = heads

    def pairs(
        self,
        h: jax.Array,  # (n, width)
    ) -> tuple[jax.Array, jax.Array]:
        """Return the keys and values of context rows, (1 + n, heads, size) each."""
        both = self.pair(self.norm(h)).reshape(len(h), 2, self.heads, -1)
        none = self.none[...].astype(both.dtype)
        key, value = jnp.concatenate([none, both.swapaxes(0, 1)], 1)
        return key, value

    def __call__(
        self,
        h: jax.Array,  # (m, width)
        key: jax.Array,  # (1 + n, heads, size)
        value: jax.Array,  # (1 + n, heads, size)
        near: jax.Array,  # (heads, m, n) logits of the distances
    ) -> jax.Array:
        query = self.query(self.norm(h)).reshape(len(h), self.heads, -1)
        bias = jnp.pad(near, ((0, 0), (0, 0), (1, 0))).astype(query.dtype)
        mixed = jax.nn.dot_product_attention(
            query[None], key[None], value[None], bias=bias[None]
        )
        return h + self.out(mixed.reshape(h.shape))


class RowToken(nnx.Module):
    """The whole network; call it with one table of observations."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        w, layers = config.width, config.layers
        self.config = config
        self.encoder = CellEncoder(rngs, config.cell_width, config.cell_blocks, w)
        self.scale = linear(rngs, w, layers * config.heads, zero=True, precise=True)
        self.place = linear(rngs, w + FEATURES, w)
        self.sum = linear(rngs, w, w)
        self.told = linear(rngs, 3, w)
        self.attention = nnx.List(
            [Attention(rngs, w, config.heads) for _ in range(layers)]
        )
        self.mlp = nnx.List([Mlp(rngs, w) for _ in range(layers)])
        self.norm = nnx.RMSNorm(w, rngs=rngs)
        outputs = 3 * config.components or config.bars
        self.out = linear(rngs, w, outputs, zero=True, precise=True)

    def __call__(
        self,
        x: jax.Array,  # (n, d) in the unit cube
        y: jax.Array,  # (n,) 0 where unseen
        seen: jax.Array,  # (n,) bool
        columns: jax.Array,  # (d,) bool
        queries: jax.Array,  # (q, d)
    ) -> Predictive:
        """Return the predictive of noisy observations at the queries, (q,)."""
        return self.predict(self.encode(x, y, seen, columns), queries)

    def encode(
        self,
        x: jax.Array,  # (n, d)
        y: jax.Array,  # (n,)
        seen: jax.Array,  # (n,) bool
        columns: jax.Array,  # (d,) bool
        fit: jax.Array | float = 0.0,  # (n, width) what else is known of the rows
    ) -> Context:
        """Return what queries need to know of the context, whatever they ask."""
        x, y = x.astype(jnp.float32), y.astype(jnp.float32)
        token = self.encoder(x, y, seen, columns)[:-1]
        scale = self.scale(token).T.reshape(self.config.layers, self.config.heads, -1)
        first = np.geomspace(*SCALES, self.config.heads, dtype=np.float32)
        # Bounded, as float32 keeps no distance in units a million times smaller.
        scale = jnp.exp(jnp.clip(scale, -2, 2)) * columns
        scale = jnp.asarray(first)[None, :, None] * scale
        told = jnp.stack([y, jnp.tanh(y), jnp.ones_like(y)], -1)
        h = self._row(x, token, columns) + self.told(told) + fit
        keys, values = [], []
        for i, (attention, mlp) in enumerate(self._layers()):
            key, value = attention.pairs(h)
            h = mlp(attention(h, key, value, _near(x, x, seen, scale[i])))
            keys.append(key)
            values.append(value)
        keys, values = jnp.stack(keys), jnp.stack(values)
        return Context(x, seen, columns, token, scale, keys, values)

    def predict(
        self,
        context: Context,
        queries: jax.Array,  # (q, d)
    ) -> Predictive:
        """Return the predictive of noisy observations at the queries, (q,)."""
        return self.predictive(self.read(context, queries.astype(jnp.float32)))

    def read(
        self,
        context: Context,
        queries: jax.Array,  # (q, d)
        told: jax.Array | float = 0.0,  # (q, width) what else is known of them
    ) -> jax.Array:
        """Return the tokens of the queries after all layers, normed, (q, width)."""
        c = context
        h = self._row(queries, c.token, c.columns) + told
        for i, (attention, mlp) in enumerate(self._layers()):
            near = _near(queries, c.x, c.seen, c.scale[i])
            h = mlp(attention(h, c.key[i], c.value[i], near))
        return self.norm(h)

    def _layers(self):
        return zip(self.attention, self.mlp, strict=True)

    def _row(self, x, token, columns) -> jax.Array:
        """Return the mean over the columns of what each cell says, (rows, width)."""
        names = jnp.broadcast_to(token[None], (len(x), *token.shape))
        cell = nnx.gelu(self.place(jnp.concatenate([names, fourier(x)], -1)))
        total = jnp.sum(cell * columns[:, None], 1)
        return self.sum(total / jnp.maximum(jnp.sum(columns), 1))

    def predictive(self, h: jax.Array) -> Predictive:
        """Return what the tokens of queries say, (q,)."""
        if self.config.components:
            return Mixture(*self.normals(h))
        edge = np.linspace(-FARTHEST, FARTHEST, self.config.bars + 1)
        return Bars(self.out(h), jnp.asarray(edge, jnp.float32))

    def normals(self, h: jax.Array) -> tuple[jax.Array, Normal]:
        """Return the log weights and the components of the predictive."""
        weight, loc, scale = jnp.split(self.out(h), 3, -1)
        # Components that began as one would stay one.
        apart = np.linspace(-1, 1, self.config.components, dtype=np.float32)
        apart = apart * (self.config.components > 1)
        scale = jnp.exp(jnp.clip(scale, *LOG_SCALES))
        return weight, Normal(loc + jnp.asarray(apart), scale)


def deeper(params: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    """Return fresh parameters, the first layers those of a shallower network.

    The other layers change nothing before training, so that both predict the same.
    """
    grown = {**fresh, **params}
    for name in ("attention", "mlp"):
        grown[name] = {**fresh[name], **params[name]}
    # Scales are told layer by layer.
    grown["scale"] = jax.tree.map(
        lambda new, old: jnp.asarray(new).at[..., : old.shape[-1]].set(old),
        fresh["scale"],
        params["scale"],
    )
    return grown


def _near(
    a: jax.Array,  # (m, d)
    b: jax.Array,  # (n, d)
    seen: jax.Array,  # (n,) bool
    scale: jax.Array,  # (heads, d)
) -> jax.Array:
    """Return minus the scaled squared distances, -inf to unseen rows, (heads, m, n)."""
    a, b = (a[None] - 0.5) * scale[:, None], (b[None] - 0.5) * scale[:, None]
    cross = jnp.einsum("hmd,hnd->hmn", a, b)
    squares = jnp.sum(a**2, -1)[:, :, None] + jnp.sum(b**2, -1)[:, None]
    return jnp.where(seen, jnp.minimum(2 * cross - squares, 0), -jnp.inf)
