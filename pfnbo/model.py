"""Learns from observations: in which views of them, by what, and when anew."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.data import Data, bucket, pad
from pfnbo.observations import Observations
from pfnbo.surrogates.choice import choose_views
from pfnbo.surrogates.gp import COARSE, GP
from pfnbo.views import Views, constraint_views, label_views, objective_views, stack

WIDE = 15  # cube columns above which no share is additive, and a search is local
MOVED = 0.5  # deviations that a view may move before a fit is made anew
SURPRISE = 10.0  # deviations from its prediction that an observation may be, alike


class Surrogate(Protocol):
    """A model that learns from data.

    Two attributes are optional: the method `told` names what predicts, and `exact` is
    true where `condition` of the posterior makes of more data what a fit would that
    kept the hyper-parameters, or nearly. Such a model is fitted anew only from time to
    time.
    """

    def fit(self, key: jax.Array, data: Data) -> Any:
        """Return the posterior of every output."""
        ...


class Fit(NamedTuple):
    """What a strategy believes after some observations."""

    posterior: Any  # output 0 is the negative objective in its view
    thresholds: np.ndarray  # (constraints,) where each begins to be violated
    views: np.ndarray  # (outputs,) numbers of the views of each
    z: np.ndarray  # (outputs, n) what was observed, in these views

    @property
    def view(self) -> int:
        """Number of the view of the objective in `objective_views`."""
        return int(self.views[0])


@dataclass(frozen=True)
class Model:
    """How a surrogate learns from observations.

    Args:
        surrogate: model of all outputs; None takes a `GP` of this noise, with an
            additive share where there are no constraints and at most 15 columns.
        noise: of the default surrogate, as in `GP`.
    """

    surrogate: Surrogate | None = None
    noise: float | None = None

    def suited(self, constraints: int, columns: int) -> Surrogate:
        """Return the surrogate for so many constraints and cube columns."""
        return self.surrogate or GP(
            noise=self.noise, additive=_separable(constraints, columns)
        )

    def exact(self, constraints: int, columns: int) -> bool:
        """Return whether the surrogate is fitted anew only from time to time."""
        return getattr(self.suited(constraints, columns), "exact", False)

    def told(
        self, rows: int, columns: int, constraints: int, fitted: Fit | None = None
    ) -> str:
        """Return what predicts from so many rows and columns, in words.

        Args:
            rows: number of observations.
            columns: of the cube.
            constraints: number of them.
            fitted: what `fit` returned for these observations, if it is known.
        """
        model = self.suited(constraints, columns)
        told = getattr(model, "told", None)
        posterior = fitted and fitted.posterior
        return told(rows, columns, posterior) if told else type(model).__name__

    def fit(
        self,
        key: jax.Array,
        seen: Observations,
        extra: int = 0,
        groups: tuple[tuple[int, int], ...] = (),
    ) -> Fit:
        """Return the posterior of the chosen views, and the thresholds in them.

        Args:
            key: random key.
            seen: observations; call inside `jax.enable_x64(True)`.
            extra: number of rows to leave free for fantasies.
            groups: columns of choices, as in `Data`.
        """
        n, seen = len(seen.f), seen.joined()
        views, size = _views(seen), bucket(len(seen.f) + extra)
        chosen = self._chosen(views, seen, size, groups)
        data, thresholds, z = _viewed(views, chosen, seen.rows, n, size, groups)
        model = self.suited(seen.g.shape[1], seen.rows.shape[1])
        return Fit(model.fit(key, data), thresholds, chosen, z)

    def updated(
        self,
        fit: Fit,
        seen: Observations,
        extra: int = 0,
        groups: tuple[tuple[int, int], ...] = (),
    ) -> Fit | None:
        """Return a fit after more observations, its hyper-parameters unchanged.

        Args:
            fit: of the first of the observations, to as many outputs.
            seen: observations; call inside `jax.enable_x64(True)`.
            extra: number of rows to leave free for fantasies.
            groups: columns of choices, as in `Data`.

        Returns:
            None where the others are news to it: they move the views of the first, or
            one of them is far from what all but itself predict.
        """
        n, first, seen = len(seen.f), fit.z.shape[1], seen.joined()
        views, size = _views(seen), bucket(len(seen.f) + extra)
        data, thresholds, z = _viewed(views, fit.views, seen.rows, n, size, groups)
        if np.nanmax(np.abs(z[:, :first] - fit.z), initial=0) > MOVED:
            return None
        posterior = fit.posterior.condition(data)
        if hasattr(posterior, "leave_one_out"):
            later = np.isin(np.arange(size), np.arange(first, n))
            if float(_surprise(posterior, data, later)) > SURPRISE:
                return None
        return Fit(posterior, thresholds, fit.views, z)

    def _chosen(self, views: Views, seen: Observations, size: int, groups):
        """Return the view of each output, judged by `COARSE` observations at most."""
        judge = GP(additive=_separable(seen.g.shape[1], seen.rows.shape[1]))
        if size > COARSE:
            seen, size = seen.spread(COARSE), COARSE
            views = _views(seen)
        shape = views.zero.shape
        flat = pad(seen.rows, views.z.reshape(-1, len(seen.f)), size)
        y, known = (a.reshape(*shape, -1) for a in (flat.y, flat.seen))
        return choose_views(flat.x, y, known[:, 0], views.jacobian, judge, groups)


def _views(seen: Observations) -> Views:
    """Return the views of the negative objective, the constraints and the failures."""
    objective = objective_views(seen.f)
    outputs = [replace(objective, z=-objective.z)]
    outputs += [constraint_views(column) for column in seen.g.T]
    if seen.fails:
        outputs.append(label_views(seen.label))
    return stack(outputs)


def _viewed(views: Views, chosen, rows: np.ndarray, n: int, size: int, groups):
    """Return the data in the chosen views, where constraints are 0, and `Fit.z`."""
    pick = np.arange(len(chosen)), chosen
    z = views.z[pick]
    return _spaced(rows, z, n, size, groups), views.zero[pick][1:], z[:, :n]


def _spaced(rows: np.ndarray, z: np.ndarray, n: int, size: int, groups) -> Data:
    """Return data padded after the first `n` rows, where fantasies find room."""
    free = size - len(rows)
    rows = np.insert(rows, n, np.full((free, 1), 0.5), axis=0)
    return pad(rows, np.insert(z, n, np.full((free, 1), np.nan), axis=1), size, groups)


def _separable(constraints: int, columns: int) -> bool:
    """Return whether an additive share gains more than it costs."""
    # In each of many outputs, or over many columns, it takes several times as long.
    return constraints == 0 and columns <= WIDE


@jax.jit
def _surprise(posterior: Any, data: Data, later: jax.Array) -> jax.Array:
    """Return how many deviations the later rows are from their predictions at most."""
    told = posterior.leave_one_out()
    far = jnp.abs(data.y - told.mean) / jnp.sqrt(told.var)
    return jnp.max(jnp.where(data.seen & later, far, 0))
