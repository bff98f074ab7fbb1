"""Families of functions of which a parameter changes how faithful the cheap level is.

`hartmann_adjustable(70)` and `branin_adjustable(60)` have the parameter 0.7 and 0.6;
`get("hartmann_adjustable70")` finds them by name. The costs are nominal.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pfnbo.errors import ProblemError
from pfnbo.problems.problem import REGISTRY, Problem, Result
from pfnbo.problems.synthetic import A3, ALPHA, NONE, P3, branin, branin_valley


@dataclass(frozen=True)
class Adjustable:
    """A function of two levels, of which a parameter changes the cheap one.

    Args:
        truth: level 1, of x `(d,)`.
        cheap: level 0, of x `(d,)` and the parameter.
        parameter: 0 to 1.
    """

    truth: Callable[[np.ndarray], Result]
    cheap: Callable[[np.ndarray, float], float]
    parameter: float

    def __call__(self, x: np.ndarray, level: int = 1) -> Result:
        """Return the value at a level, and no constraints."""
        return self.truth(x) if level else (self.cheap(x, self.parameter), NONE)


def branin_adjustable(percent: int) -> Problem:
    """Return Branin's function, whose cheap level has another depth of the valley.

    Correlations are 0.99, 0.90, 0.69, 0.10, -0.51, -0.76 and -0.93 at 0, 30, 40, 50,
    60, 70 and 100. On the floor of the valley, at the optima too, the levels agree.

    Args:
        percent: 100 times Toal's parameter, 0 to 100; there is no valley at 50, and a
            ridge above.

    Source: Toal 2015, Structural and Multidisciplinary Optimization 51.
    """
    return _adjustable("branin", "branin_adjustable", percent, _cheap_branin)


def hartmann_adjustable(percent: int) -> Problem:
    """Return Hartmann's function of three variables, whose cheap level has moved wells.

    Correlations are 0.20, 0.54, 0.84, 0.97, 0.86, 0.59, 0.41 and -0.03 at 0, 10, 20,
    40, 50, 70, 80 and 100.

    Args:
        percent: 100 times Toal's parameter, 0 to 100; a third would be exact.

    Source: Toal 2015, Structural and Multidisciplinary Optimization 51.
    """
    return _adjustable("hartmann3", "hartmann_adjustable", percent, _cheap_hartmann3)


FAMILIES: dict[str, Callable[[int], Problem]] = {
    family.__name__: family for family in (branin_adjustable, hartmann_adjustable)
}
DEFAULTS = (("branin_adjustable", 60), ("hartmann_adjustable", 70))


def _cheap_branin(x: np.ndarray, a: float) -> float:
    return branin(x)[0] - (a + 0.5) * branin_valley(x) ** 2


def _cheap_hartmann3(x: np.ndarray, a: float) -> float:
    return -ALPHA @ np.exp(-np.sum(A3 * (x - 0.75 * (a + 1) * P3) ** 2, axis=1))


def _adjustable(
    truth: str,
    family: str,
    percent: int,
    cheap: Callable[[np.ndarray, float], float],
) -> Problem:
    if not 0 <= percent <= 100:
        raise ProblemError(f"{family} got {percent}: wanted a percentage, 0 to 100.")
    problem = REGISTRY[truth]
    return replace(
        problem,
        name=f"{family}{percent}",
        fn=Adjustable(problem.fn, cheap, percent / 100),
        source="Toal 2015",
        remarks=f"{problem.remarks}; the parameter of the cheap level is {percent} %",
        costs=(0.1, 1.0),
    )
