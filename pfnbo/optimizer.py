"""Ask and tell: the loop turned inside out, for those who evaluate elsewhere."""

import math
import numbers
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from pfnbo.errors import ObjectiveError, SettingError, TellError
from pfnbo.result import Result
from pfnbo.space import Space
from pfnbo.strategy import Observations, Strategy
from pfnbo.surrogates.gp import GP

SAME_POINT = 1e-9  # distance in the unit cube


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
        surrogate: the model, an exact `GP` by default.
        acquisition: "ei", "nei", "pi", "thompson" or "ucb"; "auto" is "nei" where the
            model sees noise in the objective and "ei" elsewhere.
        trust_region: None uses one above 15 cube columns.

    Raises:
        SpaceError: when the bounds have no meaning.
        SettingError: when another argument has none.
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
        surrogate: GP | None = None,
        acquisition: str = "auto",
        trust_region: bool | None = None,
    ) -> None:
        """Check every argument before anything is evaluated."""
        self.space = Space.from_bounds(bounds)
        self.constraint_names = _constraint_names(n_constraints)
        self.maximize = _flag("maximize", maximize)
        self.seed = _seed(seed)
        self.n_initial = _initial(n_initial, len(self.space))
        surrogate = surrogate or GP(noise=_noise(noise))
        self.strategy = Strategy(surrogate, acquisition, trust_region)
        width, c = self.space.columns, len(self.constraint_names)
        self._design = self.space.design(self.n_initial, self.seed)
        self._rows = np.zeros((0, width))
        self._f = np.zeros(0)
        self._g = np.zeros((0, c))
        self._failed = np.zeros(0, bool)
        self._errors: list[str] = []
        self._pending: list[np.ndarray] = []
        self._asked = 0
        self.time_suggest: list[float] = []

    @property
    def pending(self) -> list[Any]:
        """Points asked for and not yet told."""
        return [self.space.decode(row) for row in self._pending]

    def ask(self, n: int = 1) -> list[Any]:
        """Return the next `n` points; fewer when a finite space is exhausted."""
        points = []
        for _ in range(_count("n", n, least=1)):
            start = time.perf_counter()
            row = self._next()
            self.time_suggest.append(time.perf_counter() - start)
            if row is None:
                break
            self._asked += 1
            self._pending.append(row)
            points.append(self.space.decode(row))
        return points

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
        self._pending = [p for p in self._pending if not _same(p, row)]
        self._rows = np.vstack([self._rows, row])
        self._f = np.append(self._f, np.nan if dead else f)
        self._g = np.vstack([self._g, constraints])
        self._failed = np.append(self._failed, dead)
        self._errors.append(reason if dead else "")

    def result(self, message: str = "", stop_reason: str = "") -> Result:
        """Return everything evaluated so far and the best of it."""
        seen = self._observations()
        best = int(seen.order()[0]) if len(self._f) else None
        return Result.of(
            self, best, seen.violation, message=message, stop_reason=stop_reason
        )

    def _observations(self) -> Observations:
        sign = -1.0 if self.maximize else 1.0
        return Observations(self._rows, sign * self._f, self._g, self._failed)

    def _next(self) -> np.ndarray | None:
        busy = np.reshape(self._pending, (len(self._pending), self.space.columns))
        known = np.concatenate([self._rows, busy])
        if self.space.cardinality <= len(np.unique(known, axis=0)):
            return None
        usable = int((~self._failed).sum())
        if self._asked < self.n_initial or usable < 2:
            return self._filling(known)
        key = jax.random.fold_in(jax.random.key(self.seed), len(known))
        row = self.strategy.suggest(key, self.space, self._observations(), busy)
        return self._filling(known) if row is None else self.space.snap(row)

    def _filling(self, known: np.ndarray) -> np.ndarray:
        """Return the next point of the design that is not known yet."""
        size = len(known) + self.n_initial + 1
        while True:
            design = self._design
            if size > len(design):
                design = self._design = self.space.design(2 * size, self.seed)
            for row in design[self._asked :]:
                if not any(_same(row, other) for other in known):
                    return row
            size *= 2

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


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.all(np.abs(a - b) < SAME_POINT))


def _constraint_names(given: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, (int, np.integer)):
        count = _count("n_constraints", given, least=0)
        return tuple(f"g{i}" for i in range(count))
    names = tuple(given)  # type: ignore[arg-type]
    if len(set(names)) != len(names):
        raise SettingError(f"constraint names {names}: all must differ.")
    return names


def _count(name: str, value: Any, least: int) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise SettingError(f"{name} is {value!r}: wanted a whole number >= {least}.")
    return int(value)


def _seed(seed: Any) -> int:
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**31))
    return _count("seed", seed, least=0)


def _initial(given: int | None, d: int) -> int:
    if given is None:
        return min(max(2 * d, 4), 20)
    return _count("n_initial", given, least=1)


def _noise(noise: Any) -> float | None:
    if noise == "auto":
        return None
    if isinstance(noise, (int, float)) and 0 <= noise < math.inf:
        return float(noise)
    raise SettingError(f"noise is {noise!r}: wanted 'auto' or a number >= 0.")


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise SettingError(f"{name} is {value!r}: wanted True or False.")
    return bool(value)
