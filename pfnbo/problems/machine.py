"""Machine elements: welds, gears, springs, a clutch."""

from math import pi, sqrt

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.problems.problem import Result, register
from pfnbo.problems.synthetic import NONE

WELD = (
    "shear stress",
    "bending stress",
    "weld thinner than bar",
    "cost",
    "smallest weld",
    "deflection",
    "buckling",
)


@register(
    {
        "h": Float(0.1, 2),
        "l": Float(0.1, 10),
        "t": Float(0.1, 10),
        "b": Float(0.1, 2),
    },
    units="in",
    constraints=WELD,
    x_star=(0.2057296397857, 3.470488665653, 9.036623910376, 0.2057296397865),
    f_star=1.7248523086,
    source="Rao 1996; Coello 2000",
    remarks="J has the factor sqrt(2) without Deb's 0.707: not welded_beam_deb",
)
def welded_beam(x: np.ndarray) -> Result:
    """Cost of a bar welded to a wall and loaded at its end, in Coello's form.

    Args:
        x: h weld thickness, l weld length, t bar height, b bar thickness (in).

    Source: Rao 1996; Coello 2000, Computers in Industry 41.
    """
    h, ell, t, b = x
    P, L, E, G = 6000, 14, 30e6, 12e6  # lb, in, psi, psi
    M = P * (L + ell / 2)
    R = sqrt(ell**2 / 4 + ((h + t) / 2) ** 2)
    J = 2 * sqrt(2) * h * ell * (ell**2 / 12 + ((h + t) / 2) ** 2)
    t1 = P / (sqrt(2) * h * ell)
    t2 = M * R / J
    tau = sqrt(t1**2 + 2 * t1 * t2 * ell / (2 * R) + t2**2)
    sigma = 6 * P * L / (b * t**2)
    delta = 4 * P * L**3 / (E * t**3 * b)
    Pc = 4.013 * E * t * b**3 / (6 * L**2) * (1 - t * sqrt(E / (4 * G)) / (2 * L))
    f = 1.10471 * h**2 * ell + 0.04811 * t * b * (14 + ell)
    g = [
        tau - 13600,
        sigma - 30000,
        h - b,
        0.10471 * h**2 + 0.04811 * t * b * (14 + ell) - 5,
        0.125 - h,
        delta - 0.25,
        P - Pc,
    ]
    return f, np.array(g)


@register(
    {
        "h": Float(0.125, 10),
        "l": Float(0.1, 15),
        "t": Float(0.1, 10),
        "b": Float(0.1, 10),
    },
    units="in",
    constraints=(*WELD[:3], "buckling", "deflection"),
    x_star=(0.244368984748, 6.218606312619, 8.291471238721, 0.244368984749),
    f_star=2.38113424918,
    source="Ragsdell & Phillips 1976; Deb 1991",
    remarks="J is half that of welded_beam",
)
def welded_beam_deb(x: np.ndarray) -> Result:
    """Cost of a bar welded to a wall and loaded at its end, in Deb's form.

    Args:
        x: h weld thickness, l weld length, t bar height, b bar thickness (in).

    Source: Ragsdell & Phillips 1976; Deb 1991, AIAA Journal 29.
    """
    h, ell, t, b = x
    R = sqrt(0.25 * (ell**2 + (h + t) ** 2))
    J = 2 * (0.707 * h * ell * (ell**2 / 12 + 0.25 * (h + t) ** 2))
    t1 = 6000 / (sqrt(2) * h * ell)
    t2 = 6000 * (14 + 0.5 * ell) * R / J
    f = 1.10471 * h**2 * ell + 0.04811 * t * b * (14 + ell)
    g = [
        sqrt(t1**2 + t2**2 + ell * t1 * t2 / R) - 13600,
        504000 / (t**2 * b) - 30000,
        h - b,
        6000 - 64746 * (1 - 0.0282346 * t) * t * b**3,
        2.1952 / (t**3 * b) - 0.25,
    ]
    return f, np.array(g)


REDUCER: dict[str, Dimension] = {
    "b": Float(2.6, 3.6),
    "m": Float(0.7, 0.8),
    "z": Int(17, 28),
    "L1": Float(7.3, 8.3),
    "L2": Float(7.3, 8.3),
    "d1": Float(2.9, 3.9),
    "d2": Float(5, 5.5),
}
REDUCER_UNITS = ("cm", "cm", "-", "cm", "cm", "cm", "cm")
REDUCER_LIMITS = (
    "tooth bending",
    "tooth contact",
    "shaft 1 deflection",
    "shaft 2 deflection",
    "shaft 1 stress",
    "shaft 2 stress",
    "pinion size",
    "smallest b/m",
    "largest b/m",
    "shaft 1 length",
    "shaft 2 length",
)


@register(
    REDUCER,
    units=REDUCER_UNITS,
    constraints=REDUCER_LIMITS,
    x_star=(3.5, 0.7, 17, 7.3, 7.715319911517, 3.350214666103, 5.286654464991),
    f_star=2994.47106615,
    source="Golinski 1970, 1973",
)
def speed_reducer(x: np.ndarray) -> Result:
    """Weight of a gear box with one stage and two shafts.

    Args:
        x: b face width (cm), m module (cm), z teeth of the pinion, L1, L2 lengths of
            the shafts between bearings (cm), d1, d2 their diameters (cm).

    Source: Golinski 1970, J. Mechanisms 5; 1973, Mechanism and Machine Theory 8.
    """
    return gear_box(x, 7.4777, 16.9e6)


@register(
    {**REDUCER, "z": Float(17, 28)},
    units=REDUCER_UNITS,
    constraints=REDUCER_LIMITS,
    x_star=(3.5, 0.7, 17, 7.3, 7.715319911517, 3.350214666103, 5.286654464991),
    f_star=2994.47106615,
    source="Golinski 1970, 1973",
    remarks="a relaxation with the optimum of speed_reducer",
)
def speed_reducer_cont(x: np.ndarray) -> Result:
    """Weight of the gear box when wheels with every number of teeth exist.

    Args:
        x: as in `speed_reducer`, z any number.

    Source: Golinski 1970, J. Mechanisms 5; 1973, Mechanism and Machine Theory 8.
    """
    return gear_box(x, 7.4777, 16.9e6)


@register(
    {**REDUCER, "z": Float(17, 28)},
    units=REDUCER_UNITS,
    constraints=REDUCER_LIMITS,
    x_star=(3.5, 0.7, 17, 7.3, 7.715319911517, 3.350540949113, 5.286654464991),
    f_star=2994.42446576,
    source="Golinski 1970; Kumar et al. 2020 (CEC2020 RC15)",
    remarks="constants 7.477 and 16.91e6 in the place of 7.4777 and 16.9e6",
)
def speed_reducer_cec(x: np.ndarray) -> Result:
    """Weight of the gear box with the constants of the CEC2020 suite, z continuous.

    Args:
        x: as in `speed_reducer`, z any number.

    Source: Golinski 1970; Kumar et al. 2020 (CEC2020 RC15).
    """
    return gear_box(x, 7.477, 16.91e6)


def gear_box(x: np.ndarray, c0: float, c5: float) -> Result:
    """Weight and limits of the gear box for two constants that sources differ in.

    Args:
        x: as in `speed_reducer`.
        c0: factor of the volume of the shafts.
        c5: square of the torque on the first shaft.
    """
    b, m, z, L1, L2, d1, d2 = x
    f = (
        0.7854 * b * m**2 * (3.3333 * z**2 + 14.9334 * z - 43.0934)
        - 1.508 * b * (d1**2 + d2**2)
        + c0 * (d1**3 + d2**3)
        + 0.7854 * (L1 * d1**2 + L2 * d2**2)
    )
    g = [
        27 / (b * m**2 * z) - 1,
        397.5 / (b * m**2 * z**2) - 1,
        1.93 * L1**3 / (m * z * d1**4) - 1,
        1.93 * L2**3 / (m * z * d2**4) - 1,
        sqrt((745 * L1 / (m * z)) ** 2 + c5) / (110 * d1**3) - 1,
        sqrt((745 * L2 / (m * z)) ** 2 + 157.5e6) / (85 * d2**3) - 1,
        m * z / 40 - 1,
        5 * m / b - 1,
        b / (12 * m) - 1,
        (1.5 * d1 + 1.9) / L1 - 1,
        (1.1 * d2 + 1.9) / L2 - 1,
    ]
    return f, np.array(g)


@register(
    {"d": Float(0.05, 2), "D": Float(0.25, 1.3), "N": Float(2, 15)},
    units=("in", "in", "-"),
    constraints=("deflection", "shear stress", "surge frequency", "outer diameter"),
    x_star=(0.05168903535, 0.3567171207, 11.28900205),
    f_star=0.0126652327883,
    source="Belegundu 1982; Arora 1989",
    remarks="the shear stress has a pole at d = D, inside the box; 71875 in the "
    "place of 71785 is a misprint in circulation",
)
def spring(x: np.ndarray) -> Result:
    """Weight of a tension/compression spring.

    Args:
        x: d wire diameter (in), D coil diameter (in), N active coils, not rounded.

    Source: Belegundu 1982; Arora 1989, "Introduction to optimum design".
    """
    d, D, N = x
    f = (N + 2) * D * d**2
    g1 = 1 - D**3 * N / (71785 * d**4)
    g2 = (4 * D**2 - d * D) / (12566 * (D * d**3 - d**4)) + 1 / (5108 * d**2) - 1
    g3 = 1 - 140.45 * d / (D**2 * N)
    g4 = (D + d) / 1.5 - 1
    return f, np.array([g1, g2, g3, g4])


WIRES = (
    *(0.009, 0.0095, 0.0104, 0.0118, 0.0128, 0.0132, 0.014, 0.015, 0.0162, 0.0173),
    *(0.018, 0.020, 0.023, 0.025, 0.028, 0.032, 0.035, 0.041, 0.047, 0.054, 0.063),
    *(0.072, 0.080, 0.092, 0.105, 0.120, 0.135, 0.148, 0.162, 0.177, 0.192, 0.207),
    *(0.225, 0.244, 0.263, 0.283, 0.307, 0.331, 0.362, 0.394, 0.4375, 0.500),
)


@register(
    {
        "N": Int(1, 70),
        "D": Float(0.6, 3),
        "d": Categorical(WIRES, ordered=True),
    },
    units=("-", "in", "in"),
    constraints=(
        "shear stress",
        "free length",
        "smallest wire",
        "largest coil",
        "spring index",
        "preload deflection",
        "coil clash",
        "working deflection",
    ),
    x_star=(9, 1.22304101, 0.283),
    f_star=2.65855916597,
    source="Sandgren 1990",
)
def coil_spring_mixed(x: np.ndarray) -> Result:
    """Volume of a helical compression spring of standard wire.

    Args:
        x: N coils, D coil diameter (in), d wire diameter (in) from `WIRES`.

    Source: Sandgren 1990, J. Mechanical Design 112.
    """
    N, D, d = x
    C = D / d
    cf = (4 * C - 1) / (4 * C - 4) + 0.615 / C
    K = 11.5e6 * d**4 / (8 * N * D**3)
    lf = 1000 / K + 1.05 * (N + 2) * d
    sp = 300 / K
    f = pi**2 * D * d**2 * (N + 2) / 4
    g = [
        8000 * cf * D / (pi * d**3) - 189000,
        lf - 14,
        0.2 - d,
        D - 3,
        3 - C,
        sp - 6,
        sp + 700 / K + 1.05 * (N + 2) * d - lf,
        1.25 - 700 / K,
    ]
    return f, np.array(g)


@register(
    {f"z{i}": Int(12, 60) for i in range(1, 5)},
    x_star=(19, 16, 49, 43),
    f_star=2.70085714889e-12,
    source="Sandgren 1990",
    remarks="four global optima: swap z1 and z2, z3 and z4",
)
def gear_train(x: np.ndarray) -> Result:
    """Squared error of the ratio of a gear train against 1/6.931.

    Args:
        x: z1, z2 teeth of the driving and z3, z4 teeth of the driven wheels.

    Source: Sandgren 1990, J. Mechanical Design 112.
    """
    z1, z2, z3, z4 = x
    return (1 / 6.931 - z1 * z2 / (z3 * z4)) ** 2, NONE


@register(
    {
        "ri": Int(60, 80),
        "ro": Int(90, 110),
        "t": Float(1, 3, step=0.5),
        "F": Float(600, 1000, step=10),
        "Z": Int(2, 9),
    },
    units=("mm", "mm", "mm", "N", "-"),
    constraints=(
        "ring width",
        "length",
        "pressure",
        "pressure times speed",
        "sliding speed",
        "stopping time",
        "torque",
        "positive time",
    ),
    x_star=(70, 90, 1, 980, 2),
    f_star=0.235242457901,
    source="Osyczka 2002; Rao et al. 2011",
    remarks="f does not depend on F; 0.313656, often quoted, is a local optimum",
)
def disk_clutch(x: np.ndarray) -> Result:
    """Mass (kg) of a clutch brake with several disks; every variable is discrete.

    Args:
        x: ri, ro inner and outer radius (mm), t thickness of a disk (mm), F actuating
            force (N), Z friction surfaces.

    Source: Osyczka 2002; Rao et al. 2011, Computer-Aided Design 43.
    """
    ri, ro, t, F, Z = x
    n = 250  # rpm
    Rsr = 2 * (ro**3 - ri**3) / (3 * (ro**2 - ri**2))
    V = pi * Rsr * n / 30000
    A = pi * (ro**2 - ri**2)
    p = F / A
    w = pi * n / 30
    Mh = 0.6 * 2 / 3 * F * Z * (ro**3 - ri**3) / (1000 * (ro**2 - ri**2))
    T = 55 * w / (Mh + 3)
    f = A * t * (Z + 1) * 7.8e-6
    g = [
        -ro + ri + 20,
        (Z + 1) * (t + 0.5) - 30,
        p - 1,
        p * V - 10,
        V - 10,
        T - 15,
        60 - Mh,
        -T,
    ]
    return f, np.array(g)
