"""Moves particles uphill on the evidence, tied to where the network put them.

Where rows are few the evidence is flat and a particle stays; where they are many it
goes to the mode near by, which no network finds exactly.
"""

import jax
import jax.numpy as jnp

from pfnbo import bfgs
from pfnbo.kernel import log_marginal_likelihood
from pfnbo.pfn.kernel_head import KERNEL, Particles, box

TIE = 0.5  # deviation of theta around its proposal, in units of a particle
STEPS = 10


def weighed(
    particles: Particles,
    x: jax.Array,  # (n, d)
    y: jax.Array,  # (n,)
    seen: jax.Array,  # (n,) bool
) -> Particles:
    """Return the particles and a polished copy of each, the evidence in the weights.

    Proposed and polished ones stand side by side, so that the mixture keeps the spread
    of the first and has the precision of the second; the weight of a copy is less by
    what it costs to leave its proposal.
    """
    low, high, unit = (jnp.asarray(a, x.dtype) for a in box(x.shape[1]))

    def evidence(theta):
        return log_marginal_likelihood(theta, x, y, seen, KERNEL)

    def moved(proposed):
        def loss(theta):
            tie = jnp.sum(((theta - proposed) / (TIE * unit)) ** 2) / 2
            return tie - evidence(theta)

        value_and_grad = jax.value_and_grad(loss)
        theta, value = bfgs.minimize(
            value_and_grad, proposed, low, high, steps=STEPS, tolerance=1e-2
        )
        return theta, -value

    theta, worth = jax.vmap(moved)(particles.theta)
    worth = jnp.concatenate([jax.vmap(evidence)(particles.theta), worth])
    # Normalised, as what a particle is worth is compared with others than these.
    weight = jax.nn.log_softmax(particles.log_weight.astype(x.dtype))
    weight = jnp.tile(weight, 2) + worth
    both = jnp.concatenate([particles.theta, theta])
    return Particles(both, jnp.nan_to_num(weight, nan=-1e30, neginf=-1e30))
