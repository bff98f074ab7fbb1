"""Priors of the weights of networks, and how tasks of the past teach one."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import bucket, pad
from pfnbo.errors import SettingError
from pfnbo.surrogates.gauss_newton import Table, jacobian, minimize
from pfnbo.surrogates.mlp import MLP, Network


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class WeightPrior:
    """Independent normal weights of a network; without a prior all are unit normal."""

    mean: Any  # (p,)
    sd: Any  # (p,)

    def weights(self, z: jax.Array) -> jax.Array:
        """Return the weights (..., p) that unit normal ones stand for."""
        return z * self.sd + self.mean

    @staticmethod
    def learn(
        key: jax.Array,
        tasks: Sequence[tuple[Any, Any]],
        network: MLP,
        *,
        noise: float = 0.1,
        rounds: int = 20,
        steps: int = 10,
    ) -> "WeightPrior":
        """Return what the weights that fit some tasks have in common.

        Each weight has a mean and a variance of its own over the tasks, a priori
        normal-inverse-gamma around the unit normal. In turns, every task has its
        weights from the prior, by a normal approximation, and the prior from all.

        Args:
            key: of the weights that all tasks start from, so that the units of the
                networks mean the same.
            tasks: pairs of rows of the unit cube `(n, d)` and standardised outputs
                `(n,)`, at least two of them.
            network: of the surrogate that will have the prior.
            noise: standard deviation of an output.
            rounds: number of turns.
            steps: of the training of each task in a turn.

        Raises:
            SettingError: when the tasks are fewer than two or of different widths.

        Source: Kim & Hospedales 2024, arXiv 2306.09702, with variances instead of
        covariances and both updates in closed form.
        """
        tables = _stacked(tasks)
        size = network.size(tables.x.shape[-1])
        start = jax.random.normal(key, (size,), tables.x.dtype)
        return _learn(tables, start, jnp.square(noise), network, rounds, steps)


@dataclass(frozen=True)
class Whitened:
    """A network whose weights are unit normal under a prior."""

    network: MLP
    prior: WeightPrior

    def size(self, d: int) -> int:
        """Return the number of parameters for `d` inputs."""
        return self.network.size(d)

    def __call__(self, params: jax.Array, x: jax.Array) -> jax.Array:
        """Return the output at one point `(d,)` for unit normal weights `(p,)`."""
        return self.network(self.prior.weights(params), x)


def whitened(network: MLP, prior: WeightPrior | None) -> Network:
    """Return the network as one of unit normal weights."""
    return network if prior is None else Whitened(network, prior)


def weights(prior: WeightPrior | None, z: jax.Array) -> jax.Array:
    """Return the weights (..., p) that unit normal ones stand for."""
    return z if prior is None else prior.weights(z)


def suited(prior: WeightPrior | None, network: MLP, x: Any) -> WeightPrior | None:
    """Return the prior in the precision of rows `(n, d)`.

    Raises:
        SettingError: when it is of a network of another size.
    """
    if prior is None:
        return None
    mean, sd = np.asarray(prior.mean, x.dtype), np.asarray(prior.sd, x.dtype)
    size = network.size(x.shape[1])
    if mean.shape != (size,) or sd.shape != (size,):
        raise SettingError(
            f"prior has {mean.size} weights, and {network} has {size} for "
            f"{x.shape[1]} columns: type WeightPrior.learn(key, tasks, network)."
        )
    return WeightPrior(mean, sd)


class _Belief(NamedTuple):
    """Normal-inverse-gamma beliefs in the mean and the variance of each weight."""

    mean: jax.Array  # (p,)
    strength: jax.Array  # () observations that the mean stands for
    shape: jax.Array  # () of the inverse-gamma distribution of the variance
    rate: jax.Array  # (p,)

    def expected(self) -> WeightPrior:
        """Return the prior whose precision is the expected one."""
        return WeightPrior(self.mean, jnp.sqrt(self.rate / self.shape))

    def next_weight(self) -> WeightPrior:
        """Return mean and deviation of the weight of a new task, a Student t."""
        var = self.rate / (self.shape - 1) * (1 + 1 / self.strength)
        return WeightPrior(self.mean, jnp.sqrt(var))


def _stacked(tasks: Sequence[tuple[Any, Any]]) -> Table:
    """Return tables with a leading axis, padded to one size."""
    rows = [np.asarray(x, float) for x, _ in tasks]
    if len(rows) < 2 or len({x.shape[-1] for x in rows}) > 1:
        raise SettingError(
            f"tasks have rows of the shapes {[x.shape for x in rows]}: wanted (n, d) "
            "for at least two tasks, the same d in all."
        )
    size = bucket(max(len(x) for x in rows))
    padded = [
        pad(x, np.asarray(y, float)[None], size)
        for x, (_, y) in zip(rows, tasks, strict=True)
    ]
    each = [(data.x, data.y[0], data.seen[0]) for data in padded]
    return Table(*(jnp.asarray(np.stack(part)) for part in zip(*each, strict=True)))


@functools.partial(jit, static_argnames=("network", "rounds", "steps"))
def _learn(tables: Table, start, noise, network: MLP, rounds: int, steps: int):
    count, p = tables.x.shape[0], start.shape[0]
    one = jnp.ones((), start.dtype)
    unit = _Belief(jnp.zeros(p, start.dtype), one, one, jnp.ones(p, start.dtype))
    fit = functools.partial(_local, network=network, noise=noise, steps=steps)

    def turn(_, state):
        belief, params = state
        prior = belief.expected()
        params, var = jax.vmap(lambda own, table: fit(prior, own, table))(
            params, tables
        )
        return _updated(unit, params, var), params

    first = unit, jnp.broadcast_to(start[None], (count, p))
    belief, _ = jax.lax.fori_loop(0, rounds, turn, first)
    return belief.next_weight()


def _local(prior: WeightPrior, params, table: Table, *, network, noise, steps):
    """Return the most likely weights of a task, and their variances, (p,) each."""
    unit = Whitened(network, prior)
    z = (params - prior.mean) / prior.sd
    z = minimize(unit, table, z, jnp.zeros_like(z), noise, steps)
    j = jacobian(unit, z, table)
    var = 1 / (1 + jnp.sum(j**2, 0) / noise)
    return prior.weights(z), prior.sd**2 * var


def _updated(unit: _Belief, params, var) -> _Belief:
    """Return beliefs after the weights (tasks, p) of all tasks and their variances."""
    strength = unit.strength + len(params)
    mean = jnp.sum(params, 0) / strength
    square = jnp.sum(var + (params - mean) ** 2, 0) + unit.strength * mean**2
    return _Belief(mean, strength, unit.shape + len(params) / 2, unit.rate + square / 2)
