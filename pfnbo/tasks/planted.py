"""Functions whose best point is known by construction."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.gp import Features
from pfnbo.tasks.random import log_uniform
from pfnbo.tasks.task import Drawn, Function


@dataclass(frozen=True)
class Planted:
    """Minus the distance of a function from its value at a chosen point, and a bowl.

    The construction of ACE (arXiv 2410.15320): at the chosen point both parts are 0,
    elsewhere both are negative.
    """

    function: Function = Features()

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a function."""
        return self.with_optimum(choice, key, columns)[0]

    def with_optimum(
        self, choice: Array, key: Array, columns: Array
    ) -> tuple[Drawn, Array]:
        """Draw a function and the row of its largest value, (d,)."""
        to_function, to_best, to_bowl, to_round = jax.random.split(key, 4)
        g = self.function(choice, to_function, columns)
        best = jnp.where(columns, jax.random.uniform(to_best, columns.shape), 0.5)
        bowl = log_uniform(to_bowl, 0.02, 2.0) / jnp.sum(columns)
        # A kink as in ACE, or the same rounded at the optimum.
        rounded = jax.random.bernoulli(to_round, 0.6)

        def f(x: Array) -> Array:
            gap = jnp.abs(g(x) - g(best[None])[0])
            gap = jnp.where(rounded, jnp.sqrt(gap**2 + 0.04) - 0.2, gap)
            step = jnp.where(columns[None], x - best[None], 0)
            return -gap - bowl * jnp.sum(step**2, 1)

        return f, best
