"""Pressure vessels, a car body and heat exchangers."""

from math import pi

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Float
from pfnbo.problems.problem import Result, floats, register

VESSEL: dict[str, Dimension] = {
    "Ts": Float(0.0625, 6.1875, step=0.0625),
    "Th": Float(0.0625, 6.1875, step=0.0625),
    "R": Float(10, 200),
    "L": Float(10, 200),
}
VESSEL_LIMITS = ("shell thickness", "head thickness", "volume", "length")


@register(
    VESSEL,
    units="in",
    constraints=VESSEL_LIMITS,
    x_star=(0.8125, 0.4375, 42.09844559577, 176.6365958449),
    f_star=6059.71433505,
    source="Sandgren 1990; Kannan & Kramer 1994",
)
def pressure_vessel(x: np.ndarray) -> Result:
    """Cost of a cylindrical vessel with hemispherical heads, plates by 1/16 in.

    Args:
        x: Ts shell thickness, Th head thickness, R inner radius, L length of the
            cylinder (in).

    Source: Sandgren 1990; Kannan & Kramer 1994, J. Mechanical Design 116.
    """
    Ts, Th, R, L = x
    f = 0.6224 * Ts * R * L + 1.7781 * Th * R**2
    f += 3.1661 * Ts**2 * L + 19.84 * Ts**2 * R
    g1 = -Ts + 0.0193 * R
    g2 = -Th + 0.00954 * R
    g3 = 1296000 - pi * R**2 * L - 4 / 3 * pi * R**3
    g4 = L - 240
    return f, np.array([g1, g2, g3, g4])


@register(
    {**VESSEL, "Ts": Float(0.0625, 6.1875), "Th": Float(0.0625, 6.1875)},
    units="in",
    constraints=VESSEL_LIMITS,
    x_star=(0.7781686413798, 0.3846491626302, 40.31961872418, 200),
    f_star=5885.33277362,
    source="Sandgren 1990; Kumar et al. 2020 (CEC2020 RC18)",
    remarks="a relaxation: no plate has these thicknesses",
)
def pressure_vessel_cont(x: np.ndarray) -> Result:
    """Cost of the pressure vessel when plates of every thickness exist.

    Args:
        x: Ts shell thickness, Th head thickness, R inner radius, L length of the
            cylinder (in).

    Source: Sandgren 1990; Kumar et al. 2020 (CEC2020 RC18).
    """
    return pressure_vessel(x)


STEELS = (0.192, 0.345)
CAR: dict[str, Dimension] = {
    **floats(7, 0.5, 1.5),
    "x8": Categorical(STEELS, ordered=True),
    "x9": Categorical(STEELS, ordered=True),
    "x10": Float(-30, 30),
    "x11": Float(-30, 30),
}
CAR_LIMITS = (
    "abdomen load",
    "viscous criterion, upper",
    "viscous criterion, middle",
    "viscous criterion, lower",
    "rib deflection, upper",
    "rib deflection, middle",
    "rib deflection, lower",
    "pubic force",
    "pillar velocity",
    "door velocity",
)
CAR_UNITS = (*("mm",) * 7, "GPa", "GPa", "mm", "mm")
CAR_SOURCE = "Gu et al. 2001; Youn & Choi 2004; Gandomi et al. 2011"


@register(
    CAR,
    units=CAR_UNITS,
    constraints=CAR_LIMITS,
    x_star=(
        *(0.5, 1.116365569, 0.5, 1.302197221, 0.5, 1.5, 0.5),
        *(0.345, 0.345, -19.56153329, 0),
    ),
    f_star=22.8429691991,
    source=CAR_SOURCE,
    remarks="x9 and x11 are not determined by f",
)
def car_side_impact(x: np.ndarray) -> Result:
    """Weight (kg) of parts of a car under limits on a side impact.

    The responses are quadratic fits to crash simulations.

    Args:
        x: thickness (mm) of x1 inner B-pillar, x2 its reinforcement, x3 inner floor
            side, x4 cross members, x5 door beam, x6 door beltline reinforcement, x7
            roof rail; yield strength (GPa) of the steel of x8 inner B-pillar and x9
            inner floor side; x10 height and x11 position of the barrier (mm).

    Source: Gu et al. 2001; Youn & Choi 2004; Gandomi et al. 2011.
    """
    x1, x2, x3, x4, x5, _, x7, *_ = x
    f = 1.98 + 4.90 * x1 + 6.67 * x2 + 6.98 * x3 + 4.01 * x4 + 1.78 * x5 + 2.73 * x7
    responses = [*_car_dummy(x), *_car_ribs(x), *_car_body(x)]
    limits = (1.0, 0.32, 0.32, 0.32, 32.0, 32.0, 32.0, 4.0, 9.9, 15.7)
    return f, np.array(responses) - limits


def _car_dummy(x: np.ndarray) -> tuple[float, ...]:
    """Abdomen load (kN) and upper, middle and lower viscous criteria (m/s)."""
    x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11 = x
    abdomen = 1.16 - 0.3717 * x2 * x4 - 0.00931 * x2 * x10 - 0.484 * x3 * x9
    abdomen += 0.01343 * x6 * x10
    upper = 0.261 - 0.0159 * x1 * x2 - 0.188 * x1 * x8 - 0.019 * x2 * x7
    upper += 0.0144 * x3 * x5 + 0.0008757 * x5 * x10 + 0.08045 * x6 * x9
    upper += 0.00139 * x8 * x11 + 0.00001575 * x10 * x11
    middle = 0.214 + 0.00817 * x5 - 0.131 * x1 * x8 - 0.0704 * x1 * x9
    middle += 0.03099 * x2 * x6 - 0.018 * x2 * x7 + 0.0208 * x3 * x8
    middle += 0.121 * x3 * x9 - 0.00364 * x5 * x6 + 0.0007715 * x5 * x10
    middle += 0.00121 * x8 * x11 - 0.0005354 * x6 * x10
    lower = 0.074 - 0.061 * x2 - 0.163 * x3 * x8 + 0.001232 * x3 * x10
    lower += 0.227 * x2**2 - 0.166 * x7 * x9
    return abdomen, upper, middle, lower


def _car_ribs(x: np.ndarray) -> tuple[float, ...]:
    """Upper, middle and lower rib deflection (mm)."""
    x1, x2, x3, _, x5, x6, x7, x8, x9, x10, _ = x
    upper = 28.98 + 3.818 * x3 - 4.2 * x1 * x2 + 0.0207 * x5 * x10
    upper += 6.63 * x6 * x9 - 7.7 * x7 * x8 + 0.32 * x9 * x10
    middle = 33.86 + 2.95 * x3 + 0.1792 * x10 - 5.057 * x1 * x2 - 11.0 * x2 * x8
    middle += 22.0 * x8 * x9 - 0.0215 * x5 * x10 - 9.98 * x7 * x8
    lower = 46.36 - 9.9 * x2 - 12.9 * x1 * x8 + 0.1107 * x3 * x10
    return upper, middle, lower


def _car_body(x: np.ndarray) -> tuple[float, ...]:
    """Pubic force (kN), and velocity (mm/ms) of the B-pillar and the front door."""
    x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11 = x
    pubic = 4.72 - 0.5 * x4 - 0.19 * x2 * x3 - 0.0122 * x4 * x10
    pubic += 0.009325 * x6 * x10 + 0.000191 * x11**2
    pillar = 10.58 - 0.674 * x1 * x2 - 1.95 * x2 * x8 + 0.02054 * x3 * x10
    pillar += 0.028 * x6 * x10 - 0.0198 * x4 * x10
    door = 16.45 - 0.489 * x3 * x7 - 0.843 * x5 * x6 + 0.0432 * x9 * x10
    door -= 0.0556 * x9 * x11 + 0.000786 * x11**2
    return pubic, pillar, door


@register(
    {
        **CAR,
        "x2": Float(0.45, 1.35),
        "x8": Float(*STEELS),
        "x9": Float(*STEELS),
    },
    units=CAR_UNITS,
    constraints=CAR_LIMITS,
    x_star=(
        *(0.5, 1.116365587, 0.5, 1.302197191, 0.5, 1.5, 0.5),
        *(0.345, 0.25859721, -19.56153012, 0),
    ),
    f_star=22.8429691991,
    source=CAR_SOURCE,
    remarks="x2 in 0.45..1.35; x9 and x11 are not determined by f",
)
def car_side_impact_cont(x: np.ndarray) -> Result:
    """Weight (kg) of the car parts when steels of every strength exist.

    Args:
        x: as in `car_side_impact`.

    Source: Gu et al. 2001; Youn & Choi 2004; Gandomi et al. 2011.
    """
    return car_side_impact(x)


EXCHANGER_UNITS = (*("ft^2",) * 3, *("F",) * 5)
EXCHANGER_LIMITS = (
    *(f"balance {i}" for i in range(1, 4)),
    *(f"transfer {i}" for i in range(1, 4)),
)


@register(
    {
        "x1": Float(100, 10000),
        "x2": Float(1000, 10000),
        "x3": Float(1000, 10000),
        **floats(5, 10, 1000, first=4),
    },
    units=EXCHANGER_UNITS,
    constraints=EXCHANGER_LIMITS,
    x_star=(
        579.3067160584,
        1359.97070292,
        5109.970601734,
        182.0177022223,
        295.6011759361,
        217.9822977769,
        286.4165262846,
        395.6011759347,
    ),
    f_star=7049.24802053,
    source="Avriel & Williams 1971; Hock & Schittkowski 1981, problem 106",
    remarks="all six constraints are active; no random point is feasible",
)
def heat_exchanger(x: np.ndarray) -> Result:
    """Area (ft^2) of three heat exchangers in series.

    Args:
        x: x1, x2, x3 areas (ft^2); x4, x5 temperatures of the heated stream after
            the first and second exchanger, x6, x7, x8 of the heating streams (F).

    Source: Avriel & Williams 1971; Hock & Schittkowski 1981, problem 106.
    """
    x1, x2, x3, x4, x5, x6, x7, x8 = x
    f = x1 + x2 + x3
    g = [
        0.0025 * (x4 + x6) - 1,
        0.0025 * (x5 + x7 - x4) - 1,
        0.01 * (x8 - x5) - 1,
        833.33252 * x4 + 100 * x1 - x1 * x6 - 83333.333,
        1250 * x5 + x2 * x4 - x2 * x7 - 1250 * x4,
        x3 * x5 - 2500 * x5 - x3 * x8 + 1250000,
    ]
    return f, np.array(g)
