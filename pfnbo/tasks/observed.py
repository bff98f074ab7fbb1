"""A task made of a random function, a design and noise."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.design import Design
from pfnbo.tasks.mix import Either
from pfnbo.tasks.noise import Absolute, Noise
from pfnbo.tasks.task import Function, Sizes, Task, unknown
from pfnbo.tasks.warp import signed


@dataclass(frozen=True)
class Observed:
    """Noisy observations of a function drawn from a function prior."""

    function: Function
    design: Design = Design()
    noise: Noise | Absolute = Noise()
    signed: bool = False  # minus the function, half of the time

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families of the function prior."""
        f = self.function
        return f.families if isinstance(f, Either) else ("function",)

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task."""
        to_scope, to_function, to_place, to_noise = jax.random.split(key, 4)
        scope = self.design.scope(to_scope, sizes)
        function = signed(self.function) if self.signed else self.function
        f = function(choice, to_function, scope.columns)
        x = self.design.place(to_place, sizes, scope, f)
        live = jnp.concatenate([scope.seen, jnp.ones(sizes.queries, bool)])
        y = self.noise.add(to_noise, f(x), live)
        blank = unknown(sizes)
        chosen = self.function
        family = jnp.int32(0)
        if isinstance(chosen, Either):
            family = chosen.family(choice)
        return Task(x, y, scope.seen, scope.columns, blank, blank, family)
