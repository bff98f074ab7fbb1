"""Formulas of engineering in several fidelities, whose cheap levels are faithful.

Correlations are Pearson's of each cheaper level with the truest, on uniform points.
"""

from math import cos, log, pi, radians

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import Result, register
from pfnbo.problems.synthetic import NONE


@register(
    {
        "radius": Float(0.05, 0.15),
        "influence": Float(100, 50000),
        "upper_transmissivity": Float(63070, 115600),
        "upper_head": Float(990, 1110),
        "lower_transmissivity": Float(63.1, 116),
        "lower_head": Float(700, 820),
        "length": Float(1120, 1680),
        "conductivity": Float(9855, 12045),
    },
    units=("m", "m", "m2/yr", "m", "m2/yr", "m", "m", "m/yr"),
    x_star=(0.05, 50000, 63070, 990, 63.1, 820, 1680, 9855),
    f_star=7.819676328755232,
    source="Harper & Gupta 1983; Xiong et al. 2013",
    remarks="correlation 1.0000: a test that an autoregressive model must pass; others "
    "only predict the flow, and the optimum is a corner",
    costs=(0.1, 1.0),
)
def borehole_fidelity(x: np.ndarray, level: int = 1) -> Result:
    """Flow of water through a borehole between two aquifers (m3/yr), to be small.

    Args:
        x: radius of the borehole 0.05..0.15 m, radius of influence 100..50000 m,
            transmissivity of the upper aquifer 63070..115600 m2/yr, its potentiometric
            head 990..1110 m, transmissivity of the lower aquifer 63.1..116 m2/yr, its
            head 700..820 m, length 1120..1680 m and hydraulic conductivity of the
            borehole 9855..12045 m/yr.
        level: 0 or 1.

    Source: Xiong, Qian & Wu 2013, Technometrics 55.
    """
    radius, influence, upper, upper_head, lower, lower_head, length, conductivity = x
    scale, one = (2 * pi, 1.0) if level else (5.0, 1.5)
    spread = log(influence / radius)
    leak = 2 * length * upper / (spread * radius**2 * conductivity)
    flow = scale * upper * (upper_head - lower_head)
    return flow / (spread * (one + leak + upper / lower)), NONE


@register(
    {
        "area": Float(150, 200),
        "fuel_weight": Float(220, 300),
        "aspect_ratio": Float(6, 10),
        "sweep": Float(-10, 10),
        "dynamic_pressure": Float(16, 45),
        "taper": Float(0.5, 1),
        "thickness": Float(0.08, 0.18),
        "load_factor": Float(2.5, 6),
        "gross_weight": Float(1700, 2500),
        "paint_weight": Float(0.025, 0.08),
    },
    units=("ft2", "lb", "-", "deg", "lb/ft2", "-", "-", "-", "lb", "lb/ft2"),
    x_star=(150, 220, 6, 0, 16, 0.5, 0.18, 2.5, 1700, 0.025),
    f_star=123.25367170091783,
    source="Forrester et al. 2008; Chen et al. 2024",
    remarks="correlations 0.997, 0.998 and 0.998, but errors of 5.7, 1.1 and 0.2 "
    "standard deviations: the cheap levels are of another scale",
    costs=(0.001, 0.01, 0.1, 1.0),
)
def wing_weight_fidelity(x: np.ndarray, level: int = 3) -> Result:
    """Weight of the wing of a light aircraft (lb), to be small.

    Args:
        x: area 150..200 ft2, weight of the fuel in the wing 220..300 lb, aspect ratio
            6..10, sweep at the quarter chord -10..10 deg, dynamic pressure at cruise
            16..45 lb/ft2, taper 0.5..1, thickness to chord 0.08..0.18, ultimate load
            factor 2.5..6, gross weight 1700..2500 lb and weight of the paint
            0.025..0.08 lb/ft2.
        level: 0 to 3; the cheap ones have other exponents of the area, and the paint of
            one square foot or none.

    Source: Forrester, Sobester & Keane 2008, Engineering Design via Surrogate
    Modelling; Chen et al. 2024, Comput. Methods Appl. Mech. Eng. 421, arXiv 2310.03298.
    """
    area, fuel, aspect, sweep, pressure, taper, thickness, load, gross, paint = x
    slant = cos(radians(sweep))
    exponent = (0.9, 0.8, 0.758, 0.758)[level]
    wing = 0.036 * area**exponent * fuel**0.0035 * (aspect / slant**2) ** 0.6
    wing *= pressure**0.006 * taper**0.04 * (100 * thickness / slant) ** -0.3
    wing *= (load * gross) ** 0.49
    return wing + paint * (0, 1, 1, area)[level], NONE
