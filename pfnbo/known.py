"""Known constraints: cheap functions of a point, held wherever pfnbo evaluates.

They have no model and cost no evaluation. Every accepted form becomes one function of
a cube row with values at most 0 where the row is allowed.
"""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from pfnbo.errors import SettingError
from pfnbo.space import Space

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint

# All in units of the typical size of each constraint.
TOLERANCE = 1e-9  # for rounding
MARGIN = 1e-8  # kept by the solver, whose own tolerance is smaller
UNKNOWN = 1e3  # stands for NaN and infinity in the solver
SAMPLE = 64  # points that tell the typical size
LEAPS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)  # moves in a discrete column
WANTED = (
    "wanted a function g(x) <= 0, a scipy LinearConstraint or NonlinearConstraint, "
    "{'type': 'ineq', 'fun': ...} or a list of these"
)


@dataclass(frozen=True)
class Term:
    """One constraint as the user gave it: `fn(point)` is at most 0 where allowed."""

    label: str
    fn: Callable[[Any], Any]

    def __call__(self, point: Any) -> np.ndarray:
        """Return the values `(k,)` at a user point.

        Raises:
            SettingError: when the function raises or does not return numbers.
        """
        try:
            raw = self.fn(copy.copy(point))
        except SettingError:
            raise
        except Exception as error:
            raise SettingError(
                f"{self.label} raised {type(error).__name__}: {error} at {point}: it "
                "must return numbers for every point within the bounds."
            ) from error
        return _numbers(self.label, raw, point)


class Known:
    """Every known constraint of a space.

    Args:
        constraints: a function, scipy constraint or dict, or a list of these.
        space: the search space; functions see its points, as the objective does.

    Raises:
        SettingError: when one has no meaning, is an equality or does not return
            numbers.
    """

    def __init__(self, constraints: Any, space: Space) -> None:
        """Convert each form, and learn typical sizes from a few points."""
        if not isinstance(constraints, (list, tuple)):
            constraints = [constraints]
        self.space = space
        self._terms = [_term(i, given, space) for i, given in enumerate(constraints)]
        rows = space.nearest(space.design(SAMPLE, 0))
        first = [len(term(space.decode(rows[0]))) for term in self._terms]
        self._labels = np.repeat([term.label for term in self._terms], first)
        self._size = np.ones(len(self._labels))
        sample = np.abs(np.stack([self.values(row) for row in rows]))
        for label, column in zip(self._labels, sample.T, strict=True):
            if np.isnan(column).all():
                raise SettingError(f"{label} is NaN at every point tried: {WANTED}.")
        self._size = np.array([_typical(column) for column in sample.T])

    def values(self, row: np.ndarray) -> np.ndarray:
        """Return the values `(m,)` at a cube row in units of their typical size."""
        point = self.space.decode(row)
        # Finite differences through a JAX function need double precision.
        with jax.enable_x64(True):
            parts = [term(point) for term in self._terms]
        values = np.concatenate(parts)
        if len(values) != len(self._labels):
            raise SettingError(
                f"constraints have {len(values)} values at {point} and "
                f"{len(self._labels)} elsewhere: wanted as many at every point."
            )
        return values / self._size

    def allows(self, row: np.ndarray) -> bool:
        """Return whether a cube row satisfies every constraint; NaN never does."""
        return bool(np.all(self.values(row) <= TOLERANCE))

    def violation(self, row: np.ndarray) -> float:
        """Return the sum of the positive values."""
        return float(np.maximum(self._finite(row), 0).sum())

    def blame(self, row: np.ndarray) -> str:
        """Return which constraint a row violates most, and by how much."""
        values = self._finite(row) * self._size
        worst = int(np.argmax(self._finite(row)))
        return f"{self._labels[worst]} is {values[worst]:.4g}"

    def minimize(
        self,
        fn: Callable[[np.ndarray], tuple[float, np.ndarray]],
        row: np.ndarray,  # (columns,)
        low: np.ndarray,  # (columns,)
        high: np.ndarray,  # (columns,)
    ) -> np.ndarray | None:
        """Minimise a smooth function over the continuous columns of what is allowed.

        Args:
            fn: returns value and gradient `(columns,)` at a row.
            row: start; its discrete columns stay.
            low: lower corner.
            high: upper corner.

        Returns:
            The best allowed row that the search met, None when it met none.

        Source: SLSQP, Kraft 1988.
        """
        free = np.flatnonzero(self._free(row))
        met: list[tuple[float, np.ndarray]] = []

        def place(z: np.ndarray) -> np.ndarray:
            full = np.array(row)
            full[free] = np.clip(z, low[free], high[free])
            return full

        def objective(z: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = fn(place(z))
            if np.isfinite(value):
                met.append((float(value), place(z)))
            return float(np.nan_to_num(value, nan=1e10)), np.nan_to_num(gradient[free])

        def room(z: np.ndarray) -> np.ndarray:
            return -self._finite(place(z)) - MARGIN

        start = place(row[free])
        objective(start[free])
        if len(free):
            _slsqp(objective, start[free], low[free], high[free], room)
        met.sort(key=lambda pair: pair[0])
        return next((x for _, x in met if np.all(self.values(x) <= 0)), None)

    def repair(self, row: np.ndarray) -> np.ndarray | None:
        """Return an allowed row near `row`, None when none is found."""
        low, high = np.zeros(len(row)), np.ones(len(row))

        def distance(x: np.ndarray) -> tuple[float, np.ndarray]:
            return float(np.sum((x - row) ** 2)), 2 * (x - row)

        found = self.minimize(distance, row, low, high)
        if found is None:
            found = self.minimize(distance, self._descend(row), low, high)
        return found

    def _descend(self, row: np.ndarray) -> np.ndarray:
        """Return a row of less violation: discrete moves, then a gradient descent."""
        while True:
            moves = _moves(self.space, row)
            best = min(moves, key=self.violation, default=row)
            if self.violation(best) >= self.violation(row):
                break
            row = best
        free = np.flatnonzero(self._free(row))
        if not len(free):
            return row

        from scipy.optimize import minimize  # slow to import

        def excess(z: np.ndarray) -> float:
            full = np.array(row)
            full[free] = z
            return float(np.sum(np.maximum(self._finite(full) + MARGIN, 0) ** 2))

        box = [(0.0, 1.0)] * len(free)
        found = minimize(excess, row[free], method="L-BFGS-B", bounds=box)
        row = np.array(row)
        row[free] = found.x
        return row

    def _free(self, row: np.ndarray) -> np.ndarray:
        """Return which columns of a row are continuous and count."""
        grid = self.space.grid
        return grid.moving & grid.active(row, np)

    def _finite(self, row: np.ndarray) -> np.ndarray:
        """Return the values with a large number for NaN and infinity."""
        values = self.values(row)
        return np.nan_to_num(values, nan=UNKNOWN, posinf=UNKNOWN, neginf=-UNKNOWN)


def _term(i: int, given: Any, space: Space) -> Term:
    label = f"constraints[{i}]"
    return Term(label, _converted(label, given, space))


def _typical(values: np.ndarray) -> float:
    """Return a low quantile: one that grows fast is still held where it is near 0."""
    usable = values[np.isfinite(values) & (values > 0)]
    return float(np.quantile(usable, 0.1)) if usable.size else 1.0


def _slsqp(objective, start, low, high, room) -> None:
    from scipy.optimize import minimize  # slow to import

    limits = {"type": "ineq", "fun": room}
    box = list(zip(low, high, strict=True))
    options = {"maxiter": 40, "ftol": 1e-10}
    with warnings.catch_warnings():
        # SciPy warns when a step leaves the bounds by rounding.
        warnings.simplefilter("ignore", RuntimeWarning)
        minimize(
            objective,
            start,
            jac=True,
            method="SLSQP",
            bounds=box,
            constraints=limits,
            options=options,
        )


def _moves(space: Space, row: np.ndarray) -> list[np.ndarray]:
    """Return the rows that differ from `row` in one discrete dimension."""
    grid, rows = space.grid, []
    for start, width in grid.groups:
        for hot in np.eye(width):
            rows.append(np.array(row))
            rows[-1][start : start + width] = hot
    for j in grid.discrete:
        for leap in (*LEAPS, 1 / max(float(grid.levels[j]) - 1, 1)):
            for sign in (-1, 1):
                rows.append(np.array(row))
                rows[-1][j] += sign * leap
    return [space.snap(x) for x in rows]


def _converted(label: str, given: Any, space: Space) -> Callable[[Any], Any]:
    """Return `fn(point) <= 0` for any accepted form of one constraint."""
    # Slow to import, so only for who gives constraints.
    from scipy.optimize import LinearConstraint, NonlinearConstraint

    if isinstance(given, LinearConstraint):
        return _linear(label, given, space)
    if isinstance(given, NonlinearConstraint):
        return _band(label, given.fun, given.lb, given.ub)
    if isinstance(given, Mapping):
        return _scipy_dict(label, given)
    if not callable(given):
        raise SettingError(
            f"{label} is {given!r}: {WANTED}. "
            "Constraints that fn returns are counted or named by n_constraints."
        )
    return given


def _linear(label: str, given: "LinearConstraint", space: Space) -> Callable:
    matrix: Any = given.A.toarray() if hasattr(given.A, "toarray") else given.A  # type: ignore[union-attr]
    matrix = np.atleast_2d(np.asarray(matrix, float))
    if matrix.shape[1] != len(space):
        raise SettingError(
            f"{label} has a matrix of {matrix.shape[1]} columns: wanted {len(space)}, "
            f"one for each of {list(space.names)}."
        )

    if space.conditional:
        raise SettingError(
            f"{label} is linear in all parameters, of which some are not always "
            "active: wanted a function, which finds only the active ones in a point."
        )

    def product(point: Any) -> np.ndarray:
        listed = list(point.values()) if isinstance(point, Mapping) else point
        return matrix @ np.asarray(listed, float)

    return _band(label, product, given.lb, given.ub)


def _band(label: str, fn: Callable, low: Any, high: Any) -> Callable:
    """Return `(low - fn, fn - high)`, the finite ones."""
    try:
        low, high = np.broadcast_arrays(np.atleast_1d(low).astype(float), high)
    except (TypeError, ValueError):
        raise SettingError(
            f"{label} has lb {low!r} and ub {high!r}: wanted numbers, as many in each."
        ) from None
    if np.any(low == high):
        raise _equality(label, "lb equals ub")
    if not np.all(low < high):
        raise SettingError(f"{label} has lb {low} and ub {high}: wanted lb < ub.")

    def values(point: Any) -> np.ndarray:
        value = _numbers(label, fn(point), point)
        try:
            below = np.broadcast_to(low, value.shape)
            above = np.broadcast_to(high, value.shape)
        except ValueError:
            raise SettingError(
                f"{label} has {len(value)} values, {len(low)} in lb and {len(high)} in "
                "ub: wanted as many, or one limit for all."
            ) from None
        under, over = (below - value)[below > -np.inf], (value - above)[above < np.inf]
        return np.concatenate([under, over])

    return values


def _scipy_dict(label: str, given: Mapping) -> Callable:
    kind, fn, args = given.get("type"), given.get("fun"), given.get("args", ())
    if kind == "eq":
        raise _equality(label, "its type is 'eq'")
    if kind != "ineq" or not callable(fn):
        raise SettingError(f"{label} is {dict(given)!r}: {WANTED}.")
    return lambda point: -_numbers(label, fn(point, *args), point)


def _equality(label: str, why: str) -> SettingError:
    return SettingError(
        f"{label} is an equality, as {why}: no point of a design would satisfy it. "
        "Solve it for one variable and compute that inside fn, or give a band, such "
        "as lb=-1e-3, ub=1e-3."
    )


def _numbers(label: str, raw: Any, point: Any) -> np.ndarray:
    try:
        array = np.asarray(raw)
    except ValueError:  # a ragged list
        array = np.empty((0, 0))
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        raise SettingError(
            f"{label} returned {raw!r} at {point}: wanted a number or a 1-D array of "
            "them, at most 0 where the point is allowed."
        )
    return np.atleast_1d(array).astype(float)
