"""Constrained test functions without an engineering meaning."""

from math import atan2, cos, pi, sin

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import Result, floats, register
from pfnbo.problems.synthetic import HARTMANN6_X, hartmann6, six_hump_camel

CEC2006 = "Liang et al. 2006 (CEC2006 suite)"


@register(
    floats(2, 0, 1),
    constraints=("wave", "disk"),
    x_star=(0.1951227470022, 0.4046653050093),
    f_star=0.59978805201,
    source="Gramacy et al. 2016",
)
def gramacy(x: np.ndarray) -> Result:
    """Linear objective above a wavy constraint, inside a disk.

    Args:
        x: x1, x2 in 0..1.

    Source: Gramacy et al. 2016, Technometrics 58.
    """
    x1, x2 = x
    f = x1 + x2
    g1 = 1.5 - x1 - 2 * x2 - 0.5 * sin(2 * pi * (x1**2 - 2 * x2))
    g2 = x1**2 + x2**2 - 1.5
    return f, np.array([g1, g2])


@register(
    floats(6, 0, 1),
    constraints=("unit ball",),
    x_star=HARTMANN6_X,
    f_star=-3.322368011415515,
    source="Letham et al. 2019",
    remarks="the optimum is that of hartmann6; the constraint is inactive there",
)
def hartmann6_constrained(x: np.ndarray) -> Result:
    """Hartmann's function of six variables inside the unit ball.

    Args:
        x: six variables in 0..1.

    Source: Letham et al. 2019, Bayesian Analysis 14.
    """
    return hartmann6(x)[0], np.array([np.sqrt(x @ x) - 1])


@register(
    {"x1": Float(-2.25, 2.25), "x2": Float(-2.5, 1.75)},
    constraints=("curve",),
    x_star=(2.005292709, 1.194452895),
    f_star=-2.02398836233,
    source="Townsend 2014",
)
def townsend(x: np.ndarray) -> Result:
    """Townsend's function inside a heart-shaped curve.

    Args:
        x: x1 in -2.25..2.25, x2 in -2.5..1.75.

    Source: Townsend 2014, "Constrained optimization in Chebfun".
    """
    x1, x2 = x
    t = atan2(x1, x2)
    f = -(cos((x1 - 0.1) * x2) ** 2) - x1 * sin(3 * x1 + x2)
    radius = 2 * cos(t) - 0.5 * cos(2 * t) - 0.25 * cos(3 * t) - 0.125 * cos(4 * t)
    g1 = x1**2 + x2**2 - radius**2 - (2 * sin(t)) ** 2
    return f, np.array([g1])


@register(
    floats(2, -1, 1),
    constraints=("islands",),
    x_star=(0.1092601393002, -0.6234483533732),
    f_star=-0.971104067282,
    source="Gomez & Levy 1982, problem 3; Sasena 2002",
)
def gomez3(x: np.ndarray) -> Result:
    """Six-hump camel function on disconnected feasible islands.

    Args:
        x: x1, x2 in -1..1.

    Source: Gomez & Levy 1982, problem 3; Sasena 2002.
    """
    g1 = -sin(4 * pi * x[0]) + 2 * sin(2 * pi * x[1]) ** 2
    return six_hump_camel(x)[0], np.array([g1])


@register(
    {"x1": Float(13, 100), "x2": Float(0, 100)},
    constraints=("outside circle", "inside circle"),
    x_star=(14.0950000005, 0.842960790243),
    f_star=-6961.81387558,
    source=CEC2006,
    remarks="the feasible sickle is 0.01 % of the box",
)
def g06(x: np.ndarray) -> Result:
    """Cubic objective on a thin sickle between two circles.

    Args:
        x: x1 in 13..100, x2 in 0..100.

    Source: Floudas & Pardalos 1990; CEC2006 g06.
    """
    x1, x2 = x
    f = (x1 - 10) ** 3 + (x2 - 20) ** 3
    g1 = -((x1 - 5) ** 2) - (x2 - 5) ** 2 + 100
    g2 = (x1 - 6) ** 2 + (x2 - 5) ** 2 - 82.81
    return f, np.array([g1, g2])


@register(
    floats(10, -10, 10),
    constraints=tuple(f"g{i}" for i in range(1, 9)),
    x_star=(
        2.171995951703,
        2.363683893331,
        8.773925672778,
        5.09598342803,
        0.9906545670292,
        1.430573101063,
        1.32164346114,
        9.828725234414,
        8.28009028331,
        8.375925794873,
    ),
    f_star=24.3062090682,
    source=CEC2006,
)
def g07(x: np.ndarray) -> Result:
    """Convex quadratic of ten variables with six of eight constraints active.

    Args:
        x: ten variables in -10..10.

    Source: Hock & Schittkowski 1981, problem 113; CEC2006 g07.
    """
    x1, x2, x3, x4, x5, x6, x7, x8, x9, x10 = x
    f = (
        x1**2
        + x2**2
        + x1 * x2
        - 14 * x1
        - 16 * x2
        + (x3 - 10) ** 2
        + 4 * (x4 - 5) ** 2
        + (x5 - 3) ** 2
        + 2 * (x6 - 1) ** 2
        + 5 * x7**2
        + 7 * (x8 - 11) ** 2
        + 2 * (x9 - 10) ** 2
        + (x10 - 7) ** 2
        + 45
    )
    g = [
        -105 + 4 * x1 + 5 * x2 - 3 * x7 + 9 * x8,
        10 * x1 - 8 * x2 - 17 * x7 + 2 * x8,
        -8 * x1 + 2 * x2 + 5 * x9 - 2 * x10 - 12,
        3 * (x1 - 2) ** 2 + 4 * (x2 - 3) ** 2 + 2 * x3**2 - 7 * x4 - 120,
        5 * x1**2 + 8 * x2 + (x3 - 6) ** 2 - 2 * x4 - 40,
        x1**2 + 2 * (x2 - 2) ** 2 - 2 * x1 * x2 + 14 * x5 - 6 * x6,
        0.5 * (x1 - 8) ** 2 + 2 * (x2 - 4) ** 2 + 3 * x5**2 - x6 - 30,
        -3 * x1 + 6 * x2 + 12 * (x9 - 8) ** 2 - 7 * x10,
    ]
    return f, np.array(g)


@register(
    floats(2, 0, 10),
    constraints=("g1", "g2"),
    x_star=(1.227971352, 4.245373362),
    f_star=-0.095825041418,
    source=CEC2006,
    remarks="the optimum is interior",
)
def g08(x: np.ndarray) -> Result:
    """Waves that decay away from the origin, with an interior optimum.

    Args:
        x: x1, x2 in 0..10.

    Source: Schoenauer & Xanthakis 1993; CEC2006 g08.
    """
    x1, x2 = x
    # sin(2 pi x1) / x1 without its removable pole at 0; f(0, 0) is taken as 0.
    wave = 2 * pi * np.sinc(2 * x1)
    f = -(wave**3) * sin(2 * pi * x2) / max(x1 + x2, 1e-300)
    g1 = x1**2 - x2 + 1
    g2 = 1 - x1 + (x2 - 4) ** 2
    return f, np.array([g1, g2])


@register(
    floats(7, -10, 10),
    constraints=("g1", "g2", "g3", "g4"),
    x_star=(
        2.330498419351,
        1.951371675845,
        -0.4775425200023,
        4.365728511818,
        -0.6244884500005,
        1.038128650028,
        1.594224917853,
    ),
    f_star=680.630057375,
    source=CEC2006,
)
def g09(x: np.ndarray) -> Result:
    """Polynomial of seven variables with two active constraints.

    Args:
        x: seven variables in -10..10.

    Source: Hock & Schittkowski 1981, problem 100; CEC2006 g09.
    """
    x1, x2, x3, x4, x5, x6, x7 = x
    f = (
        (x1 - 10) ** 2
        + 5 * (x2 - 12) ** 2
        + x3**4
        + 3 * (x4 - 11) ** 2
        + 10 * x5**6
        + 7 * x6**2
        + x7**4
        - 4 * x6 * x7
        - 10 * x6
        - 8 * x7
    )
    g1 = -127 + 2 * x1**2 + 3 * x2**4 + x3 + 4 * x4**2 + 5 * x5
    g2 = -282 + 7 * x1 + 3 * x2 + 10 * x3**2 + x4 - x5
    g3 = -196 + 23 * x1 + x2**2 + 6 * x6**2 - 8 * x7
    g4 = 4 * x1**2 + x2**2 - 3 * x1 * x2 + 2 * x3**2 + 5 * x6 - 11 * x7
    return f, np.array([g1, g2, g3, g4])


@register(
    {"x1": Float(0, 3), "x2": Float(0, 4)},
    constraints=("g1", "g2"),
    x_star=(2.329520197479, 3.178493074083),
    f_star=-5.5080132716,
    source=CEC2006,
)
def g24(x: np.ndarray) -> Result:
    """Linear objective over two disconnected feasible regions.

    Args:
        x: x1 in 0..3, x2 in 0..4.

    Source: Floudas 1999; CEC2006 g24.
    """
    x1, x2 = x
    f = -x1 - x2
    g1 = -2 * x1**4 + 8 * x1**3 - 8 * x1**2 + x2 - 2
    g2 = -4 * x1**4 + 32 * x1**3 - 88 * x1**2 + 96 * x1 + x2 - 36
    return f, np.array([g1, g2])


@register(
    {
        "x1": Float(78, 102),
        "x2": Float(33, 45),
        "x3": Float(27, 45),
        "x4": Float(27, 45),
        "x5": Float(27, 45),
    },
    constraints=("q1 max", "q1 min", "q2 max", "q2 min", "q3 max", "q3 min"),
    x_star=(78, 33, 29.99525602579, 45, 36.77581290575),
    f_star=-30665.5386718,
    source="Himmelblau 1972; CEC2006 g04",
    remarks="another form in circulation has 0.00026 in the place of 0.0006262",
)
def himmelblau_g04(x: np.ndarray) -> Result:
    """Himmelblau's bilinear problem: three responses between two limits each.

    Args:
        x: x1 in 78..102, x2 in 33..45, x3, x4, x5 in 27..45.

    Source: Himmelblau 1972; CEC2006 g04.
    """
    x1, x2, x3, x4, x5 = x
    q1 = 85.334407 + 0.0056858 * x2 * x5 + 0.0006262 * x1 * x4 - 0.0022053 * x3 * x5
    q2 = 80.51249 + 0.0071317 * x2 * x5 + 0.0029955 * x1 * x2 + 0.0021813 * x3**2
    q3 = 9.300961 + 0.0047026 * x3 * x5 + 0.0012547 * x1 * x3 + 0.0019085 * x3 * x4
    f = 5.3578547 * x3**2 + 0.8356891 * x1 * x5 + 37.293239 * x1 - 40792.141
    return f, np.array([q1 - 92, -q1, q2 - 110, 90 - q2, q3 - 25, 20 - q3])
