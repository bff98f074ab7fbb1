"""How far Markov chains may be trusted, and words for those that may not."""

import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.errors import SettingError

LARGEST_R_HAT = 1.2  # that is not warned of
DIVERGED = 0.02  # share of the draws, alike


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Diagnostics:
    """How far the chains of each output may be trusted, fields (outputs,)."""

    r_hat: jax.Array  # worst, of what was followed
    ess: jax.Array  # smallest bulk effective sample size, of the same
    divergences: jax.Array  # number of them after the warm-up
    acceptance: jax.Array  # mean


def check(settings: Any, least: dict[str, int]) -> None:
    """Refuse chains that tell nothing, of themselves or of the posterior.

    Args:
        settings: with `chains`, `draws` and `kept`.
        least: the smallest value of each setting that has one.

    Raises:
        SettingError: when a setting is below, or more is kept than drawn.
    """
    for name, low in least.items():
        if getattr(settings, name) < low:
            raise SettingError(
                f"{name} is {getattr(settings, name)}: at least {low} is needed."
            )
    if settings.kept > settings.chains * settings.draws:
        raise SettingError(
            f"kept is {settings.kept}, of {settings.chains} chains with "
            f"{settings.draws} draws each: keep fewer or draw more."
        )


def agreement(f: jax.Array, fine: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the worst R-hat and effective sample size.

    Args:
        f: what is followed, `(chains, draws, n)`.
        fine: which of the `n` count, `(n,)` bool.
    """
    import blackjax  # slow to import, and only samplers need it

    r_hat, ess = blackjax.rhat(f), blackjax.ess_bulk(f)
    fine = fine & jnp.isfinite(r_hat) & jnp.isfinite(ess)
    worst = jnp.max(jnp.where(fine, r_hat, 1))
    return worst, jnp.min(jnp.where(fine, ess, jnp.inf))


def warn(told: Diagnostics, draws: int, longer: str, calmer: str) -> None:
    """Warn of chains that should not be trusted.

    Args:
        told: the diagnostics.
        draws: of all chains of an output.
        longer: what to type for chains that agree.
        calmer: what to type against divergences.
    """
    worst = float(np.max(told.r_hat))
    if worst > LARGEST_R_HAT:
        warnings.warn(
            f"R-hat is {worst:.2f}, so the chains do not agree: type {longer}.",
            stacklevel=4,
        )
    diverged = int(np.sum(told.divergences))
    if diverged > DIVERGED * draws * len(told.r_hat):
        warnings.warn(f"{diverged} trajectories diverged: type {calmer}.", stacklevel=4)
