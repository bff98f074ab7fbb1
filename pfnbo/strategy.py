"""Knits surrogate, acquisition and maximizer into the choice of the next points."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.acquisition.improvement import ACQUISITIONS, Goal, improvement
from pfnbo.acquisition.knowledge import Rivals, kg
from pfnbo.acquisition.noisy import goals, nei
from pfnbo.acquisition.thompson import thompson
from pfnbo.belief import CONFIDENCE, Belief
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.known import Known
from pfnbo.maximize import game, listed, trust
from pfnbo.maximize import known as allowed
from pfnbo.maximize.gradient import Region, Screen, propose
from pfnbo.model import WIDE, Fit, Model, Surrogate
from pfnbo.observations import Observations
from pfnbo.space import Space
from pfnbo.surrogates.cascade import CascadePosterior
from pfnbo.surrogates.gp import GPPosterior
from pfnbo.views import objective_slope

INCUMBENTS = 3
RIVALS = 64  # random points among which the knowledge gradient seeks the best mean
DRAWS = 32  # of the noise-free values at the data, for noisy expected improvement
QUIET = 1e-4  # noise variance of a standardised output that counts as none


@dataclass(frozen=True)
class Strategy:
    """How the next points are chosen.

    Args:
        surrogate: model of all outputs; None takes the default of `Model`.
        acquisition: "ei", "kg", "nei", "pi", "thompson" or "ucb"; "auto" is "nei" where
            the model sees noise in the objective and "ei" elsewhere.
        trust_region: None uses one above 15 cube columns.
        noise: of the default surrogate, as in `GP`.
    """

    surrogate: Surrogate | None = None
    acquisition: str = "auto"
    trust_region: bool | None = None
    noise: float | None = None

    @property
    def model(self) -> Model:
        """What it learns with."""
        return Model(self.surrogate, self.noise)

    def suggest(
        self,
        key: jax.Array,
        space: Space,
        seen: Observations,
        pending: np.ndarray,
        *,
        known: Known | None = None,
        anchors: np.ndarray | None = None,
        belief: Belief | None = None,
        fitted: Fit | None = None,
    ) -> np.ndarray | None:
        """Return the next cube row `(columns,)`, None when every point is taken.

        Args:
            key: random key.
            space: the search space.
            seen: observations with at least one finite objective.
            pending: rows under evaluation `(p, columns)`; they enter as fantasies
                at the posterior mean (kriging believer, Ginsbourger et al. 2010).
            known: constraints that the row must satisfy.
            anchors: rows that satisfy them `(a, columns)`, to search around.
            fitted: what `Model.fit` returned for these observations, with room for
                `pending`.
        """
        key, fit, draw = jax.random.split(key, 3)
        with jax.enable_x64(True):
            groups = space.grid.groups
            fitted = fitted or self.model.fit(fit, seen, len(pending), groups)
            posterior, thresholds = fitted.posterior, fitted.thresholds
            feasible = seen.feasible
            if len(pending):
                posterior, fantasies = _believe(
                    posterior, len(seen.f), seen.marked(pending)
                )
                # A fantasy that counted as no incumbent would be asked for again.
                believed = np.all(fantasies[1:] <= thresholds[:, None], axis=0)
                feasible = np.append(feasible, believed)
            means, noise = (np.asarray(a) for a in _objective(posterior))
            goal = _goal(means, thresholds, feasible)
            region = self._region(space, seen, pending, posterior)
            name = self._named(noise)
            usable = np.arange(posterior.x.shape[0]) < len(seen.f)
            random = _random(draw, space, region) if name == "kg" else None
            score = (_SCORES if seen.earlier is None else _LATER)[name]
            weight = np.asarray(CONFIDENCE / max(len(seen.f), 1))

            def read(goal: Goal, posterior: Any) -> Any:
                args = _arguments(name, draw, goal, posterior, usable, random)
                return args if belief is None else (args, belief, weight)

            if belief is not None:
                score = _GUIDED[score]
            args = read(goal, posterior)
            cheap = _screen(read, thresholds, feasible, posterior)
            if anchors is not None:
                centres = np.concatenate([region.centres, anchors])
                region = replace(region, centres=centres)
            search = _maximizer(space, known, cheap)
            row, value = search(key, score, args, region, space.grid)
        return None if value == -np.inf else row

    def _named(self, noise: np.ndarray) -> str:
        if self.acquisition != "auto":
            return self.acquisition
        return "nei" if noise > QUIET else "ei"

    def expected_improvement(
        self, seen: Observations, rows: np.ndarray, fit: Fit
    ) -> float:
        """Return the largest expected improvement at some rows, in units of `f`.

        Args:
            seen: observations.
            rows: points that may improve on them `(q, columns)`.
            fit: of the observations.

        Returns:
            An upper bound where the view of the objective is a logarithm, close where
            improvements are small; infinite until two feasible values differ.
        """
        feasible = seen.f[seen.feasible]
        if not len(rows) or len(set(feasible.tolist())) < 2:
            return np.inf
        with jax.enable_x64(True):
            means = np.asarray(fit.posterior.fitted[0])
            goal = _goal(means, fit.thresholds, seen.feasible)
            rows = seen.marked(rows)
            logs = [float(_improvement(goal, fit.posterior, row)) for row in rows]
        # The view is concave: a gain in `f` is at most that in the view by its slope.
        slope = objective_slope(seen.joined().f, fit.view, int(seen.order[0]))
        return float(np.exp(max(logs)) / slope)

    def _region(self, space, seen: Observations, pending, posterior) -> Region:
        centres = seen.rows[np.resize(seen.order[:INCUMBENTS], INCUMBENTS)]
        columns = space.columns
        use = self.trust_region
        if use is None:
            use = columns > WIDE
        low, high = np.zeros(columns), np.ones(columns)
        if use and not seen.failed.all():
            lengths = np.asarray(posterior.length_scales[0])[:columns]
            edge = trust.length(seen.improved(), len(space))
            low, high = trust.box(centres[0], lengths, edge, space.grid.ordered)
        size = posterior.x.shape[0]
        taken = np.full((size, columns), np.nan)
        fluke = seen.failed & (seen.label < 0)  # may be tried again
        rows = np.concatenate([seen.rows[~fluke], pending])
        taken[: len(rows)] = rows
        return Region(low, high, centres, taken)  # type: ignore[arg-type]


def _scored(fn: Callable) -> Callable:
    return lambda args, x: fn(*args, x)


def _later(score: Callable) -> Callable:
    """Return the score of a row in the later of two tasks."""
    return lambda args, x: score(args, jnp.append(x, 0.0))


def _guided(score: Callable) -> Callable:
    """Return the score plus the log density of a belief, with a weight.

    Source: Hvarfner et al. 2022 (piBO), arXiv 2204.11051, eq. 6.
    """

    def guided(args, x):
        inner, belief, weight = args
        return score(inner, x) + weight * belief.log_density(x)

    return guided


# Made once: a new function object would be a new compilation.
_SCORES = {
    name: _scored(fn)
    for name, fn in dict(ACQUISITIONS, kg=kg, nei=nei, thompson=thompson).items()
}
_LATER = {name: _later(score) for name, score in _SCORES.items()}
_GUIDED = {s: _guided(s) for s in (*_SCORES.values(), *_LATER.values())}
CHOICES = ("auto", *sorted(_SCORES))


def _arguments(name: str, key, goal: Goal, posterior: GPPosterior, usable, random):
    """Return what a score reads: a goal, and the posterior or draws from it."""
    if name == "kg":
        if not hasattr(posterior, "covariance"):
            raise SettingError(
                f"acquisition is 'kg', and {type(posterior).__name__} has no "
                "covariance of two points: use a surrogate with joint draws, GP() say."
            )
        return goal, posterior, _rivals(posterior, goal, usable, random)
    if name == "thompson":
        return goal, _path(key, posterior)
    if name == "nei":
        return _noise_free(key, posterior, goal.thresholds, usable)
    return goal, posterior


def _screen(read: Callable, thresholds, feasible, posterior: Any) -> Screen | None:
    """Return what screens for a cascade; None where the posterior is none."""
    if not isinstance(posterior, CascadePosterior):
        return None
    goal = _goal(np.asarray(posterior.cheap.fitted[0]), thresholds, feasible)
    return Screen(read(goal, posterior.cheap), posterior.share)


def _maximizer(space: Space, known: Known | None, cheap: Screen | None) -> Callable:
    """Return what proposes in a space."""
    rows = space.candidate_rows
    if rows is not None:
        return partial(listed.propose, rows=rows, known=known, cheap=cheap)
    if known is not None:
        return partial(allowed.propose, known=known, cheap=cheap)
    return partial(game.propose if game.suits(space.grid) else propose, cheap=cheap)


@jax.jit
def _path(key: jax.Array, posterior: GPPosterior):
    return posterior.path(key)


def _random(key: jax.Array, space: Space, region: Region) -> jax.Array:
    """Return random rows of a region, or candidates, (RIVALS, columns)."""
    if space.candidate_rows is not None:
        return jax.random.choice(key, jnp.asarray(space.candidate_rows), (RIVALS,))
    shape = RIVALS, len(region.low)
    low, high = (np.broadcast_to(a, shape) for a in (region.low, region.high))
    return jax.random.uniform(key, shape, low.dtype, low, high)


@jax.jit
def _rivals(posterior: GPPosterior, goal: Goal, usable, random: jax.Array):
    """Return rows seen and random ones, those feasible at their means."""
    # Of an earlier task and a later one, these are in the later.
    more = posterior.x.shape[1] - random.shape[1]
    random = jnp.pad(random, ((0, 0), (0, more)))
    x = jnp.concatenate([posterior.x, random])
    means = posterior.means(x)
    real = jnp.append(posterior.seen[0] & usable, jnp.ones(RIVALS, bool))
    real &= jnp.all(means[1:] <= goal.thresholds[:, None], 0)
    return Rivals(x, jnp.where(real, means[0], -jnp.inf))


@jax.jit
def _noise_free(key: jax.Array, posterior: GPPosterior, thresholds, usable):
    draws = posterior.noise_free(key, DRAWS, QUIET)
    return goals(draws, thresholds, usable), draws


@jax.jit
def _objective(posterior: GPPosterior) -> tuple[jax.Array, jax.Array]:
    """Return the means of the objective at the data (n,), and its noise variance."""
    return posterior.fitted[0], posterior.noise[0]


def _goal(means: np.ndarray, thresholds, feasible: np.ndarray) -> Goal:
    """Return the incumbent: the largest posterior mean at a feasible observation."""
    known = means[: len(feasible)][feasible]
    found = known.size > 0
    best = np.max(known) if found else 0.0
    return Goal(np.asarray(best), np.asarray(found), thresholds)  # type: ignore[arg-type]


def _believe(
    posterior: GPPosterior, n: int, pending: np.ndarray
) -> tuple[GPPosterior, np.ndarray]:
    """Return the posterior after fantasies at its mean, and these (outputs, p).

    They take the rows after the first `n`.
    """
    mean, p = np.asarray(_means(posterior, pending)), len(pending)
    y, seen, x = (np.array(a) for a in (posterior.y, posterior.seen, posterior.x))
    x[n : n + p], y[:, n : n + p], seen[:, n : n + p] = pending, mean, True
    return posterior.condition(Data(x, y, seen)), mean  # type: ignore[arg-type]


@jax.jit
def _improvement(goal: Goal, posterior: GPPosterior, x: jax.Array) -> jax.Array:
    return improvement(goal, posterior.predict(x))


@jax.jit
def _means(posterior: GPPosterior, x: jax.Array) -> jax.Array:
    return posterior.means(x)
