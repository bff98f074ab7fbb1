"""Ask and tell: the loop turned inside out, for those who evaluate elsewhere."""

import math
import numbers
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from pfnbo import checks, settings
from pfnbo.belief import believed
from pfnbo.design import Design
from pfnbo.errors import ObjectiveError, SettingError, TellError
from pfnbo.model import Fit, Surrogate
from pfnbo.observations import Observations
from pfnbo.space import Space, contains
from pfnbo.storage import require_optuna
from pfnbo.strategy import CHOICES, Strategy

if TYPE_CHECKING:
    from pfnbo.result import Result
    from pfnbo.storage.ledger import Ledger

EARLIER = 64  # evaluations of an earlier task that are used
ANCHORS = 13  # allowed points around which a suggestion is sought


class Optimizer:
    """A study that proposes points with `ask` and learns from `tell`.

    Args:
        bounds: anything `Space.from_bounds` accepts.
        n_constraints: number of black-box constraints, or their names; `g <= 0` is
            feasible.
        maximize: whether larger objectives are better.
        seed: integer; the same seed and observations give the same proposals.
        n_initial: size of the space-filling design; default twice the dimension,
            between 4 and 20.
        noise: "auto" learns the noise; 0.0 says that the function is deterministic.
        surrogate: the model, by default an exact `GP`, with an additive share where
            there are no constraints and at most 15 cube columns.
        acquisition: "ei", "kg", "nei", "pi", "thompson" or "ucb"; "auto" is "nei" where
            the model sees noise in the objective and "ei" elsewhere.
        trust_region: None uses one above 15 cube columns, of which a choice has one for
            each of its values; among candidates there is none.
        prior: where the optimum is believed to be: {"x": (mean, sd)} in the unit of x,
            {"material": {"steel": 3, "wood": 1}} for choices. Half of the design is
            drawn from it; its weight fades as 1 / (number of evaluations).
        warm_start: `Result` of a task that is like this one in the same space, shifted
            or a little different: its points are a second task of the model, its best
            one is evaluated first, and the design is small. What it found is no part
            of the result.
        flip_rate: chance that an evaluation fails by a fluke, at a point where another
            may succeed; such points may be asked for again.
        constraints: known, cheap constraints that every proposed point satisfies: a
            function of a point with values `<= 0` where it is allowed, a scipy
            `LinearConstraint`, `NonlinearConstraint` or inequality dict, or a list
            of these. Points told or queued are not checked.
        storage: where the study is kept and found again: "study.journal", "study.db",
            an Optuna URL or an Optuna storage. Several processes may share it; what
            one asked for stays pending for all until it is told.
        name: of the study in the storage.

    Raises:
        SpaceError: when the bounds have no meaning.
        SettingError: when another argument has none, no point is allowed, or the
            stored study searches something else.
        StorageError: when the storage is damaged or out of reach.
    """

    def __init__(
        self,
        bounds: Any,
        *,
        n_constraints: int | Sequence[str] = 0,
        maximize: bool = False,
        seed: int | None = None,
        n_initial: int | None = None,
        noise: str | float = "auto",
        surrogate: Surrogate | None = None,
        acquisition: str = "auto",
        trust_region: bool | None = None,
        prior: Any = None,
        warm_start: "Result | None" = None,
        flip_rate: float = 0.0,
        constraints: Any = None,
        storage: Any = None,
        name: str = "study",
    ) -> None:
        """Check every argument before anything is evaluated."""
        self.space = Space.from_bounds(bounds)
        self.constraint_names = checks.labels("n_constraints", n_constraints, "g")
        self.maximize = checks.flag("maximize", maximize)
        self.seed, self._seeded = settings.seed(seed), seed is not None
        self._earlier = settings.earlier(warm_start, self.space, self.maximize)
        self.n_initial = settings.initial(
            n_initial, len(self.space), warm=self._earlier is not None
        )
        checks.choice("acquisition", acquisition, CHOICES)
        if trust_region is not None:
            checks.flag("trust_region", trust_region)
        self.strategy = Strategy(
            settings.surrogate(surrogate),
            acquisition,
            trust_region,
            settings.noise(noise),
        )
        self.flip_rate = settings.flip_rate(flip_rate)
        self._belief = None if prior is None else believed(prior, self.space)
        self._known = settings.known(constraints, self.space)
        self._design = self._laid_out()
        self._rows = np.zeros((0, self.space.columns))
        self._f = np.zeros(0)
        self._g = np.zeros((0, len(self.constraint_names)))
        self._failed = np.zeros(0, bool)
        self._errors: list[str] = []
        self._lawful: list[bool] = []  # by known constraints, as far as judged
        self._queue: list[np.ndarray] = []
        if self._earlier is not None and self._earlier.x is not None:
            best = self.space.encode(self._earlier.x)
            listed = self.space.candidate_rows
            if listed is None or contains(listed, best):
                self._queue.append(best)
        self._pending: list[np.ndarray] = []
        self.time_suggest: list[float] = []
        self._learned: Any = None  # the first observations, and what was fitted to them
        self._fitted: Any = None  # what was told, and the model of it
        self._ledger: Ledger | None = None
        if storage is not None:
            require_optuna()
            from pfnbo.storage.ledger import Ledger as Stored

            self.attach(Stored(storage, name))

    def attach(self, ledger: "Ledger") -> None:
        """Go on with the study that a ledger holds, and keep everything in it.

        Points queued that it has already are not asked for again.
        """
        names, seed = ledger.open(
            self.space, self.constraint_names, self.maximize, self.seed
        )
        if names != self.constraint_names:
            self.expect_constraints(names)
        if seed is not None and not self._seeded:
            self.seed = seed
            self._design = self._laid_out()
        self._ledger = ledger
        self._sync()
        told = np.concatenate([self._rows, self._busy()])
        self._queue = [row for row in self._queue if not contains(told, row)]

    def _laid_out(self) -> Design:
        return Design(self.space, self.seed, self._known, self._belief)

    @property
    def pending(self) -> list[Any]:
        """Points asked for and not yet told; set it where others ask, too."""
        return [self.space.decode(row) for row in self._pending]

    @pending.setter
    def pending(self, points: Sequence[Any]) -> None:
        self._pending = [self.space.encode(x) for x in points]

    def enqueue(self, points: Any) -> None:
        """Let `ask` return these points before any other.

        Args:
            points: a list of points, one point, or None for none.

        Raises:
            SpaceError: when a point does not lie in the space.
        """
        self._queue += [
            self.space.encode(x) for x in settings.points(points, len(self.space))
        ]

    def expect_constraints(self, n_constraints: int | Sequence[str]) -> None:
        """Give constraints to a study that had none; their past values are unknown.

        Raises:
            SettingError: when the study has constraints already.
        """
        if self.constraint_names:
            raise SettingError(
                f"the study has the constraints {self.constraint_names} already: "
                "start another Optimizer."
            )
        names = checks.labels("n_constraints", n_constraints, "g")
        if self._ledger is not None:
            self._ledger.expect(names)
        self.constraint_names = names
        self._g = np.full((len(self._f), len(self.constraint_names)), np.nan)

    def ask(self, n: int = 1) -> list[Any]:
        """Return the next `n` points; fewer when a finite space is exhausted.

        They come from the queue, then from the space-filling design until `n_initial`
        points are told or pending, and then from the model.
        """
        points = []
        for _ in range(checks.count("n", n, least=1)):
            with self._ledger.turn() if self._ledger else nullcontext():
                row = self._take()
            if row is None:
                break
            self._pending.append(row)
            points.append(self.space.decode(row))
        return points

    def _take(self) -> np.ndarray | None:
        """Return the next row, written down as pending where there is a storage."""
        while True:
            self._sync()
            ledger = self._ledger
            orphan = ledger.adopt() if ledger else None
            if orphan is not None:
                return self.space.encode(orphan)
            if ledger and ledger.full:
                return None
            row = self._queue.pop(0) if self._queue else self._next()
            if row is None or ledger is None or ledger.start(self.space.decode(row)):
                return row

    def _sync(self) -> None:
        """Learn what this and other processes have written into the storage."""
        if self._ledger is None:
            return
        told, pending = self._ledger.read()
        # Read after the trials: their constraints were named before they were told.
        if not self.constraint_names and (names := self._ledger.names()):
            self.expect_constraints(names)
        for x, outcome in told:
            g = [outcome.g.get(name, math.nan) for name in self.constraint_names]
            self._append(self.space.encode(x), outcome.f, np.array(g), outcome.error)
        self._pending = [self.space.encode(x) for x in pending]

    def tell(
        self, x: Any, y: Any = None, g: Any = None, *, failed: bool | str = False
    ) -> None:
        """Record one evaluation.

        Args:
            x: the point, asked for or not.
            y: objective; NaN or infinite counts as a failure.
            g: constraint values, `(c,)` or a dict by name; a NaN is unknown.
            failed: True, or the reason, when the evaluation gave nothing.

        Raises:
            SpaceError: when `x` does not lie in the space.
            ObjectiveError: when `y` or `g` is not numeric.
            TellError: when `g` has the wrong length.
        """
        row = self.space.encode(x)
        f, constraints = math.nan, np.full(len(self.constraint_names), np.nan)
        if failed is False:
            f = as_number("objective", y, x)
            constraints = self._constraints(g, x)
        dead = failed is not False or not math.isfinite(f)
        reason = failed if isinstance(failed, str) else f"objective was {f}"
        reason = (reason or "failed") if dead else ""
        if self._ledger is None:
            self._pending = [p for p in self._pending if not contains(p[None], row)]
            self._append(row, f, constraints, reason)
        else:
            self._write(x, f, constraints, reason)

    def _write(self, x: Any, f: float, g: np.ndarray, error: str) -> None:
        from pfnbo.storage.ledger import Outcome

        named = dict(zip(self.constraint_names, g.tolist(), strict=True))
        try:
            self._ledger.finish(x, Outcome(math.nan if error else f, named, error))  # type: ignore[union-attr]
        except Exception as failure:
            failure.add_note(f"not stored: {x} gave f={f}, g={g.tolist()} {error}")
            raise
        self._sync()

    def _append(self, row: np.ndarray, f: float, g: np.ndarray, error: str) -> None:
        self._rows = np.vstack([self._rows, row])
        self._f = np.append(self._f, np.nan if error else f)
        self._g = np.vstack([self._g, g])
        self._failed = np.append(self._failed, bool(error))
        self._errors.append(error)

    def result(self, message: str = "", stop_reason: str = "") -> "Result":
        """Return everything evaluated so far and the best of it."""
        from pfnbo.result import Result  # a SciPy class: slow to import

        seen = self._observations()
        best = int(seen.order[0]) if len(self._f) else None
        return Result.of(
            self, best, seen.violation, message=message, stop_reason=stop_reason
        )

    def _observations(self) -> Observations:
        sign = -1.0 if self.maximize else 1.0
        return Observations(
            self._rows,
            sign * self._f,
            self._g,
            self._failed,
            self._judged(),
            self.flip_rate,
            earlier=self._source(),
        )

    def _source(self) -> Observations | None:
        """Return the earlier task, with the constraints that both have."""
        old, sign = self._earlier, -1.0 if self.maximize else 1.0
        if old is None:
            return None
        names, unknown = list(old.constraint_names), np.full(old.nfev, np.nan)
        columns = [
            old.constr[:, names.index(name)] if name in names else unknown
            for name in self.constraint_names
        ]
        return Observations(
            np.stack([self.space.encode(x) for x in old.x_iters]),
            sign * old.func_vals,
            np.reshape(columns, (len(columns), old.nfev)).T,
            np.array([bool(error) for error in old.errors]),
        ).spread(EARLIER)

    def expected_improvement(self) -> float:
        """Return how much a point under evaluation may be expected to improve on all.

        It is the largest expected improvement of those asked for and not told, in the
        unit of the objective; infinite as long as no model says.
        """
        told = len(self._f), len(self.constraint_names)
        if self._fitted is None or self._fitted[0] != told:
            return math.inf
        seen = self._observations()
        return self.strategy.expected_improvement(seen, self._busy(), self._fitted[1])

    def _judged(self) -> np.ndarray:
        """Return which points satisfy the known constraints, each judged once.

        Not in `tell`, where a constraint that raises would lose the evaluation.
        """
        if self._known is not None:
            new = self._rows[len(self._lawful) :]
            self._lawful += [self._known.allows(row) for row in new]
        return np.array(self._lawful or np.ones(len(self._rows)), bool)

    def _busy(self) -> np.ndarray:
        return np.reshape(self._pending, (len(self._pending), self.space.columns))

    def _next(self) -> np.ndarray | None:
        busy = self._busy()
        known = np.concatenate([self._rows, busy])
        # Of candidates others than these may have been told.
        open_ended = self.space.candidate_rows is not None
        if not open_ended and self.space.cardinality <= len(np.unique(known, axis=0)):
            return None
        usable = int((~self._failed).sum())
        if len(known) < self.n_initial or usable < 2:
            row = self._design.next(known)
            if row is not None or usable < 2:
                return row
        start = time.perf_counter()
        key = jax.random.fold_in(jax.random.key(self.seed), len(known))
        seen = self._observations()
        row = self.strategy.suggest(
            key,
            self.space,
            seen,
            busy,
            belief=self._belief,
            fitted=self._model(seen, len(busy)),
            **self._allowed(len(known)),
        )
        self.time_suggest.append(time.perf_counter() - start)
        return self._design.next(known) if row is None else self.space.snap(row)

    def _model(self, seen: Observations, extra: int) -> Fit:
        """Return the model of what was told, once for all points of a batch."""
        told, rows = seen.g.shape, len(seen.joined().f) + extra
        if (
            self._fitted is None
            or self._fitted[0] != told
            or self._fitted[1][0].x.shape[0] < rows
        ):
            with jax.enable_x64(True):
                self._fitted = told, self._updated(seen, extra)
        return self._fitted[1]

    def _updated(self, seen: Observations, extra: int) -> Fit:
        """Return a fit to the first observations that knows of the others, too.

        Which are the first depends on all of them alone, so that a study that is
        stopped and taken up again goes on as if it had not been.
        """
        groups, settled = self.space.grid.groups, seen.settled
        learned = len(settled.f), seen.g.shape[1]

        def fit(seen: Observations, extra: int) -> Fit:
            key = jax.random.fold_in(jax.random.key(self.seed), len(seen.f))
            return self.strategy.model.fit(key, seen, extra, groups)

        if not self.strategy.model.exact(seen.g.shape[1], self.space.columns):
            return fit(seen, extra)
        if self._learned is None or self._learned[0] != learned:
            self._learned = learned, fit(settled, 0)
        first = self._learned[1]
        if settled is seen and len(first.posterior.x) >= len(seen.joined().f) + extra:
            return first
        updated = self.strategy.model.updated(first, seen, extra, groups)
        return updated or fit(seen, extra)

    def _allowed(self, seed: int) -> dict[str, Any]:
        if self._known is None:
            return {}
        return dict(known=self._known, anchors=self._design.sample(ANCHORS, seed))

    def _constraints(self, g: Any, x: Any) -> np.ndarray:
        names = self.constraint_names
        if isinstance(g, Mapping):
            if set(g) != set(names):
                raise TellError(f"constraints {sorted(g)} at {x}: wanted {names}.")
            g = [g[name] for name in names]
        values = [] if g is None else np.atleast_1d(np.asarray(g, object)).ravel()
        if len(values) != len(names):
            raise TellError(
                f"got {len(values)} constraint values at {x}: wanted {len(names)}, "
                f"as n_constraints={len(names)} says."
            )
        return np.array([as_number("constraint", v, x) for v in values], float)


def as_number(what: str, value: Any, x: Any) -> float:
    """Return a real scalar, or raise `ObjectiveError` naming the value and the point.

    Args:
        what: name used in the message.
        value: anything; 0-d and one-element arrays are accepted.
        x: the point, for the message.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        array = np.empty(0)
    if array.size == 1 and array.dtype.kind in "iuf":
        return float(array.reshape(()))
    item = array.reshape(()).item() if array.size == 1 else None
    if isinstance(item, numbers.Real) and not isinstance(item, bool):
        return float(item)
    raise ObjectiveError(
        f"the {what} at {x} is {value!r}: wanted one real number. "
        "Return a float, (f, g) or {'f': ..., 'g': ...}."
    )
