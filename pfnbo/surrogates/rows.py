"""The posterior of networks whose tokens are rows: marginals, and no joint draws."""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.predictive import Predictive
from pfnbo.surrogates.particles import ParticlePosterior


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowPosterior:
    """A context encoded for each output; it can be asked for any point."""

    params: Any
    x: jax.Array  # (n, d)
    y: jax.Array  # (outputs, n)
    seen: jax.Array  # (outputs, n) bool
    context: Any  # of each output
    anchor: ParticlePosterior | None  # what the network corrects
    graph: Any = field(metadata=dict(static=True))

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of all outputs at one point, noise included, (outputs,).

        A network that was trained on what is observed does not know the noise apart.
        """
        from pfnbo.pfn.network import put_together

        network = put_together(self.graph, self.params)

        def one(context, at):
            if at is None:
                return network.predict(context, x[None])
            return network.correct(
                context, x[None], jax.tree.map(lambda a: a[None], at)
            )

        at = None if self.anchor is None else self.anchor.observe(x)
        each = jax.vmap(one)(self.context, at)
        return jax.tree.map(lambda a: a[:, 0], each)

    observe = predict

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the outputs, (outputs, q)."""
        return jax.vmap(lambda row: self.predict(row).mean, out_axes=1)(x)

    def condition(self, data: Data) -> "RowPosterior":
        """Return the posterior after other data, encoded anew."""
        anchor = None if self.anchor is None else self.anchor.condition(data)
        return encode(self.graph, self.params, data, anchor)

    @property
    def fitted(self) -> jax.Array:
        """Means of the outputs at the data, (outputs, n)."""
        return self.means(self.x)

    @property
    def length_scales(self) -> jax.Array:
        """Of the anchor, else all alike, (outputs, d)."""
        if self.anchor is not None:
            return self.anchor.length_scales
        return jnp.ones((len(self.y), self.x.shape[1]), self.x.dtype)

    @property
    def noise(self) -> jax.Array:
        """Noise variances of the anchor, else 0, (outputs,)."""
        if self.anchor is not None:
            return self.anchor.noise
        return jnp.zeros(len(self.y), self.x.dtype)

    def path(self, key: jax.Array) -> Any:
        """Return a joint draw of the anchor."""
        return self._joint().path(key)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> Any:
        """Return draws of the anchor as `GPPosterior.noise_free` does."""
        return self._joint().noise_free(key, n, quiet)

    def _joint(self) -> ParticlePosterior:
        if self.anchor is None:
            raise SettingError(
                "this network predicts one point at a time and has no joint draws: "
                "use acquisition='ei', 'pi' or 'ucb'."
            )
        return self.anchor


@functools.partial(jit, static_argnames="graph")
def encode(
    graph: Any, params: Any, data: Data, anchor: ParticlePosterior | None
) -> RowPosterior:
    """Return the posterior after data, under the network of a structure."""
    from pfnbo.pfn.network import put_together  # imports flax

    network = put_together(graph, params)
    columns = jnp.ones(data.x.shape[1], bool)

    def one(y, seen, others):
        more = () if others is None else (others,)
        return network.encode(data.x, y, seen, columns, *more)

    others = None if anchor is None else anchor.leave_one_out()
    context = jax.vmap(one)(data.y, data.seen, others)
    return RowPosterior(params, data.x, data.y, data.seen, context, anchor, graph)
