"""Objective and constraints that share latent functions, as (outputs, rows)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.design import Design
from pfnbo.tasks.gp import Features
from pfnbo.tasks.noise import Noise
from pfnbo.tasks.random import log_uniform, sobol
from pfnbo.tasks.task import Drawn, Function, Sizes, Task

POOL = 2048  # rows on which thresholds are set


@dataclass(frozen=True)
class Constrained:
    """Outputs mixed from latent functions; all but the first are feasible where <= 0.

    The constraints hold together in a share of the cube that is log-uniform. The rows
    of a task gather where the constraints are least violated.
    """

    function: Function = Features(size=64)
    constraints: int = 2
    latent: int = 3
    smallest: float = 1e-3  # feasible share of the cube
    largest: float = 0.9
    design: Design = Design()
    noise: Noise = Noise()
    families: tuple[str, ...] = ("constrained",)

    def outputs(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw x -> (outputs, rows)."""
        to_latent, to_mixing, to_share = jax.random.split(key, 3)
        draw = jax.vmap(
            lambda k, x: self.function(choice, k, columns)(x), in_axes=(0, None)
        )
        keys = jax.random.split(to_latent, self.latent)
        mixing = jax.random.normal(to_mixing, (1 + self.constraints, self.latent))

        def raw(x: Array) -> Array:
            return mixing @ draw(keys, x)

        share = log_uniform(to_share, self.smallest, self.largest)
        pool = jnp.asarray(sobol(POOL, columns.size))
        values = raw(jnp.where(columns[None], pool, 0.5))[1:]
        scale = jnp.maximum(jnp.std(values, 1), 1e-12)[:, None]
        worst = jnp.max(values / scale, 0)
        limit = jnp.quantile(worst, share)

        def shifted(x: Array) -> Array:
            y = raw(x)
            return jnp.concatenate([y[:1], y[1:] / scale - limit])

        return shifted

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task whose `y`, `mean` and `sd` have a leading axis of outputs."""
        to_scope, to_outputs, to_place, to_noise = jax.random.split(key, 4)
        scope = self.design.scope(to_scope, sizes)
        f = self.outputs(choice, to_outputs, scope.columns)
        x = self.design.place(to_place, sizes, scope, lambda x: -jnp.max(f(x)[1:], 0))
        live = jnp.concatenate([scope.seen, jnp.ones(sizes.queries, bool)])
        keys = jax.random.split(to_noise, 1 + self.constraints)
        y = jax.vmap(self.noise.add, in_axes=(0, 0, None))(keys, f(x), live)
        blank = jnp.full((len(y), sizes.queries), jnp.nan)
        return Task(x, y, scope.seen, scope.columns, blank, blank, jnp.int32(0))
