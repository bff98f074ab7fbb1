"""EXAdam, an Adam whose moments correct each other, as an optax transformation.

Adly 2024, arXiv 2412.20302. In `experiments/exadam` it ties with Adam when each has
its own learning rate, and is worse at Adam's (test cross-entropy, 3 seeds):

| learning rate | Adam          | version 2     | version 1     |
|---------------|---------------|---------------|---------------|
| equal, 1e-3   | 1.140         | 1.457         | 1.879         |
| tuned         | 1.140 at 1e-3 | 1.141 at 3e-4 | 1.140 at 1e-4 |
"""

import jax
import jax.numpy as jnp
import optax
from jax import Array


def scale_by_exadam(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, *, version: int = 2
) -> optax.GradientTransformation:
    """Rescale updates by EXAdam; see `exadam` for the arguments.

    The state is Adam's, in float32 or more: 0.999 is 1 in bfloat16.
    """
    if version not in (1, 2):
        raise ValueError(f"version is {version!r}: wanted 1 or 2.")

    def init(params):
        zeros = jax.tree.map(lambda p: jnp.zeros_like(p, dtype=_wide(p)), params)
        return optax.ScaleByAdamState(jnp.zeros([], jnp.int32), zeros, zeros)

    def update(updates, state, params=None):
        del params
        gradients = jax.tree.map(lambda g: jnp.asarray(g, _wide(g)), updates)
        mu = optax.tree.update_moment(gradients, state.mu, b1, 1)
        nu = optax.tree.update_moment(gradients, state.nu, b2, 2)
        count = optax.safe_increment(state.count)

        def direction(g, m, v):
            t = jnp.asarray(count, g.dtype)
            d1 = 1 + b2**t * v / (v + eps)
            d2 = 1 + b1**t * m**2 / (m**2 + eps)
            first = (m + g) * d1 / (1 - b1**t)
            second = v * d2 / (1 - b2**t)
            growth = jnp.log(2 * (t + 1)) / 2 if version == 1 else 1
            return growth * first / (jnp.sqrt(second) + eps)

        scaled = jax.tree.map(direction, gradients, mu, nu)
        scaled = optax.tree.cast_like(scaled, updates)
        return scaled, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


def _wide(x: Array) -> jnp.dtype:
    return x.dtype if x.dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def exadam(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    version: int = 2,
) -> optax.GradientTransformation:
    """Return the EXAdam optimiser with decoupled weight decay.

    Along a steady gradient its step is 16 times Adam's at first, 4 times from the
    twentieth step on and twice after some thousands: a learning rate tuned for Adam is
    too large for it.

    Args:
        learning_rate: a number or an optax schedule.
        b1: decay of the mean of the gradients.
        b2: decay of the mean of their squares.
        eps: added to denominators.
        weight_decay: times the learning rate; version 1's growth leaves it alone.
        version: 2 is the published code; 1, the first preprint's, also multiplies the
            step by ln(sqrt(2) sqrt(t + 1)), which grows without end.

    Raises:
        ValueError: when the version is neither 1 nor 2.
    """
    return optax.chain(
        scale_by_exadam(b1, b2, eps, version=version),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
