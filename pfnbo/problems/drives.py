"""A pulley with steps and a piston with a lever."""

from math import cos, pi, sin, sqrt

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.plant import BAND
from pfnbo.problems.problem import Result, register

RPM = np.array([750, 450, 250, 150])


@register(
    {
        "d1": Float(0, 60),
        "d2": Float(0, 60),
        "d3": Float(0, 90),
        "d4": Float(0, 90),
        "w": Float(0, 90),
    },
    units="mm",
    constraints=(
        *(f"tension ratio {i}" for i in range(1, 5)),
        *(f"power {i}" for i in range(1, 5)),
        *(f"belt length {i}" for i in range(2, 5)),
    ),
    x_star=(
        *(38.3937399769962, 52.8029446870026, 70.3984498268495, 84.4957160686168, 90),
    ),
    f_star=16.0698687251,
    source="Rao 1996; Kumar et al. 2020 (CEC2020 RC23)",
    remarks="the belt lengths are equalities, met within 1e-4 m; 16.0902734933 when "
    "met exactly; no random point is feasible",
)
def step_cone_pulley(x: np.ndarray) -> Result:
    """Weight (kg) of a pulley with four steps for one belt.

    Args:
        x: d1..d4 diameters of the steps, w width of the belt (mm).

    Source: Rao 1996; Kumar et al. 2020 (CEC2020 RC23).
    """
    D, w = x[:4] / 1000, x[4] / 1000
    a, mu, stress, t = 3, 0.35, 1.75e6, 0.008  # m, -, N/m^2, m
    ratio = RPM / 350
    tension = np.exp(mu * (pi - 2 * np.arcsin((ratio - 1) * D / (2 * a))))
    power = stress * t * w * (1 - 1 / tension) * pi * D * RPM / 60
    length = pi / 2 * D * (1 + ratio) + (ratio - 1) ** 2 * D**2 / (4 * a) + 2 * a
    f = 7200 * w * pi / 4 * np.sum(D**2 * (1 + ratio**2))
    belt = np.abs(length[0] - length[1:]) - BAND
    return f, np.concatenate([2 - tension, 0.75 * 745.6998 - power, belt])


@register(
    {
        "H": Float(0.05, 500),
        "B": Float(0.05, 500),
        "D": Float(0.05, 500),
        "X": Float(0.05, 120),
    },
    units="in",
    constraints=("force", "bending moment", "stroke", "geometry"),
    x_star=(0.05, 2.04151359006681, 4.08302717993364, 120),
    f_star=8.4126983241,
    source="Vanderplaats 1995; Gandomi et al. 2013",
    remarks="1.05739, often quoted, has the upper bounds of D and X exchanged",
)
def piston_lever(x: np.ndarray) -> Result:
    """Volume of oil (in^3) that a piston needs to lift a lever by 45 degrees.

    Args:
        x: H, B height and distance of its support, D diameter of the piston, X where
            it holds the lever (in).

    Source: Vanderplaats 1995; Gandomi et al. 2013, Engineering with Computers 29.
    """
    H, B, D, X = x
    Q, L, Mmax, P = 10000, 240, 1.8e6, 1500  # lb, in, lb in, psi
    up, along = X * sin(pi / 4) + H, B - X * cos(pi / 4)
    L1 = sqrt((X - B) ** 2 + H**2)
    L2 = sqrt(up**2 + along**2)
    R = abs(-X * up + H * along) / L1
    g = [
        Q * L * cos(pi / 4) - R * pi * P * D**2 / 4,
        Q * (L - X) - Mmax,
        1.2 * (L2 - L1) - L1,
        D / 2 - B,
    ]
    return pi * D**2 * (L2 - L1) / 4, np.array(g)
