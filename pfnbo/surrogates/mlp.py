"""A plain network whose parameters are one vector, all unit normal a priori."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from pfnbo.errors import SettingError

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "erf": jax.scipy.special.erf}


class Network(Protocol):
    """A function of the point whose parameters are one vector."""

    def size(self, d: int) -> int:
        """Return the number of parameters for `d` inputs."""
        ...

    def __call__(self, params: jax.Array, x: jax.Array) -> jax.Array:
        """Return the output at one point `(d,)`."""
        ...


@dataclass(frozen=True)
class MLP:
    """A multi-layer perceptron, alike at all widths.

    A layer multiplies unit normal weights by sqrt(weight / width) and biases by
    sqrt(bias), so that wide networks tend to `Infinite` ones.

    Args:
        widths: of the hidden layers; none makes a linear model.
        activation: "tanh", "relu" or "erf".
        weight: variance of the weights of a layer, times its width.
        bias: variance of the biases.
        outputs: how many; a call returns the first one.

    Source: Li et al. 2024, arXiv 2305.20028, for both variances.
    """

    widths: tuple[int, ...] = (50, 50)
    activation: str = "tanh"
    weight: float = 10.0
    bias: float = 1.3
    outputs: int = 1

    def __post_init__(self):
        """Refuse a network that is none."""
        if self.activation not in ACTIVATIONS:
            raise SettingError(
                f"activation is {self.activation!r}: wanted one of {[*ACTIVATIONS]}."
            )
        if any(width < 1 for width in self.widths):
            raise SettingError(f"widths are {self.widths}: each must be at least 1.")
        object.__setattr__(self, "widths", tuple(self.widths))

    def size(self, d: int) -> int:
        """Return the number of parameters for `d` inputs."""
        return sum((a + 1) * b for a, b in self._shapes(d))

    def last(self, d: int) -> int:
        """Return how many of them are the last layer's, at the end."""
        a, b = self._shapes(d)[-1]
        return (a + 1) * b

    def _shapes(self, d: int) -> list[tuple[int, int]]:
        ends = (*self.widths, self.outputs)
        return list(zip((d, *self.widths), ends, strict=True))

    def _layers(self, params: jax.Array, d: int) -> Iterator[tuple]:
        at = 0
        for a, b in self._shapes(d):
            inner, at = params[at : at + a * b].reshape(a, b), at + a * b
            outer, at = params[at : at + b], at + b
            scale = math.sqrt(self.weight / max(a, 1))
            yield scale * inner, math.sqrt(self.bias) * outer

    def __call__(
        self,
        params: jax.Array,  # (p,)
        x: jax.Array,  # (d,) in the unit cube
    ) -> jax.Array:
        """Return the output at one point."""
        return self.all(params, x)[0]

    def all(
        self,
        params: jax.Array,  # (p,)
        x: jax.Array,  # (d,) in the unit cube
    ) -> jax.Array:
        """Return all outputs at one point, (outputs,)."""
        return self._through(params, x, [0.0] * len(self._shapes(x.shape[0])))[0]

    def _through(self, params, x, bumps) -> tuple[jax.Array, list[jax.Array]]:
        """Return all outputs, and the inputs of the layers, each bumped after it."""
        *hidden, (weight, bias) = self._layers(params, x.shape[0])
        inputs = [x - 0.5]
        for (w, b), bump in zip(hidden, bumps, strict=False):
            h = ACTIVATIONS[self.activation](inputs[-1] @ w + b + bump)
            inputs.append(h)
        return inputs[-1] @ weight + bias + bumps[-1], inputs

    def slopes_gram(
        self,
        params: jax.Array,  # (p,)
        x: jax.Array,  # (n, d) in the unit cube
    ) -> jax.Array:
        """Return the inner products of the slopes in the parameters, (n, n).

        The slopes of a layer are products of its input and of the slope in what leaves
        it, and so are their inner products (Novak et al. 2022, arXiv 2206.08720): with
        50 units that takes a tenth of the operations on the slopes themselves.
        """

        def first(bumps, row):
            outputs, inputs = self._through(params, row, bumps)
            return outputs[0], inputs

        shapes = self._shapes(x.shape[1])
        bumps = [jnp.zeros(b, x.dtype) for _, b in shapes]
        slopes, inputs = jax.vmap(jax.grad(first, has_aux=True), (None, 0))(bumps, x)
        each = [
            (self.weight / max(a, 1) * h @ h.T + self.bias) * (s @ s.T)
            for (a, _), h, s in zip(shapes, inputs, slopes, strict=True)
        ]
        return jnp.sum(jnp.stack(each), 0)
