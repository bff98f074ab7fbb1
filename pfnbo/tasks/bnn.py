"""Functions computed by random neural networks."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.tasks.task import Drawn

UNIT = 12**-0.5  # sd of a uniform input


@dataclass(frozen=True)
class Bnn:
    """A tanh network with normal weights (PFNs4BO, arXiv 2305.17535, appendix).

    Layers and width are shared by a group of tasks. Every network is computed at the
    largest width, and at the group's number of layers.
    """

    layers: tuple[int, int] = (8, 15)
    width: tuple[int, int] = (36, 150)
    scale: tuple[float, float] = (0.08896, 0.19286)  # sd of weights and biases
    dropped: float = 0.14498  # probability that an inner weight is 0
    jump: tuple[float, float] = (3.15e-4, 1.375e-3)  # sd before each tanh, per row

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a network."""
        to_layers, to_width = jax.random.split(choice)
        keys = jax.random.split(key, 6)
        low, high = self.layers
        depth = jax.random.randint(to_layers, (), low, high + 1)
        width = jax.random.randint(to_width, (), self.width[0], self.width[1] + 1)
        there = jnp.arange(self.width[1]) < width
        sd = jax.random.uniform(keys[0], (), float, *self.scale)
        jump = jax.random.uniform(keys[1], (), float, *self.jump)
        live = jnp.where(columns, UNIT**-1 * jnp.sum(columns) ** -0.5, 0)
        first = sd * jax.random.normal(keys[2], (columns.size + 1, there.size))
        last = sd * jax.random.normal(keys[3], (there.size + 1,))

        def inner(i: Array, h: Array) -> Array:
            to_weight, to_bias, to_drop = jax.random.split(
                jax.random.fold_in(keys[4], i), 3
            )
            # Single precision halves the cost, and a weight is random anyway.
            weight = jax.random.normal(to_weight, (there.size,) * 2, jnp.float32)
            weight = sd * weight.astype(h.dtype)
            kept = jax.random.bernoulli(to_drop, 1 - self.dropped, weight.shape)
            weight = weight * kept / (1 - self.dropped) ** 0.5
            bias = sd * jax.random.normal(to_bias, there.shape)
            return self._activate(keys[5], i + 1, h @ weight + bias[None], jump, there)

        def f(x: Array) -> Array:
            h = ((x - 0.5) * live[None]) @ first[:-1] + first[-1:]
            h = self._activate(keys[5], jnp.zeros((), jnp.int32), h, jump, there)
            h = jax.lax.fori_loop(0, depth - 2, inner, h)
            return h @ last[:-1] + last[-1]

        return f

    def _activate(
        self, key: Array, layer: Array, h: Array, jump: Array, there: Array
    ) -> Array:
        # A key per row: the value at a row must not depend on the number of rows.
        key = jax.random.fold_in(key, layer)
        each = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(h)))
        noise = jax.vmap(lambda k: jax.random.normal(k, there.shape, jnp.float32))(each)
        noise = noise.astype(h.dtype)
        return jnp.where(there[None], jnp.tanh(h + jump * noise), 0)


@dataclass(frozen=True)
class Known:
    """A tanh network of two hidden layers whose weights are independent unit normals.

    One distribution for every task: a sampler given `value` and the observations draws
    from the exact posterior, which shows what a pretrained network is worth.
    """

    width: int = 16
    gain: float = 2.0  # sd of the inputs of the first and the second hidden layer

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a network."""
        del choice
        weights = jax.random.normal(key, (self.size(columns.size),))
        return lambda x: self.value(weights, x, columns)

    def size(self, d: int) -> int:
        """Return the number of weights and biases of a network of `d` inputs."""
        return (d + 1) * self.width + (self.width + 1) * self.width + self.width

    def value(
        self,
        weights: Array,  # (size,)
        x: Array,  # (rows, d) in the unit cube
        columns: Array,  # (d,) bool: inputs that exist
    ) -> Array:
        """Return the output of the network of these weights, (rows,)."""
        d, h = x.shape[1], self.width
        first, second, last = jnp.split(weights, [(d + 1) * h, (d + 2 + h) * h])
        live = jnp.where(columns, jnp.sum(columns) ** -0.5 / UNIT, 0)
        inputs = jnp.column_stack([(x - 0.5) * live[None], jnp.ones(len(x))])
        units = jnp.tanh(self.gain * inputs @ first.reshape(d + 1, h))
        inner = jnp.column_stack([units * h**-0.5, jnp.ones(len(x))])
        units = jnp.tanh(self.gain * inner @ second.reshape(h + 1, h))
        return units @ last * h**-0.5


@dataclass(frozen=True)
class Shallow:
    """A network of one or two hidden layers, scaled to a unit output."""

    width: int = 32
    gain: tuple[float, float] = (0.5, 4.0)  # log-uniform slope of the inputs

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a network."""
        keys = jax.random.split(key, 6)
        low, high = jnp.log(self.gain[0]), jnp.log(self.gain[1])
        gain = jnp.exp(jax.random.uniform(keys[0], (), float, low, high))
        live = jnp.where(columns, gain / UNIT * jnp.sum(columns) ** -0.5, 0)
        first = jax.random.normal(keys[1], (columns.size, self.width))
        bias = gain * jax.random.normal(keys[2], (1, self.width))
        second = jax.random.normal(keys[3], (self.width, self.width))
        last = jax.random.normal(keys[4], (self.width,)) / self.width**0.5
        kind, deep = jax.random.split(choice)
        activate = [jnp.tanh, jax.nn.relu, jnp.sin]
        index = jax.random.randint(kind, (), 0, len(activate))
        two = jax.random.bernoulli(deep)

        def f(x: Array) -> Array:
            h = ((x - 0.5) * live[None]) @ first + bias
            h = jax.lax.switch(index, activate, h)
            inner = jnp.tanh(h @ second / self.width**0.5)
            return jnp.where(two, inner, h) @ last

        return f
