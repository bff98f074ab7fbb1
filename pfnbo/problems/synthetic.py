"""Unconstrained test functions; the families take any number of variables."""

from collections.abc import Callable
from math import cos, e, pi
from typing import Any

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.errors import ProblemError
from pfnbo.problems.problem import Formula, Problem, Result, floats, register
from pfnbo.space import Space

NONE = np.zeros(0)

ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
P3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381.5, 5743, 8828]]
)
A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
SIX_HUMP_CAMEL_X = (0.08984201310031806, -0.7126564030207396)
HARTMANN6_X = (
    0.20168951265373836,
    0.15001069182345797,
    0.47687397511217666,
    0.27533243050905387,
    0.3116516169910931,
    0.6573005340668829,
)


@register(
    {"x1": Float(-5, 10), "x2": Float(0, 15)},
    x_star=(pi, 2.275),
    f_star=5 / (4 * pi),
    source="Branin 1972; Dixon & Szego 1978",
    remarks="three global optima: (-pi, 12.275), (pi, 2.275), (3 pi, 2.475)",
)
def branin(x: np.ndarray) -> Result:
    """Branin's function of two variables, with three equal minima.

    Args:
        x: x1 in -5..10, x2 in 0..15.

    Source: Branin 1972; Dixon & Szego 1978.
    """
    return branin_valley(x) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10, NONE


def branin_valley(x: np.ndarray) -> float:
    """Return the distance along x2 from the floor of the valley of Branin's function.

    Args:
        x: x1 in -5..10, x2 in 0..15.

    Source: Branin 1972; Dixon & Szego 1978.
    """
    x1, x2 = x
    return x2 - 5.1 / (4 * pi**2) * x1**2 + 5 / pi * x1 - 6


@register(
    {"x1": Float(-3, 3), "x2": Float(-2, 2)},
    x_star=SIX_HUMP_CAMEL_X,
    f_star=-1.0316284534898774,
    source="Dixon & Szego 1978",
    remarks="two global optima, each the negative of the other",
)
def six_hump_camel(x: np.ndarray) -> Result:
    """Camel's back with six humps: a polynomial of two variables with six minima.

    Args:
        x: x1 in -3..3, x2 in -2..2.

    Source: Dixon & Szego 1978.
    """
    x1, x2 = x
    ends = (4 - 2.1 * x1**2 + x1**4 / 3) * x1**2
    return ends + x1 * x2 + (4 * x2**2 - 4) * x2**2, NONE


@register(
    floats(3, 0, 1),
    x_star=(0.1146143564, 0.5556488484, 0.8525469535),
    f_star=-3.86278214782076,
    source="Hartman 1973; Dixon & Szego 1978",
    remarks="with the misprint 0.0381 for 0.03815 the best value is -3.86277979",
)
def hartmann3(x: np.ndarray) -> Result:
    """Hartmann's sum of four Gaussian wells in three variables.

    Args:
        x: three variables in 0..1.

    Source: Hartman 1973; Dixon & Szego 1978.
    """
    return -ALPHA @ np.exp(-np.sum(A3 * (x - P3) ** 2, axis=1)), NONE


@register(
    floats(6, 0, 1),
    x_star=HARTMANN6_X,
    f_star=-3.322368011415515,
    source="Hartman 1973; Dixon & Szego 1978",
)
def hartmann6(x: np.ndarray) -> Result:
    """Hartmann's sum of four Gaussian wells in six variables.

    Args:
        x: six variables in 0..1.

    Source: Hartman 1973; Dixon & Szego 1978.
    """
    return -ALPHA @ np.exp(-np.sum(A6 * (x - P6) ** 2, axis=1)), NONE


def ackley(d: int) -> Problem:
    """Return Ackley's function: a funnel at 0 under a lattice of local minima.

    Args:
        d: number of variables, each in -32.768..32.768.

    Source: Ackley 1987.
    """
    _check("ackley", d)
    return _family("ackley", d, 32.768, _ackley, np.zeros(d), 0.0, "Ackley 1987")


def rosenbrock(d: int) -> Problem:
    """Return Rosenbrock's function: a curved valley with its minimum at 1.

    Args:
        d: number of variables, each in -5..10; at least 2.

    Source: Rosenbrock 1960.
    """
    _check("rosenbrock", d, least=2)
    source = "Rosenbrock 1960"
    return _family("rosenbrock", d, (-5, 10), _rosenbrock, np.ones(d), 0.0, source)


def levy(d: int) -> Problem:
    """Return Levy's function: waves on a bowl with its minimum at 1.

    Args:
        d: number of variables, each in -10..10.

    Source: Levy & Montalvo 1985.
    """
    _check("levy", d)
    source = "Levy & Montalvo 1985"
    return _family("levy", d, 10, _levy, np.ones(d), 0.0, source)


def griewank(d: int) -> Problem:
    """Return Griewank's function: fine waves on a wide bowl, minimum at 0.

    Args:
        d: number of variables, each in -600..600.

    Source: Griewank 1981.
    """
    _check("griewank", d)
    return _family("griewank", d, 600, _griewank, np.zeros(d), 0.0, "Griewank 1981")


def michalewicz(d: int) -> Problem:
    """Return Michalewicz's function (m = 10): a flat floor with steep valleys.

    The function is a sum of functions of one variable, so its minimum is found here
    one variable at a time.

    Args:
        d: number of variables, each in 0..pi.

    Source: Michalewicz 1992.
    """
    _check("michalewicz", d)
    x = np.array([_michalewicz_valley(i) for i in range(1, d + 1)])
    f, source = _michalewicz(x)[0], "Michalewicz 1992"
    return _family("michalewicz", d, (0, pi), _michalewicz, x, f, source)


def styblinski_tang(d: int) -> Problem:
    """Return the function of Styblinski & Tang: 2^d wells, one the deepest.

    Args:
        d: number of variables, each in -5..5.

    Source: Styblinski & Tang 1990.
    """
    _check("styblinski_tang", d)
    # The smallest root of the derivative 4 x^3 - 32 x + 5.
    x = np.full(d, -2.9035340277711770)
    f, source = _styblinski_tang(x)[0], "Styblinski & Tang 1990"
    return _family("styblinski_tang", d, 5, _styblinski_tang, x, f, source)


FAMILIES: dict[str, Callable[[int], Problem]] = {
    family.__name__: family
    for family in (ackley, rosenbrock, levy, griewank, michalewicz, styblinski_tang)
}
DEFAULTS = (
    ("ackley", 5),
    ("rosenbrock", 4),
    ("levy", 6),
    ("griewank", 6),
    ("michalewicz", 5),
    ("styblinski_tang", 5),
)


def _check(family: str, d: int, least: int = 1) -> None:
    if d < least:
        raise ProblemError(f"{family} got d = {d}: it needs at least {least}.")


def _family(
    name: str,
    d: int,
    bounds: float | tuple[float, float],
    fn: Formula,
    x_star: np.ndarray,
    f_star: float,
    source: str,
) -> Problem:
    low, high = bounds if isinstance(bounds, tuple) else (-bounds, bounds)
    space = Space(floats(d, low, high))
    return Problem(f"{name}{d}", space, fn, (), x_star, f_star, ("-",) * d, source)


def _ackley(x: np.ndarray) -> Result:
    radius = np.sqrt(np.mean(x**2))
    lattice = np.mean(np.cos(2 * pi * x))
    return -20 * np.exp(-0.2 * radius) - np.exp(lattice) + 20 + e, NONE


def _rosenbrock(x: np.ndarray) -> Result:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), NONE


def _levy(x: np.ndarray) -> Result:
    w = 1 + (x - 1) / 4
    inner = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * pi * w[-1]) ** 2)
    return np.sin(pi * w[0]) ** 2 + np.sum(inner) + last, NONE


def _griewank(x: np.ndarray) -> Result:
    i = np.arange(1, len(x) + 1)
    return np.sum(x**2) / 4000 - np.prod(np.cos(x / np.sqrt(i))) + 1, NONE


def _michalewicz(x: np.ndarray) -> Result:
    i = np.arange(1, len(x) + 1)
    return -np.sum(np.sin(x) * np.sin(i * x**2 / pi) ** 20), NONE


def _michalewicz_valley(i: int) -> float:
    from scipy.optimize import minimize_scalar  # slow to import

    def depth(x: np.ndarray) -> np.ndarray:
        return -np.sin(x) * np.sin(i * x**2 / pi) ** 20

    # i valleys whose narrowest is about pi / (8 i) wide: 200 points in each.
    grid = np.linspace(0, pi, 1600 * i + 1)
    best, step = grid[np.argmin(depth(grid))], grid[1]
    bounds = (best - step, best + step)
    options = dict(xatol=1e-13)
    found: Any = minimize_scalar(
        depth, bounds=bounds, method="bounded", options=options
    )
    return found.x


def _styblinski_tang(x: np.ndarray) -> Result:
    return np.sum(x**4 - 16 * x**2 + 5 * x) / 2, NONE
