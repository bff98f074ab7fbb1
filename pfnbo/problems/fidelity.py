"""Functions of several fidelities, from misleading to almost faithful ones.

Correlations are Pearson's of each cheaper level with the truest, on uniform points; the
costs are nominal. Those of Branin's function are in `fidelity_branin`.
"""

from math import cos, exp, pi, sin

import numpy as np

from pfnbo.problems.problem import Result, floats, register
from pfnbo.problems.synthetic import (
    A6,
    HARTMANN6_X,
    NONE,
    P6,
    SIX_HUMP_CAMEL_X,
    hartmann6,
    six_hump_camel,
)

FORRESTER_X = 0.757248757845


def _forrester(x: float) -> float:
    return (6 * x - 2) ** 2 * sin(12 * x - 4)


@register(
    floats(1, 0, 1),
    x_star=(FORRESTER_X,),
    f_star=-6.02074005577,
    source="Forrester et al. 2007; Mainini et al. 2022 (AVT-331 L1)",
    remarks="correlations 0.74, 0.94 and 0.95; the costs are nominal",
    costs=(0.05, 0.1, 0.5, 1.0),
)
def forrester_fidelity(x: np.ndarray, level: int = 3) -> Result:
    """Forrester's function of one variable, with three approximations.

    Args:
        x: x1 in 0..1.
        level: 0 to 3; the minimum of level 0 is far away, at 0.092.

    Source: Forrester et al. 2007; Mainini et al. 2022, arXiv 2204.07867.
    """
    x1 = x[0]
    if level == 2:
        return (5.5 * x1 - 2.5) ** 2 * sin(12 * x1 - 4), NONE
    tilts = {0: (0.5, 10 * (x1 - 0.5) - 5), 1: (0.75, 5 * (x1 - 0.5) - 2)}
    scale, shift = tilts.get(level, (1.0, 0.0))
    return scale * _forrester(x1) + shift, NONE


@register(
    floats(1, 0, 1),
    x_star=(FORRESTER_X,),
    f_star=-6.02074005577,
    source="Forrester et al. 2007",
    remarks="correlation -1: the cheap level is the negative, to be distrusted",
    costs=(0.1, 1.0),
)
def forrester_misleading(x: np.ndarray, level: int = 1) -> Result:
    """Forrester's function whose cheap approximation is its negative.

    Args:
        x: x1 in 0..1.
        level: 0 or 1.

    Source: Forrester et al. 2007.
    """
    return (1 if level else -1) * _forrester(x[0]), NONE


@register(
    floats(1, 0, 1),
    x_star=(0.1425891893247163,),
    f_star=-0.9863254063210814,
    source="Mainini et al. 2022 (AVT-331)",
    remarks="correlation 0.94; the jump makes the shallow valley on the left the best",
    costs=(0.2, 1.0),
)
def forrester_jump(x: np.ndarray, level: int = 1) -> Result:
    """Forrester's function that jumps up by 10 in the middle.

    Args:
        x: x1 in 0..1; the jump is right of 0.5.
        level: 0 or 1; both jump, level 0 by 8.

    Source: Mainini et al. 2022, arXiv 2204.07867.
    """
    x1 = x[0]
    right = x1 > 0.5
    f = _forrester(x1) + 10 * right
    return (f if level else 0.5 * f + 10 * (x1 - 0.5) - 5 + 3 * right), NONE


@register(
    floats(1, 0, 1),
    x_star=(0.275501827116,),
    f_star=-0.62499890071786,
    source="Clark & Bae 2016; Mainini et al. 2022 (AVT-331)",
    remarks="correlation 0.86; slow waves on the right, fast ones on the left",
    costs=(0.2, 1.0),
)
def heterogeneous_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Waves of one variable whose length changes along it.

    Args:
        x: x1 in 0..1.
        level: 0 or 1.

    Source: Mainini et al. 2022, arXiv 2204.07867.
    """
    x1 = x[0]
    f = sin(30 * (x1 - 0.9) ** 4) * cos(2 * (x1 - 0.9)) + (x1 - 0.9) / 2
    return (f if level else (f - 1 + x1) / (1 + 0.25 * x1)), NONE


@register(
    floats(2, 0.3, 1),
    x_star=(0.46065886596178063, 0.46065886596178063),
    f_star=-1.0,
    source="Toal 2015 (Paciorek's function, A = 0.5)",
    remarks="correlation 0.39; a curve of minima, x1 x2 = 2/(3 pi)",
    costs=(0.1, 1.0),
)
def paciorek_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Paciorek's ever faster waves, with an approximation out of phase.

    Args:
        x: x1, x2 in 0.3..1.
        level: 0 or 1.

    Source: Toal 2015, Structural and Multidisciplinary Optimization 51.
    """
    phase = 1 / (x[0] * x[1])
    return (sin(phase) if level else sin(phase) - 9 * 0.5**2 * cos(phase)), NONE


def _bohachevsky(x1: float, x2: float) -> float:
    waves = 0.3 * cos(3 * pi * x1) + 0.4 * cos(4 * pi * x2)
    return x1**2 + 2 * x2**2 - waves + 0.7


@register(
    floats(2, -5, 5),
    x_star=(0, 0),
    f_star=0.0,
    source="Dong et al. 2015",
    remarks="correlation 0.86",
    costs=(0.1, 1.0),
)
def bohachevsky_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Bohachevsky's rippled bowl, with a tilted approximation.

    Args:
        x: x1, x2 in -5..5.
        level: 0 or 1.

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 51.
    """
    x1, x2 = x
    if level:
        return _bohachevsky(x1, x2), NONE
    return _bohachevsky(0.7 * x1, x2) + x1 * x2 - 12, NONE


def _himmelblau(x1: float, x2: float) -> float:
    return (x1**2 + x2 - 11) ** 2 + (x1 + x2**2 - 7) ** 2


@register(
    floats(2, -4, 4),
    x_star=(3, 2),
    f_star=0.0,
    source="Dong et al. 2015",
    remarks="correlation 0.76, and 0.93 in the box -3..3 of other authors; four equal "
    "minima",
    costs=(0.1, 1.0),
)
def himmelblau_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Himmelblau's four equal valleys, with a stretched and tilted approximation.

    Args:
        x: x1, x2 in -4..4.
        level: 0 or 1.

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 51.
    """
    x1, x2 = x
    if level:
        return _himmelblau(x1, x2), NONE
    return _himmelblau(0.5 * x1, 0.8 * x2) + x2**3 - (x1 + 1) ** 2, NONE


def _booth(x1: float, x2: float) -> float:
    return (x1 + 2 * x2 - 7) ** 2 + (2 * x1 + x2 - 5) ** 2


@register(
    floats(2, -10, 10),
    x_star=(1, 3),
    f_star=0.0,
    source="Dong et al. 2015",
    remarks="correlation 0.93; both levels are quadratic",
    costs=(0.1, 1.0),
)
def booth_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Booth's bowl, with a stretched and turned approximation.

    Args:
        x: x1, x2 in -10..10.
        level: 0 or 1.

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 51.
    """
    x1, x2 = x
    if level:
        return _booth(x1, x2), NONE
    return _booth(0.4 * x1, x2) + 1.7 * x1 * x2 - x1 + 2 * x2, NONE


@register(
    floats(2, -2, 2),
    x_star=SIX_HUMP_CAMEL_X,
    f_star=-1.0316284534898774,
    source="Dong et al. 2015",
    remarks="correlation 0.74; two global optima, each the negative of the other",
    costs=(0.1, 1.0),
)
def six_hump_camel_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Six-hump camel's back, with a stretched and turned approximation.

    Args:
        x: x1, x2 in -2..2.
        level: 0 or 1.

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 51.
    """
    if level:
        return six_hump_camel(x)
    return six_hump_camel(0.7 * x)[0] + x[0] * x[1] - 15, NONE


CHEAP_ALPHA = np.array([0.5, 0.5, 2.0, 4.0])


@register(
    floats(6, 0.1, 1),
    x_star=HARTMANN6_X,
    f_star=-3.042457737843049,
    source="Park et al. 2017",
    remarks="correlation 0.91; in the box 0..1 it would be 0.72",
    costs=(0.1, 1.0),
)
def hartmann6_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Hartmann's function of six variables, scaled, with other weights when cheap.

    Args:
        x: six variables in 0.1..1.
        level: 0 or 1; level 0 takes a polynomial for the exponential function.

    Source: Park, Haftka & Kim 2017, Structural and Multidisciplinary Optimization 55.
    """
    if level:
        wells = -hartmann6(x)[0]
    else:
        t = -np.sum(A6 * (x - P6) ** 2, axis=1)
        # exp(t) = exp(t/9)^9, exp(t/9) to first order about t = -4.
        wells = CHEAP_ALPHA @ (exp(-4 / 9) * (1 + (t + 4) / 9)) ** 9
    return -(2.58 + wells) / 1.94, NONE


def _currin(x1: float, x2: float) -> float:
    ratio = 2300 * x1**3 + 1900 * x1**2 + 2092 * x1 + 60
    ratio /= 100 * x1**3 + 500 * x1**2 + 4 * x1 + 20
    return (1 - exp(-0.5 / x2) if x2 else 1.0) * ratio


@register(
    floats(2, 0, 1),
    x_star=(13 / 60, 0),
    f_star=-13.798722044728435,
    source="Currin et al. 1988; Xiong et al. 2013",
    remarks="correlation 0.997; both levels are negatives of what others maximise",
    costs=(0.1, 1.0),
)
def currin_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Negative of Currin's exponential function, with a blurred approximation.

    Args:
        x: x1, x2 in 0..1.
        level: 0 or 1; level 0 is the mean of four points 0.05 away along each variable,
            but not below x2 = 0.

    Source: Xiong, Qian & Wu 2013, Technometrics 55.
    """
    x1, x2 = x
    if level:
        return -_currin(x1, x2), NONE
    around = [(x1 + d, max(x2 + e, 0)) for d in (-0.05, 0.05) for e in (-0.05, 0.05)]
    return -sum(_currin(*point) for point in around) / 4, NONE
