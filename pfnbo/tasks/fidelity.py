"""Cheap versions of functions, and learning curves.

The first column says how much was spent: 1 is the real thing.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.bnn import Bnn
from pfnbo.tasks.gp import Features
from pfnbo.tasks.random import any_count, log_uniform, often_full
from pfnbo.tasks.task import Drawn, Function, Sizes, Task, unknown

POOL = 64  # configurations that tell the spread of a curve's parameters


@dataclass(frozen=True)
class Autoregressive:
    """`f(x, s) = (1 + (rho - 1) s) low(x) + s^p delta(x)` (Kennedy, O'Hagan 2000)."""

    function: Function = Features()

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a function of the fidelity and the other columns."""
        keys = jax.random.split(key, 5)
        others = columns.at[0].set(False)
        low = self.function(choice, keys[0], others)
        delta = self.function(choice, keys[1], others)
        rho = 1 + 0.4 * jax.random.normal(keys[2])
        size, power = log_uniform(keys[3], 0.03, 1.0), log_uniform(keys[4], 0.5, 3.0)

        def f(x: Array) -> Array:
            s = x[:, 0]
            return (1 + (rho - 1) * s) * low(x) + size * s**power * delta(x)

        return f


@dataclass(frozen=True)
class Curves:
    """Learning curves of configurations (FT-PFN, Rakotoarison et al. 2024).

    Random networks map a configuration to the parameters of its curve, a convex sum of
    four saturating shapes. It is like the published prior, not the same: each parameter
    has a network of its own and is made uniform by the normal distribution of its
    spread over the cube, not by a stored table, the ranges of the shapes are ours, and
    curves neither break off nor diverge. Steps of a curve are seen in order; queries
    are later steps of the same configurations, or of new ones.
    """

    network: Bnn = Bnn(layers=(3, 6), width=(16, 48), scale=(0.15, 0.5))
    configurations: int = 16
    families: tuple[str, ...] = ("curves",)

    def function(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw the curve of every configuration: x with budget first -> scores."""
        to_network, to_floor, to_top, to_any = jax.random.split(key, 4)
        others = columns.at[0].set(False)
        keys = jax.random.split(to_network, 9)
        outputs = jax.vmap(
            lambda k, x: self.network(choice, k, others)(x), in_axes=(0, None)
        )
        to_pool, to_outputs = jax.random.split(to_any)
        pool = outputs(keys, jax.random.uniform(to_pool, (POOL, columns.size)))
        mean = jnp.mean(pool, 1, keepdims=True)
        sd = jnp.maximum(jnp.std(pool, 1, keepdims=True), 1e-9)
        start = jnp.min(jax.random.uniform(to_floor, (2,)))
        top = jax.random.uniform(to_outputs, minval=start, maxval=1.0)
        top = jnp.where(jax.random.bernoulli(to_top, 0.25), top, 1.0)

        def f(x: Array) -> Array:
            z = (outputs(keys, x) - mean) / sd  # (9, rows), about normal
            end = start + (top - start) * jax.scipy.special.ndtr(z[0])
            weights = -jnp.log(jnp.clip(jax.scipy.special.ndtr(z[1:5]), 1e-6, 1))
            weights = weights / jnp.sum(weights, 0, keepdims=True)  # Dirichlet(1)
            rise = jnp.sum(weights * shapes(x[:, 0], z[5:]), 0)
            return start + (end - start) * rise

        return f

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task."""
        keys = jax.random.split(key, 7)
        n = often_full(keys[0], sizes.capacity)
        d = 1 + any_count(keys[1], sizes.columns - 1)
        columns = jnp.arange(sizes.columns) < d
        seen = jnp.arange(sizes.capacity) < n
        x = self._rows(keys[2:5], sizes, seen)
        x = jnp.where(columns[None], x, 0.5)
        f = self.function(choice, keys[5], columns)
        to_sd, to_noise = jax.random.split(keys[6])
        sd = jnp.exp(-5 + jax.random.normal(to_sd))
        y = f(x) + sd * jax.random.normal(to_noise, (sizes.rows,))
        blank = unknown(sizes)
        return Task(x, jnp.clip(y, 0, 1), seen, columns, blank, blank, jnp.int32(0))

    def _rows(self, keys: Array, sizes: Sizes, seen: Array) -> Array:
        to_config, to_owner, to_rest = keys[0], keys[1], keys[2]
        shape = (self.configurations, sizes.columns)
        configs = jax.random.uniform(to_config, shape)
        to_weight, to_each = jax.random.split(to_owner)
        # A few configurations have most of the steps.
        logits = 2 * jax.random.normal(to_weight, (self.configurations,))
        owner = jax.random.categorical(to_each, logits, shape=(sizes.rows,))
        to_levels, to_later = jax.random.split(to_rest)
        context, asked = owner[: sizes.capacity], owner[sizes.capacity :]
        one_of = jax.nn.one_hot(context, self.configurations) * seen[:, None]
        step = jnp.sum(jnp.cumsum(one_of, 0) * one_of, 1)
        most = jnp.max(jnp.sum(one_of, 0))
        levels = jnp.maximum(most, 1.0) * log_uniform(to_levels, 1.0, 5.0)
        reached = jnp.sum(one_of, 0)[asked]
        share = jax.random.uniform(to_later, asked.shape)
        later = reached + jnp.ceil(share * jnp.maximum(levels - reached, 1))
        spent = jnp.concatenate([step, later]) / levels
        return configs[owner].at[:, 0].set(jnp.clip(spent, 0, 1))


def shapes(
    t: Array,  # (rows,) share of the budget
    z: Array,  # (4, rows) standard normal
) -> Array:
    """Return four curves from 0 at the start towards 1: pow4, exp, ilog and hill4."""
    scale = 10.0 * t
    pow4 = 1 - (1 + scale) ** -jnp.exp(z[0] / 2)
    exp = 1 - jnp.exp(-scale * jnp.exp(z[1] / 2))
    ilog = 1 - 1 / (1 + jnp.exp(z[2] / 2) * jnp.log1p(scale))
    power = jnp.exp(0.5 + 0.5 * z[3])
    hill = scale**power / (scale**power + 2.0**power)
    return jnp.stack([pow4, exp, ilog, hill])
