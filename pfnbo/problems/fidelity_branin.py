"""Branin's function in several fidelities, from unrelated to almost faithful ones.

Correlations are Pearson's of each cheaper level with the truest, on uniform points; the
costs are nominal.
"""

from math import sin, sqrt

import numpy as np

from pfnbo.problems.problem import REGISTRY, Result, register
from pfnbo.problems.synthetic import NONE, branin, branin_valley

BRANIN = REGISTRY["branin"]
SPACE = BRANIN.space.dimensions


@register(
    SPACE,
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

    Source: Dong et al. 2015, Structural and Multidisciplinary Optimization 51.
    """
    if level:
        return branin(x)[0] - 22.5 * x[1], NONE
    return branin(0.7 * x)[0] - 15.75 * x[1] + 20 * (0.9 + x[0]) ** 2 - 50, NONE


@register(
    SPACE,
    x_star=BRANIN.x_star,
    f_star=BRANIN.f_star,
    source="Branin 1972; the cheap level is of this library",
    remarks="correlation 0.00: the cheap level tells nothing, but can be learned",
    costs=(0.1, 1.0),
)
def branin_unrelated(x: np.ndarray, level: int = 1) -> Result:
    """Branin's function, with crossing waves that know nothing of it as cheap level.

    The waves have the mean and the standard deviation of Branin's function; their
    crests are 3.7 apart.

    Args:
        x: x1 in -5..10, x2 in 0..15.
        level: 0 or 1.

    Source: Branin 1972.
    """
    if level:
        return branin(x)
    x1, x2 = x
    waves = sin(1.1 * x1 + 1.3 * x2) + sin(1.3 * x1 - 1.1 * x2)
    return 54.3 + 51.3 * waves, NONE


def _middle(x: np.ndarray) -> float:
    root = sqrt(branin(x - 2)[0])
    return 10 * root + 2 * (x[0] - 0.5) - 3 * (3 * x[1] - 1) - 1


@register(
    SPACE,
    x_star=BRANIN.x_star,
    f_star=BRANIN.f_star,
    source="Perdikaris et al. 2017",
    remarks="correlations 0.29 and 0.17; each cheaper level is made of the next, "
    "shifted and bent",
    costs=(0.05, 0.2, 1.0),
)
def branin_three_levels(x: np.ndarray, level: int = 2) -> Result:
    """Branin's function, with two approximations that are shifted and bent.

    Args:
        x: x1 in -5..10, x2 in 0..15.
        level: 0 to 2.

    Source: Perdikaris et al. 2017, Proceedings of the Royal Society A 473.
    """
    if level == 2:
        return branin(x)
    if level == 1:
        return _middle(x), NONE
    return _middle(1.2 * (x + 2)) - 3 * x[1] + 1, NONE


FIDELITIES = (0.0, 0.5, 0.75, 1.0)


@register(
    SPACE,
    x_star=BRANIN.x_star,
    f_star=BRANIN.f_star,
    source="Wu et al. 2019",
    remarks="correlations 0.74, 0.91 and 0.98; levels of a continuous fidelity, each "
    "with the same least value elsewhere",
    costs=(0.1, 0.5, 0.75, 1.0),
)
def branin_augmented(x: np.ndarray, level: int = 3) -> Result:
    """Branin's function, whose valley straightens as a fidelity falls from 1 to 0.

    Args:
        x: x1 in -5..10, x2 in 0..15.
        level: 0 to 3, for the fidelities 0, 0.5, 0.75 and 1.

    Source: Wu et al. 2019, UAI, arXiv 1903.04703.
    """
    f = branin(x)[0]
    if level == 3:
        return f, NONE
    valley = branin_valley(x)
    bent = valley + 0.1 * (1 - FIDELITIES[level]) * x[0] ** 2
    return f - valley**2 + bent**2, NONE
