"""A trained network as a surrogate: it infers what a Gaussian process has to learn."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pfnbo import checkpoint
from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.surrogates.gp import condition
from pfnbo.surrogates.particles import ParticlePosterior, repeat

KERNEL = "blend"


@dataclass(frozen=True)
class PFN:
    """A prior-data fitted network with a kernel head, from a checkpoint.

    Args:
        name: of a checkpoint that comes with pfnbo, or the path of one.
        kept: number of particles kept of each output, the heaviest.
    """

    name: str | Path = "engineering"
    kept: int = 3

    def fit(self, key: jax.Array, data: Data) -> ParticlePosterior:
        """Return the posterior of every output; nothing is random."""
        del key
        graph, params = _network(self.name)
        theta, weight = _infer(params, data, graph, self.kept)
        members = condition(
            theta.reshape(-1, theta.shape[-1]),
            repeat(data, self.kept),
            weight.reshape(-1),
            KERNEL,
        )
        return ParticlePosterior(members, weight)


@functools.lru_cache(maxsize=4)
def _network(name: str | Path) -> tuple[Any, dict[str, Any]]:
    """Return the structure and the parameters of a checkpoint."""
    # Flax is slow to import, and who uses no network needs none of it.
    from pfnbo.pfn.kernel_head import Config
    from pfnbo.pfn.network import structure

    loaded = checkpoint.load(name)
    return structure(Config(**loaded.config["model"])), loaded.params


@functools.partial(jit, static_argnames=("graph", "kept"))
def _infer(params, data: Data, graph, kept: int) -> tuple[jax.Array, jax.Array]:
    """Return the heaviest particles of each output, and their log weights."""
    from pfnbo.pfn.network import put_together
    from pfnbo.pfn.polish import weighed

    network = put_together(graph, params)
    columns = jnp.ones(data.x.shape[1], bool)

    def one(y, seen):
        proposed = network.infer(data.x, y, seen, columns)
        particles = weighed(proposed, data.x, y, seen)
        weight, order = jax.lax.top_k(particles.log_weight, kept)
        return particles.theta[order], jax.nn.log_softmax(weight)

    return jax.vmap(one)(data.y, data.seen)
