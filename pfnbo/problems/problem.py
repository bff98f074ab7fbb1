"""The benchmark problem: a space, a formula and the optimum known for it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Float
from pfnbo.errors import ProblemError, SpaceError
from pfnbo.problems import interfaces
from pfnbo.space import Space

Result = tuple[float, np.ndarray]
Formula = Callable[..., Result]  # of x, and of a fidelity where there are several

REGISTRY: dict[str, "Problem"] = {}
SIMULATED: dict[str, "Problem"] = {}  # those whose formula needs another package


@dataclass(frozen=True, eq=False)
class Nature:
    """What happens to a design: finitely many outcomes with their probabilities.

    Args:
        fn: maps a design x `(d,)` and an outcome w `(p,)` to the objective.
        outcomes: `(k, p)`.
        weights: probability of each outcome `(k,)`.
        risk: what is minimised over designs: "mean", "worst", "var" or "cvar".
        level: share of outcomes that the last two leave below, 0.7 say.
    """

    fn: Callable[[np.ndarray, np.ndarray], float]
    outcomes: np.ndarray
    weights: np.ndarray
    risk: str
    level: float = 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """Minimise f(x) subject to g(x) <= 0, with the best design known.

    Calling the problem evaluates it: `problem(x)` returns f when there are no
    constraints and `(f, g)` otherwise, for x in physical units, either as a 1-D
    array in the order of the space or as a dict.

    Args:
        name: the name that `pfnbo.problems.get` knows.
        space: variables in physical units.
        fn: the formula; maps x `(d,)` to f and g `(c,)`, `(0,)` without constraints.
        constraints: names of the c constraints, each feasible where g <= 0.
        x_star: best design known `(d,)`; one of them where it is not unique. A word is
            told by its number among the choices, here and to `fn`; see `point`.
        f_star: objective there; inf when no design is feasible.
        units: unit of each variable, "-" for a number.
        source: where the formula was published.
        remarks: what to know before comparing with numbers from elsewhere.
        tolerance: largest g (absolute, in the unit of the constraint) that still
            counts as feasible; 0 when the digits of `x_star` satisfy every constraint.
        costs: of an evaluation at each fidelity, the last and truest being 1; with
            several, `fn(x, level)` evaluates at one of them and `fn(x)` at the last.
        nature: of a robust problem, what `fn` has taken the risk of.
        needs: module that `fn` imports, beyond those of pfnbo.
        about: what it is, in a sentence; the first of the formula's docstring when left
            out.
    """

    name: str
    space: Space
    fn: Formula
    constraints: tuple[str, ...]
    x_star: np.ndarray
    f_star: float
    units: tuple[str, ...]
    source: str
    remarks: str = ""
    tolerance: float = 0.0
    costs: tuple[float, ...] = (1.0,)
    nature: "Nature | None" = None
    needs: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        """Freeze `x_star` and check its length and that of `units`."""
        if not self.about and inspect.isfunction(self.fn):
            first = (self.fn.__doc__ or "").strip().partition("\n")[0]
            object.__setattr__(self, "about", first)
        x_star = np.array(self.x_star, dtype=float)
        x_star.flags.writeable = False
        object.__setattr__(self, "x_star", x_star)
        if x_star.shape != (self.dim,) or len(self.units) != self.dim:
            raise SpaceError(
                f"problem {self.name!r} has {self.dim} variables, but x_star has "
                f"shape {x_star.shape} and there are {len(self.units)} units."
            )

    @property
    def dim(self) -> int:
        """Number of variables."""
        return len(self.space)

    @property
    def n_constraints(self) -> int:
        """Number of constraints."""
        return len(self.constraints)

    def __call__(self, x: Any, fidelity: int | None = None) -> float | Result:
        """Return f(x), or `(f, g)` when the problem has constraints.

        Args:
            x: dict name -> value, or 1-D array-like in the order of the space.
            fidelity: index into `costs`, 0 the cheapest; the truest when left out.

        Raises:
            SpaceError: when values are missing, unknown or not numbers.
            ProblemError: when there is no such fidelity.
        """
        f, g = self.evaluate(x, fidelity)
        return (f, g) if self.constraints else f

    def evaluate(self, x: Any, fidelity: int | None = None) -> Result:
        """Return f(x) and g(x) `(c,)`, also when c = 0."""
        top = len(self.costs) - 1
        if fidelity not in (None, *range(top + 1)):
            raise ProblemError(
                f"{self.name} got fidelity {fidelity!r}: wanted one of 0 to {top}, or "
                "nothing for the truest."
            )
        truest = fidelity is None or fidelity == top
        x = self.numbers(x)
        f, g = self.fn(x) if truest else self.fn(x, fidelity)
        return float(f), np.asarray(g, dtype=float)

    def feasible(self, x: Any) -> bool:
        """Return whether every constraint holds at x, within `tolerance`."""
        return bool(np.all(self.evaluate(x)[1] <= self.tolerance))

    def point(self, x: Sequence[float] | np.ndarray) -> dict[str, Any]:
        """Return a design `(d,)` of numbers, `x_star` say, as legal values by name."""
        values = zip(self.space, x, strict=True)
        return {
            n: self.space[n].nth(int(v)) if n in self._words else v for n, v in values
        }

    def numbers(self, x: Any) -> np.ndarray:
        """Return a design as numbers `(d,)`, words as the numbers of their choices.

        Raises:
            SpaceError: when values are missing, unknown or not numbers.
        """
        if isinstance(x, Mapping):
            x = self._listed(x)
        if self._words and isinstance(x, Sequence) and len(x) == self.dim:
            x = self._numbered(x)
        try:
            vector = np.asarray(x, dtype=float)
        except (TypeError, ValueError):
            raise SpaceError(
                f"{self.name} got {x!r}: wanted {self.dim} numbers, "
                f"one for each of {list(self.space.names)}."
            ) from None
        if vector.shape != (self.dim,):
            raise SpaceError(
                f"{self.name} got an array of shape {vector.shape}: wanted "
                f"({self.dim},), one value for each of {list(self.space.names)}."
            )
        return vector

    @property
    def bounds(self) -> np.ndarray:
        """Limits of the variables `(d, 2)`, as `scipy.optimize` takes them."""
        return interfaces.bounds(self.space)

    def objective(self, x: Any) -> float:
        """Return f(x) alone."""
        return self.evaluate(x)[0]

    def limits(self, x: Any) -> np.ndarray:
        """Return g(x) `(c,)` alone; each is feasible where <= 0."""
        return self.evaluate(x)[1]

    def as_optuna(self) -> interfaces.OptunaProblem:
        """Return the problem in the shape of OptunaHub's `BaseProblem`."""
        return interfaces.OptunaProblem(self)

    def as_pymoo(self) -> Any:
        """Return the problem as one of pymoo."""
        return interfaces.pymoo_problem(self)

    def __repr__(self) -> str:
        """Return name and size."""
        return (
            f"<Problem {self.name}: {self.dim} variables, "
            f"{self.n_constraints} constraints, best {self.f_star:.10g}>"
        )

    @cached_property
    def _words(self) -> dict[str, dict[str, int]]:
        """Number of each choice of the dimensions whose choices are words."""
        return {
            name: {word: i for i, word in enumerate(d.choices)}
            for name, d in self.space.dimensions.items()
            if isinstance(d, Categorical) and isinstance(d.choices[0], str)
        }

    def _numbered(self, x: Sequence[Any]) -> list[Any]:
        """Return values with the numbers of their choices in the place of words."""

        def number(name: str, value: Any) -> Any:
            known = isinstance(value, str) and name in self._words
            return self._words[name].get(value, value) if known else value

        return list(map(number, self.space, x))

    def _listed(self, x: Mapping[str, Any]) -> list[Any]:
        missing = [n for n in self.space.names if n not in x]
        unknown = [n for n in x if n not in self.space.names]
        if missing or unknown:
            raise SpaceError(
                f"{self.name} got a dict with missing keys {missing} and unknown "
                f"keys {unknown}: wanted exactly {list(self.space.names)}."
            )
        return [x[n] for n in self.space.names]


def register(
    space: Mapping[str, Dimension],
    *,
    name: str = "",
    x_star: Sequence[float] | np.ndarray,
    f_star: float,
    source: str,
    units: str | tuple[str, ...] = "-",
    constraints: tuple[str, ...] = (),
    remarks: str = "",
    tolerance: float = 0.0,
    costs: tuple[float, ...] = (1.0,),
    nature: Nature | None = None,
    needs: str = "",
) -> Callable[[Formula], Formula]:
    """Return a decorator that lists a formula as a problem.

    The formula itself stays an ordinary function of its module.

    Args:
        space: dimensions by name.
        name: of the problem, where it is not that of the formula.
        x_star: best design known.
        f_star: objective there.
        source: where the formula was published.
        units: one unit for all variables or a unit for each.
        constraints: names of the constraints.
        remarks: see `Problem`.
        tolerance: see `Problem`.
        costs: see `Problem`.
        nature: see `Problem`.
        needs: see `Problem`.
    """

    def add(formula: Formula) -> Formula:
        problem = Problem(
            name=name or formula.__name__,
            space=Space(space),
            fn=formula,
            constraints=constraints,
            x_star=np.array(x_star, dtype=float),
            f_star=f_star,
            units=(units,) * len(space) if isinstance(units, str) else units,
            source=source,
            remarks=remarks,
            tolerance=tolerance,
            costs=costs,
            nature=nature,
            needs=needs,
        )
        (SIMULATED if needs else REGISTRY)[problem.name] = problem
        return formula

    return add


def floats(n: int, low: float, high: float, first: int = 1) -> dict[str, Dimension]:
    """Return n continuous dimensions x1, x2, ... with the same bounds."""
    return {f"x{i}": Float(low, high) for i in range(first, first + n)}
