"""Benchmark problems in the shapes that other optimisers take."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Int
from pfnbo.errors import SpaceError
from pfnbo.space import Space

if TYPE_CHECKING:
    from pfnbo.problems.problem import Problem


class OptunaProblem:
    """A problem in the shape of OptunaHub's `BaseProblem`, constraints included.

    `study.optimize(problem, n_trials)` works as it is; for Optuna before version 5 give
    the sampler `constraints_func=problem.constraints_func`.

    Args:
        problem: what it evaluates.
    """

    def __init__(self, problem: "Problem") -> None:
        """Keep the problem."""
        self.problem = problem

    def __call__(self, trial: Any) -> float:
        """Return the objective of an Optuna trial and record its constraints."""
        params = {
            name: trial._suggest(name, distribution)
            for name, distribution in self.search_space.items()
        }
        f, g = self.problem.evaluate(params)
        if hasattr(trial, "set_constraint"):
            for name, value in zip(self.problem.constraints, g, strict=True):
                trial.set_constraint(name, float(value))
        return f

    @property
    def search_space(self) -> dict[str, Any]:
        """Optuna's distribution of each variable."""
        space = Space.from_bounds(self.problem.space)
        return {name: _distribution(space[name]) for name in space}

    @property
    def directions(self) -> list[Any]:
        """The objective is minimised."""
        from optuna.study import StudyDirection

        return [StudyDirection.MINIMIZE]

    def evaluate(self, params: dict[str, Any]) -> float:
        """Return the objective."""
        return self.problem.evaluate(params)[0]

    def evaluate_constraints(self, params: dict[str, Any]) -> dict[str, float]:
        """Return every constraint by its name; it holds where the value is <= 0."""
        g = self.problem.evaluate(params)[1]
        return dict(zip(self.problem.constraints, map(float, g), strict=True))

    def constraints_func(self, trial: Any) -> list[float]:
        """Return the constraints of a finished trial."""
        return list(self.evaluate_constraints(trial.params).values())


def pymoo_problem(problem: "Problem") -> Any:
    """Return the problem as an elementwise pymoo problem; g <= 0 is feasible.

    Its variables are a vector where all are continuous and mixed ones, by name, where
    not: the latter need an algorithm such as pymoo's `MixedVariableGA`.
    """
    from pymoo.core.problem import ElementwiseProblem

    space = Space.from_bounds(problem.space)
    mixed = any(dimension.levels for dimension in space.values())

    class PymooProblem(ElementwiseProblem):
        def __init__(self) -> None:
            shape: dict[str, Any] = dict(n_obj=1, n_ieq_constr=problem.n_constraints)
            if mixed:
                shape |= dict(vars={name: _variable(space[name]) for name in space})
            else:
                low, high = bounds(space).T
                shape |= dict(n_var=len(space), xl=low, xu=high)
            super().__init__(**shape)

        def _evaluate(self, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
            out["F"], out["G"] = problem.evaluate(_unindexed(space, x) if mixed else x)

    return PymooProblem()


def bounds(space: Space) -> np.ndarray:
    """Return the limits of every dimension `(d, 2)`.

    Raises:
        SpaceError: when one has words in the place of numbers.
    """
    try:
        return np.array([_limits(d) for d in space.values()], dtype=float)
    except ValueError:
        words = [n for n in space if isinstance(space[n], Categorical)]
        raise SpaceError(
            f"{words} have no bounds as numbers: use as_optuna() or as_pymoo()."
        ) from None


def _limits(dimension: Dimension) -> tuple[Any, Any]:
    if isinstance(dimension, Categorical):
        return min(dimension.choices), max(dimension.choices)
    return dimension.low, dimension.high


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions as kinds

    if isinstance(dimension, Categorical):
        return kinds.CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Int):
        return kinds.IntDistribution(dimension.low, dimension.high, log=dimension.log)
    last = dimension.nth(dimension.levels - 1) if dimension.step else dimension.high
    return kinds.FloatDistribution(
        dimension.low, last, log=dimension.log, step=dimension.step
    )


def _variable(dimension: Dimension) -> Any:
    from pymoo.core.variable import Choice, Integer, Real

    if isinstance(dimension, Categorical):
        return Choice(options=list(dimension.choices))
    if isinstance(dimension, Int):
        return Integer(bounds=(dimension.low, dimension.high))
    if dimension.levels:
        return Integer(bounds=(0, dimension.levels - 1))  # of the steps
    return Real(bounds=(dimension.low, dimension.high))


def _unindexed(space: Space, x: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a point whose stepped numbers are counted in steps."""

    def value(name: str) -> Any:
        dimension = space[name]
        stepped = dimension.levels and not isinstance(dimension, (Int, Categorical))
        return dimension.nth(x[name]) if stepped else x[name]

    return {name: value(name) for name in space}
