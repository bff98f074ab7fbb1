"""Knits surrogate, acquisition and maximizer into the choice of the next points."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import jax
import numpy as np

from pfnbo.acquisition.improvement import ACQUISITIONS, Goal
from pfnbo.acquisition.noisy import goals, nei
from pfnbo.acquisition.thompson import thompson
from pfnbo.data import Data, bucket, pad
from pfnbo.known import Known
from pfnbo.maximize import game, trust
from pfnbo.maximize import known as allowed
from pfnbo.maximize.gradient import Region, Screen, propose
from pfnbo.space import Space
from pfnbo.surrogates.cascade import CascadePosterior
from pfnbo.surrogates.choice import choose_views
from pfnbo.surrogates.gp import GP, GPPosterior
from pfnbo.views import constraint_views, label_views, objective_views, stack

INCUMBENTS = 3
DRAWS = 32  # of the noise-free values at the data, for noisy expected improvement
WIDE = 15  # cube columns above which the search is local and no share is additive
QUIET = 1e-4  # noise variance of a standardised output that counts as none


@dataclass(frozen=True)
class Observations:
    """What has been evaluated, on the host in float64."""

    rows: np.ndarray  # (n, columns)
    f: np.ndarray  # (n,) to be minimised, NaN where failed
    g: np.ndarray  # (n, constraints), NaN where unknown
    failed: np.ndarray  # (n,) bool
    allowed: np.ndarray | bool = True  # (n,) bool, by known constraints

    @cached_property
    def violation(self) -> np.ndarray:
        """Largest positive constraint value, infinite where failed or not allowed."""
        worst = np.max(np.nan_to_num(self.g, nan=np.inf), axis=1, initial=0.0)
        return np.where(~self.failed & self.allowed, worst, np.inf)

    @property
    def feasible(self) -> np.ndarray:
        """Whether each evaluation satisfies every constraint, (n,)."""
        return self.violation <= 0

    @cached_property
    def order(self) -> np.ndarray:
        """Indices from best to worst: feasible by value, then by scaled violation."""
        size = np.nanmedian(np.where(np.isfinite(self.g), np.abs(self.g), 0.0), axis=0)
        scaled = np.log1p(np.maximum(self.g, 0) / np.where(size > 0, size, 1.0))
        total = np.nan_to_num(scaled, nan=50.0, posinf=1e3).sum(axis=1)
        total = np.where(~self.failed & self.allowed, total, np.inf)
        f = np.where(self.failed, np.inf, self.f)
        return np.lexsort((f, np.where(self.feasible, 0.0, total)))

    def improved(self) -> np.ndarray:
        """Whether each evaluation was the best one when it came, (n,) bool."""
        rank = np.empty(len(self.f), int)
        rank[self.order] = np.arange(len(self.f))
        return rank == np.minimum.accumulate(rank)


class Surrogate(Protocol):
    """A model that learns from data; `told` is optional, it names what predicts."""

    def fit(self, key: jax.Array, data: Data) -> Any:
        """Return the posterior of every output."""
        ...


@dataclass(frozen=True)
class Strategy:
    """How the next points are chosen.

    Args:
        surrogate: model of all outputs; None takes a `GP` of this noise, with an
            additive share where there are no constraints and at most 15 columns.
        acquisition: "ei", "nei", "pi", "thompson" or "ucb"; "auto" is "nei" where the
            model sees noise in the objective and "ei" elsewhere.
        trust_region: None uses one above 15 cube columns.
        noise: of the default surrogate, as in `GP`.
    """

    surrogate: Surrogate | None = None
    acquisition: str = "auto"
    trust_region: bool | None = None
    noise: float | None = None

    def suggest(
        self,
        key: jax.Array,
        space: Space,
        seen: Observations,
        pending: np.ndarray,
        *,
        known: Known | None = None,
        anchors: np.ndarray | None = None,
        fitted: tuple[GPPosterior, np.ndarray] | None = None,
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
            fitted: what `fit` returned for these observations, with room for `pending`.
        """
        key, fit, draw = jax.random.split(key, 3)
        with jax.enable_x64(True):
            posterior, thresholds = fitted or self.fit(fit, seen, len(pending))
            feasible = seen.feasible
            if len(pending):
                posterior, fantasies = _believe(posterior, seen.rows, pending)
                # A fantasy that counted as no incumbent would be asked for again.
                believed = np.all(fantasies[1:] <= thresholds[:, None], axis=0)
                feasible = np.append(feasible, believed)
            means, noise = (np.asarray(a) for a in _objective(posterior))
            goal = _goal(means, thresholds, feasible)
            region = self._region(space, seen, pending, posterior)
            name = self._named(noise)
            usable = np.arange(posterior.x.shape[0]) < len(seen.f)
            args = _arguments(name, draw, goal, posterior, usable)
            search: Any = game.propose
            if not game.suits(space.grid):
                cheap = _screen(name, draw, thresholds, feasible, posterior, usable)
                search = partial(propose, cheap=cheap)
            if known is not None:
                search = partial(allowed.propose, known=known)
            if anchors is not None:
                centres = np.concatenate([region.centres, anchors])
                region = replace(region, centres=centres)
            row, value = search(key, _SCORES[name], args, region, space.grid)
        return None if value == -np.inf else row

    def model(self, constraints: int, columns: int) -> Surrogate:
        """Return the surrogate for so many constraints and cube columns."""
        return self.surrogate or GP(
            noise=self.noise, additive=_separable(constraints, columns)
        )

    def told(self, rows: int, columns: int, constraints: int) -> str:
        """Return what predicts from so many rows and columns, in words."""
        model = self.model(constraints, columns)
        told = getattr(model, "told", None)
        return told(rows, columns) if told else type(model).__name__

    def _named(self, noise: np.ndarray) -> str:
        if self.acquisition != "auto":
            return self.acquisition
        return "nei" if noise > QUIET else "ei"

    def fit(
        self, key: jax.Array, seen: Observations, extra: int = 0
    ) -> tuple[Any, np.ndarray]:
        """Return the posterior of the chosen views, and the thresholds in them.

        Args:
            key: random key.
            seen: observations; call inside `jax.enable_x64(True)`.
            extra: number of rows to leave free for fantasies.

        Returns:
            The posterior, with the negative objective as output 0, and where each
            constraint begins to be violated `(constraints,)`.
        """
        objective = objective_views(seen.f)
        outputs = [replace(objective, z=-objective.z)]
        outputs += [constraint_views(column) for column in seen.g.T]
        if seen.failed.any():
            outputs.append(label_views(seen.failed))
        views = stack(outputs)
        shape, n = views.zero.shape, len(seen.f)
        flat = pad(seen.rows, views.z.reshape(-1, n), bucket(n + extra))
        y, known = (a.reshape(*shape, -1) for a in (flat.y, flat.seen))
        sizes = seen.g.shape[1], seen.rows.shape[1]
        judge = GP(additive=_separable(*sizes))
        chosen = choose_views(flat.x, y, known[:, 0], views.jacobian, judge)
        pick = np.arange(len(outputs)), chosen
        posterior = self.model(*sizes).fit(key, Data(flat.x, y[pick], known[pick]))
        return posterior, views.zero[pick][1:]

    def _region(self, space, seen: Observations, pending, posterior) -> Region:
        centres = seen.rows[np.resize(seen.order[:INCUMBENTS], INCUMBENTS)]
        columns = space.columns
        use = self.trust_region
        if use is None:
            use = columns > WIDE
        low, high = np.zeros(columns), np.ones(columns)
        if use and not seen.failed.all():
            lengths = np.asarray(posterior.length_scales[0])
            edge = trust.length(seen.improved(), columns)
            low, high = trust.box(centres[0], lengths, edge)
        size = posterior.x.shape[0]
        taken = np.full((size, columns), np.nan)
        rows = np.concatenate([seen.rows, pending])
        taken[: len(rows)] = rows
        return Region(low, high, centres, taken)  # type: ignore[arg-type]


def _separable(constraints: int, columns: int) -> bool:
    """Return whether an additive share gains more than it costs."""
    # In each of many outputs, or over many columns, it takes several times as long.
    return constraints == 0 and columns <= WIDE


def _scored(fn: Callable) -> Callable:
    return lambda args, x: fn(*args, x)


# Made once: a new function object would be a new compilation.
_SCORES = {
    name: _scored(fn)
    for name, fn in {**ACQUISITIONS, "nei": nei, "thompson": thompson}.items()
}
CHOICES = ("auto", *sorted(_SCORES))


def _arguments(name: str, key, goal: Goal, posterior: GPPosterior, usable):
    """Return what a score reads: a goal, and the posterior or draws from it."""
    if name == "thompson":
        return goal, _path(key, posterior)
    if name == "nei":
        return _noise_free(key, posterior, goal.thresholds, usable)
    return goal, posterior


def _screen(name: str, key, thresholds, feasible, posterior: Any, usable):
    """Return what screens for a cascade; None where the posterior is none."""
    if not isinstance(posterior, CascadePosterior):
        return None
    goal = _goal(np.asarray(posterior.cheap.fitted[0]), thresholds, feasible)
    args = _arguments(name, key, goal, posterior.cheap, usable)
    return Screen(args, posterior.share)


@jax.jit
def _path(key: jax.Array, posterior: GPPosterior):
    return posterior.path(key)


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
    posterior: GPPosterior, rows: np.ndarray, pending: np.ndarray
) -> tuple[GPPosterior, np.ndarray]:
    """Return the posterior after fantasies at its mean, and these (outputs, p)."""
    mean = np.asarray(_means(posterior, pending))
    n, p = len(rows), len(pending)
    y, seen, x = (np.array(a) for a in (posterior.y, posterior.seen, posterior.x))
    x[n : n + p], y[:, n : n + p], seen[:, n : n + p] = pending, mean, True
    return posterior.condition(Data(x, y, seen)), mean  # type: ignore[arg-type]


@jax.jit
def _means(posterior: GPPosterior, x: jax.Array) -> jax.Array:
    return posterior.means(x)
