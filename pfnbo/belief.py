"""What the user believes of where the optimum is: a density over rows of the cube."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import checks
from pfnbo.dimensions import Categorical, Dimension
from pfnbo.errors import SettingError
from pfnbo.space import Space

CONFIDENCE = 10.0  # observations after which the belief has its own weight
SURE = 1e-3  # density at the unlikeliest places over that at the likeliest


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Belief:
    """Independent normal columns above a floor, and odds of choices."""

    centre: jax.Array  # (columns,)
    scale: jax.Array  # (columns,) infinite where nothing is believed
    log_odds: jax.Array  # (columns,) of each choice, 0 elsewhere
    groups: tuple[tuple[int, int], ...] = field(metadata=dict(static=True))

    def log_density(
        self,
        x: jax.Array,  # (columns,)
    ) -> jax.Array:
        """Return the log density, 0 where it is highest."""
        near = -0.5 * ((x - self.centre) / self.scale) ** 2
        # A floor in each column, or a wrong belief would outweigh all data for long.
        floored = jnp.logaddexp(near + math.log1p(-SURE), math.log(SURE))
        return jnp.sum(x * self.log_odds) + jnp.sum(floored)

    def draw(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return draws `(n, columns)` that spread as evenly as `rows` do.

        A number goes to its quantile of the normal within the cube, and a choice is
        drawn anew.
        """
        from scipy.stats import truncnorm  # slow to import

        rng, rows = np.random.default_rng(seed), np.array(rows)
        for j in np.flatnonzero(np.isfinite(self.scale)):
            low, high = (np.array([0.0, 1.0]) - self.centre[j]) / self.scale[j]
            quantiles = truncnorm.ppf(rows[:, j], low, high)
            rows[:, j] = self.centre[j] + self.scale[j] * quantiles
        for start, width in self.groups:
            block = slice(start, start + width)
            odds = np.exp(np.asarray(self.log_odds[block]))
            level = rng.choice(width, len(rows), p=odds / odds.sum())
            chosen = np.eye(width)[level]
            active = rows[:, block].any(1, keepdims=True)
            rows[:, block] = np.where(active, chosen, rows[:, block])
        return rows


def believed(given: Any, space: Space) -> Belief:
    """Return the belief that a dict of dimensions describes.

    Args:
        given: name -> `(mean, sd)` of a number, in its unit, or choice -> weight of a
            `Categorical`.
        space: the search space.

    Raises:
        SettingError: when a name is unknown or what is believed has no meaning.
    """
    if not isinstance(given, Mapping):
        raise _wrong("prior", given)
    centre, scale = np.full(space.columns, 0.5), np.full(space.columns, np.inf)
    log_odds = np.zeros(space.columns)
    for name, about in given.items():
        columns = space.block(checks.choice("prior", name, space.names))
        dimension = space[name]
        if isinstance(dimension, Categorical):
            odds = _odds(name, dimension, about)
            if dimension.ordered:
                centre[columns], scale[columns] = _moments(odds)
            else:
                log_odds[columns] = np.log(odds)[: columns.stop - columns.start]
        else:
            centre[columns], scale[columns] = _normal(name, dimension, about)
    return Belief(centre, scale, log_odds, space.grid.groups)  # type: ignore[arg-type]


def _normal(name: str, dimension: Dimension, about: Any) -> tuple[float, float]:
    """Return mean and deviation on the scale of the cube."""
    try:
        mean, sd = (checks.real(f"prior of {name!r}", part) for part in about)
    except (TypeError, ValueError):
        raise _wrong(f"prior of {name!r}", about) from None
    low, high = float(dimension.low), float(dimension.high)  # type: ignore[union-attr]
    if not low <= mean <= high or not 0 < sd < np.inf:
        raise _wrong(f"prior of {name!r}", about)
    if low == high:
        return 0.5, np.inf
    if dimension.log:  # type: ignore[union-attr]
        span = np.log(high / low)
        return float(np.log(mean / low) / span), float(sd / mean / span)
    return (mean - low) / (high - low), sd / (high - low)


def _odds(name: str, dimension: Categorical, about: Any) -> np.ndarray:
    """Return the weight of each choice over that of the likeliest."""
    if not isinstance(about, Mapping) or not set(about) <= set(dimension.choices):
        raise _wrong(f"prior of {name!r}", about)
    weights = [checks.real(name, about.get(c, 0.0), least=0) for c in dimension.choices]
    if not 0 < max(weights) < np.inf:
        raise _wrong(f"prior of {name!r}", about)
    return np.maximum(np.array(weights) / max(weights), SURE)


def _moments(odds: np.ndarray) -> tuple[float, float]:
    """Return mean and deviation of the place of an ordered choice in [0, 1]."""
    place, share = np.linspace(0, 1, len(odds)), odds / odds.sum()
    mean = share @ place
    step = 1 / max(len(odds) - 1, 1)
    return float(mean), float(np.sqrt(share @ (place - mean) ** 2 + step**2 / 12))


def _wrong(what: str, given: Any) -> SettingError:
    return SettingError(
        f"{what} is {given!r}: wanted {{name: (mean, sd)}} with a mean within the "
        "bounds and sd > 0, and {name: {choice: weight}} for a Categorical."
    )
