"""Gaussian processes whose hyper-parameters are drawn instead of fitted."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.kernel import NOISE_FLOOR, log_marginal_likelihood, log_prior
from pfnbo.surrogates.chains import Diagnostics, agreement, check, warn
from pfnbo.surrogates.gp import GP, condition
from pfnbo.surrogates.particles import ParticlePosterior, repeat


@dataclass(frozen=True)
class NUTS:
    """How hyper-parameters are drawn, by the no-U-turn sampler of NumPyro.

    Args:
        chains: number of chains of each output.
        warmup: steps of the adaptation.
        draws: steps of each chain afterwards.
        kept: members of the posterior, spread over all draws.
        depth: largest number of times that a trajectory doubles.

    Source: Hoffman & Gelman 2014, arXiv 1111.4246.
    """

    chains: int = 2
    warmup: int = 256
    draws: int = 256
    kept: int = 16
    depth: int = 6

    def __post_init__(self):
        """Refuse chains that tell nothing, of themselves or of the posterior."""
        check(self, dict(chains=2, warmup=20, draws=4, kept=1, depth=1))


@dataclass(frozen=True)
class FullyBayesianGP:
    """A Gaussian process averaged over the posterior of its hyper-parameters.

    Args:
        process: their prior and likelihood, which `GP` alone maximises.
        nuts: how they are drawn.
    """

    process: GP = GP(additive=False)
    nuts: NUTS = NUTS()
    exact = True

    def fit(self, key: jax.Array, data: Data) -> ParticlePosterior:
        """Return a mixture of exact posteriors of every output.

        Warns where the chains of hyper-parameters disagree or diverge.
        """
        return _fit(key, data, self)

    @property
    def kernel(self) -> Any:
        """The kernel of the process."""
        return self.process.whole

    def __call__(self, x: jax.Array, y: jax.Array, seen: jax.Array) -> None:
        """Run the model of one output in NumPyro's language."""
        import numpyro
        from numpyro.distributions import Uniform

        low, high = self.process.box(x.shape[1])
        free = np.flatnonzero(low < high)
        inside = Uniform(low[free], high[free]).to_event(1)
        theta = jnp.asarray(low, x.dtype).at[free].set(numpyro.sample("free", inside))
        numpyro.factor("prior", log_prior(theta, self.kernel))
        _observe(theta, x, y, seen, self.kernel)


@dataclass(frozen=True)
class SAAS:
    """A Gaussian process that believes few columns to matter.

    It is for tens of columns and more: the inverse square length-scales have
    half-Cauchy priors with a common scale that is small.

    Args:
        kernel: "rbf", "matern12", "matern32" or "matern52".
        noise: None draws the noise; a number fixes its standard deviation in units of
            the standardised output.
        nuts: how hyper-parameters are drawn.

    Source: Eriksson & Jankowiak 2021, arXiv 2103.00349.
    """

    kernel: str = "matern52"
    noise: float | None = None
    nuts: NUTS = NUTS()
    exact = True

    def fit(self, key: jax.Array, data: Data) -> ParticlePosterior:
        """Return a mixture of exact posteriors of every output.

        Warns where the chains of hyper-parameters disagree or diverge.
        """
        return _fit(key, data, self)

    def __call__(self, x: jax.Array, y: jax.Array, seen: jax.Array) -> None:
        """Run the model of one output in NumPyro's language."""
        import numpyro
        from numpyro.distributions import Gamma, HalfCauchy

        d = x.shape[1]
        common = numpyro.sample("common", HalfCauchy(0.1))
        own = numpyro.sample("own", HalfCauchy(1.0).expand([d]).to_event(1))
        signal = numpyro.sample("signal", Gamma(2.0, 0.15))
        noise = self.noise
        noise = numpyro.sample("noise", Gamma(0.9, 10.0)) if noise is None else noise**2
        lengths = -0.5 * jnp.log(common * own)
        last = jnp.log(jnp.stack([signal, noise + NOISE_FLOOR]))
        theta = jnp.concatenate([lengths, jnp.zeros(2 * d), last])
        _observe(theta.astype(x.dtype), x, y, seen, self.kernel)


def _observe(theta, x, y, seen, kernel) -> None:
    import numpyro

    numpyro.deterministic("theta", theta)
    evidence = log_marginal_likelihood(theta, x, y, seen, kernel)
    numpyro.factor("evidence", evidence)


def _fit(key, data: Data, model: FullyBayesianGP | SAAS) -> ParticlePosterior:
    try:
        import numpyro  # noqa: F401  slow to import, and only these surrogates need it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{type(model).__name__} needs NumPyro: pip install 'pfnbo[numpyro]'"
        ) from error
    theta, told = _draw(key, data, model)
    nuts = model.nuts
    longer = f"NUTS(warmup={2 * nuts.warmup}, draws={2 * nuts.draws})"
    calmer = f"{type(model).__name__}(noise=0.01), or more"
    if isinstance(model, FullyBayesianGP):
        calmer = "FullyBayesianGP(GP(noise=0.01)), or more"
    warn(told, nuts.chains * nuts.draws, longer, calmer)
    outputs, kept, _ = theta.shape
    weight = jnp.full((outputs, kept), -np.log(kept), theta.dtype)
    flat = theta.reshape(outputs * kept, -1)
    members = condition(flat, repeat(data, kept), weight.reshape(-1), model.kernel)
    return ParticlePosterior(members, weight, told)


@functools.partial(jit, static_argnames="model")
def _draw(
    key, data: Data, model: FullyBayesianGP | SAAS
) -> tuple[jax.Array, Diagnostics]:
    """Return hyper-parameters (outputs, kept, parameters) and diagnostics."""
    nuts, outputs = model.nuts, len(data.y)

    def one(key, y, seen):
        return _chain(key, model, (data.x, y, seen))

    keys = jax.random.split(key, (outputs, nuts.chains))
    chains = jax.vmap(jax.vmap(one, (0, None, None)))(keys, data.y, data.seen)
    theta, diverged, accepted = chains  # (outputs, chains, draws, ...)
    moved = jnp.std(theta, axis=(1, 2)) > 1e-6  # what is fixed has no R-hat
    r_hat, ess = jax.vmap(agreement)(theta, moved)
    told = Diagnostics(r_hat, ess, diverged.sum((1, 2)), accepted.mean((1, 2)))
    pool = theta.reshape(outputs, -1, theta.shape[-1])
    picks = np.linspace(0, pool.shape[1] - 1, nuts.kept).round().astype(int)
    return pool[:, picks], told


def _chain(key, model: FullyBayesianGP | SAAS, args: tuple) -> tuple:
    """Return hyper-parameters of one chain (draws, parameters), and its health."""
    from numpyro.handlers import seed, trace
    from numpyro.infer.hmc import hmc
    from numpyro.infer.util import constrain_fn, potential_energy

    start, run, draw = jax.random.split(key, 3)
    sites = trace(seed(model, draw)).get_trace(*args)
    latent = [
        name
        for name, site in sites.items()
        if site["type"] == "sample" and not site["is_observed"]
    ]
    keys = jax.random.split(start, len(latent))
    place = {
        name: jax.random.uniform(k, jnp.shape(sites[name]["value"]), minval=-1)
        for name, k in zip(latent, keys, strict=True)
    }
    init, step = hmc(lambda z: potential_energy(model, args, {}, z), algo="NUTS")
    nuts = model.nuts
    state = init(place, nuts.warmup, max_tree_depth=nuts.depth, rng_key=run)

    def body(state, _):
        state = step(state)
        drawn = constrain_fn(model, args, {}, state.z, return_deterministic=True)
        return state, (drawn["theta"], state.diverging, state.accept_prob)

    state, _ = jax.lax.scan(lambda s, _: (step(s), None), state, length=nuts.warmup)
    return jax.lax.scan(body, state, length=nuts.draws)[1]
