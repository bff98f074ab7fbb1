"""Mixtures of priors, and sums of function priors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.task import Drawn, Function, Prior, Sizes, Task


@dataclass(frozen=True)
class Either:
    """A function prior that is one of several, chosen once for a group of tasks.

    Cheaper to compile than a mixture of priors, as design and noise are shared.
    """

    families: tuple[str, ...]
    weights: tuple[float, ...]
    functions: tuple[Function, ...]

    def family(self, choice: Array) -> Array:
        """Return the index of the family that a group draws from, () int32."""
        return _index(choice, self.weights)

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a function of one family."""
        branches = [lambda c, k, x, f=f: f(c, k, columns)(x) for f in self.functions]
        inner = jax.random.split(choice)[1]
        return lambda x: jax.lax.switch(self.family(choice), branches, inner, key, x)


def either(families: Mapping[str, tuple[float, Function]]) -> Either:
    """Return the function prior of `{family: (weight, function prior)}`."""
    weights, functions = zip(*families.values(), strict=True)
    return Either(tuple(families), weights, functions)


@dataclass(frozen=True)
class Mix:
    """One of several priors, chosen once for a group of tasks."""

    weights: tuple[float, ...]
    priors: tuple[Prior, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """Names of all families, those of the first prior first."""
        return tuple(name for prior in self.priors for name in prior.families)

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task of one family."""
        index, inner = _index(choice, self.weights), jax.random.split(choice)[1]
        branches = [
            lambda inner, key, p=prior: p.sample(inner, key, sizes)
            for prior in self.priors
        ]
        task = jax.lax.switch(index, branches, inner, key)
        counts = [len(prior.families) for prior in self.priors]
        before = jnp.array([sum(counts[:i]) for i in range(len(counts))], jnp.int32)
        return replace(task, family=before[index] + task.family)


def mix(*priors: tuple[float, Prior]) -> Mix:
    """Return the mixture of `(weight, prior)`."""
    weights, parts = zip(*priors, strict=True)
    return Mix(weights, parts)


def _index(choice: Array, weights: tuple[float, ...]) -> Array:
    own = jax.random.split(choice)[0]
    logits = jnp.log(jnp.array(weights))
    return jax.random.categorical(own, logits).astype(jnp.int32)


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
