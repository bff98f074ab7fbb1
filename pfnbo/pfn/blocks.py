"""Transformer blocks over sets: no position, so the order of a set changes nothing."""

import jax
import jax.numpy as jnp
from flax import nnx


def linear(
    rngs: nnx.Rngs,
    inputs: int,
    outputs: int,
    *,
    zero: bool = False,
    precise: bool = False,
):
    """Return a float32 layer.

    Args:
        rngs: random state.
        inputs: size of the last axis.
        outputs: its size after the layer.
        zero: whether it starts as if it were not there.
        precise: whether it computes in float32 where the rest does not.
    """
    init = nnx.initializers.zeros_init() if zero else nnx.initializers.lecun_normal()
    dtype = jnp.float32 if precise else None
    return nnx.Linear(inputs, outputs, dtype=dtype, kernel_init=init, rngs=rngs)


def use_bfloat16(network: nnx.Module) -> nnx.Module:
    """Return the network, its layers that need not be precise now in bfloat16."""
    for _, module in nnx.iter_modules(network):
        if isinstance(module, nnx.Linear) and module.dtype is None:
            module.dtype = jnp.bfloat16
    return network


class SetAttention(nnx.Module):
    """Pre-normed multi-head attention of a set to itself, added to the residuals."""

    def __init__(self, rngs: nnx.Rngs, width: int, heads: int):
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.qkv = linear(rngs, width, 3 * width)
        self.out = linear(rngs, width, width, zero=True)
        self.heads = heads

    def __call__(
        self,
        h: jax.Array,  # (..., set, width)
        there: jax.Array,  # (..., set) bool, broadcasts; members to attend to
    ) -> jax.Array:
        split = self.qkv(self.norm(h)).reshape(*h.shape[:-1], 3, self.heads, -1)
        q, k, v = jnp.moveaxis(split, -3, 0)
        mask = there[..., None, None, :]
        mixed = jax.nn.dot_product_attention(q, k, v, mask=mask)
        return h + self.out(mixed.reshape(h.shape))


class Mlp(nnx.Module):
    """Pre-normed two-layer perceptron of each member, added to the residuals."""

    def __init__(self, rngs: nnx.Rngs, width: int):
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.rise = linear(rngs, width, 2 * width)
        self.fall = linear(rngs, 2 * width, width, zero=True)

    def __call__(self, h: jax.Array) -> jax.Array:  # (..., width)
        return h + self.fall(jax.nn.gelu(self.rise(self.norm(h))))


class GridBlock(nnx.Module):
    """Attention along the rows of a grid of tokens, then along its columns."""

    def __init__(self, rngs: nnx.Rngs, width: int, heads: int):
        self.along = SetAttention(rngs, width, heads)
        self.across = SetAttention(rngs, width, heads)
        self.mlp = Mlp(rngs, width)

    def __call__(
        self,
        h: jax.Array,  # (a, b, width)
        a_there: jax.Array,  # (a,) bool
        b_there: jax.Array,  # (b,) bool
    ) -> jax.Array:
        h = self.along(h, b_there[None])
        h = self.across(h.swapaxes(0, 1), a_there[None]).swapaxes(0, 1)
        return self.mlp(h)
