"""Mixtures of priors, and sums of function priors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.task import Drawn, Function, Prior, Sizes, Task


@dataclass(frozen=True)
class Mix:
    """One of several priors, chosen once for a group of tasks."""

    families: tuple[str, ...]
    weights: tuple[float, ...]
    priors: tuple[Prior, ...]

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task of one family."""
        to_family, inner = jax.random.split(choice)
        logits = jnp.log(jnp.array(self.weights))
        index = jax.random.categorical(to_family, logits).astype(jnp.int32)
        branches = [
            lambda inner, key, p=prior: p.sample(inner, key, sizes)
            for prior in self.priors
        ]
        task = jax.lax.switch(index, branches, inner, key)
        return replace(task, family=index)


def mix(families: Mapping[str, tuple[float, Prior]]) -> Mix:
    """Return the mixture of `{family: (weight, prior)}`."""
    weights, priors = zip(*families.values(), strict=True)
    return Mix(tuple(families), weights, priors)


def plus(first: Function, second: Function) -> Function:
    """Return the sum of two functions of a log-uniform ratio of scales."""

    def function(choice: Array, key: Array, columns: Array) -> Drawn:
        to_first, to_second, to_share = jax.random.split(key, 3)
        for_first, for_second = jax.random.split(choice)
        f = first(for_first, to_first, columns)
        g = second(for_second, to_second, columns)
        share = jnp.exp(jax.random.uniform(to_share, minval=-4.0, maxval=1.0))
        return lambda x: f(x) + share * g(x)

    return function
