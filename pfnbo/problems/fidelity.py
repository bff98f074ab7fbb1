"""Functions of several fidelities, from misleading to almost faithful ones.

Correlations are Pearson's of each cheaper level with the truest, on uniform points.
"""

from math import cos, pi, sin

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import Result, floats, register
from pfnbo.problems.synthetic import NONE, branin

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
    x_star=(0.275501827116,),
    f_star=-0.62499890071786,
    source="Clark & Bae 2016; Mainini et al. 2022 (AVT-331)",
    remarks="slow waves on the right, fast ones on the left",
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
    {"x1": Float(-5, 10), "x2": Float(0, 15)},
    x_star=(
        -3.78608870334672,
        15,
    ),
    f_star=-333.916034352279,
    source="Dong et al. 2015",
    remarks="correlation 0.16: the cheap level says next to nothing",
    costs=(0.1, 1.0),
)
def branin_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Branin's function on a slope, with a squeezed approximation.

    Args:
        x: x1 in -5..10, x2 in 0..15.
        level: 0 or 1.

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 52.
    """
    if level:
        return branin(x)[0] - 22.5 * x[1], NONE
    return branin(0.7 * x)[0] - 15.75 * x[1] + 20 * (0.9 + x[0]) ** 2 - 50, NONE


@register(
    floats(2, 0.3, 1),
    x_star=(0.46065886596178063, 0.46065886596178063),
    f_star=-1.0,
    source="Toal 2015 (Paciorek's function, A = 0.5)",
    remarks="correlation 0.40; a curve of minima, x1 x2 = 2/(3 pi)",
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

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 52.
    """
    x1, x2 = x
    if level:
        return _bohachevsky(x1, x2), NONE
    return _bohachevsky(0.7 * x1, x2) + x1 * x2 - 12, NONE
