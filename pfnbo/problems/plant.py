"""Process synthesis, batch plants, blending and gas compression."""

from math import exp, log

import numpy as np

from pfnbo.dimensions import Float, Int
from pfnbo.problems.problem import Result, floats, register

# Equal within this, as in the CEC2020 suite.
BAND = 1e-4


@register(
    {
        "x1": Float(20, 50),
        "x2": Float(1, 10),
        "x3": Float(20, 50),
        "x4": Float(0.1, 60),
    },
    units=("mile", "-", "in", "-"),
    constraints=("pressure ratio",),
    x_star=(50, 1.17828359096181, 24.59266226, 0.388352220717876),
    f_star=2964895.41737,
    source="Beightler & Phillips 1976; Kumar et al. 2020 (CEC2020 RC29)",
)
def gas_compressor(x: np.ndarray) -> Result:
    """Yearly cost of a gas line with its compressor stations.

    Args:
        x: x1 distance of the stations (mile), x2 compression ratio, x3 diameter of
            the pipe (in), x4 loss of pressure along it.

    Source: Beightler & Phillips 1976; Kumar et al. 2020 (CEC2020 RC29).
    """
    x1, x2, x3, x4 = x
    f = 8.61e5 * x1**0.5 * x2 * x3 ** (-2 / 3) * x4**-0.5 + 3.69e4 * x3
    f += 7.72e8 * x2**0.219 / x1 - 765.43e6 / x1
    return f, np.array([x4 / x2**2 + 1 / x2**2 - 1])


@register(
    {"x1": Float(0, 1.6), "y": Int(0, 1)},
    constraints=("curve", "line"),
    x_star=(0.5, 1),
    f_star=2.0,
    source="Kocis & Grossmann 1988; Kumar et al. 2020 (CEC2020 RC08)",
)
def process_synthesis2(x: np.ndarray) -> Result:
    """Cost of a flow and of the unit that may be built for it.

    Args:
        x: x1 flow, y whether the unit is built.

    Source: Kocis & Grossmann 1988; Kumar et al. 2020 (CEC2020 RC08).
    """
    x1, y = x
    return 2 * x1 + y, np.array([1.25 - x1**2 - y, x1 + y - 1.6])


@register(
    {"x1": Float(0.2, 1), "x2": Float(-2.22554, -1), "y": Int(0, 1)},
    constraints=("conversion", "choice", "flow"),
    x_star=(0.941937344729654, -2.10000000000025, 1),
    f_star=1.07654308333,
    source="Floudas 1995; Kumar et al. 2020 (CEC2020 RC10)",
)
def process_flowsheet(x: np.ndarray) -> Result:
    """Cost of a flow sheet with one choice.

    Args:
        x: x1, x2 flows, y the choice.

    Source: Floudas 1995; Kumar et al. 2020 (CEC2020 RC10).
    """
    x1, x2, y = x
    f = -0.7 * y + 5 * (x1 - 0.5) ** 2 + 0.8
    return f, np.array([-exp(x1 - 0.2) - x2, x2 + 1.1 * y + 1, x1 - y - 0.2])


@register(
    {**floats(3, 0, 100), **{f"y{i}": Int(0, 1) for i in range(1, 5)}},
    constraints=(
        *("sum", "ball", "x1 and y1", "x2 and y2", "x3 and y3", "x1 and y4"),
        *("circle of x2 and y2", "circle of x3 and y3", "circle of x3 and y2"),
    ),
    x_star=(
        *(0.19999999998, 0.79999999998, 1.90787840281389, 1, 1),
        *(0, 1),
    ),
    f_star=4.57958240256,
    source="Yuan et al. 1988; Floudas 1995",
    remarks="not RC12 of CEC2020, whose code has other exponents",
)
def process_synthesis7(x: np.ndarray) -> Result:
    """Distance from a wish that four choices and three flows cannot fulfil.

    Args:
        x: x1..x3 flows, y1..y4 choices.

    Source: Yuan et al. 1988; Floudas 1995.
    """
    x1, x2, x3, y1, y2, y3, y4 = x
    f = (y1 - 1) ** 2 + (y2 - 2) ** 2 + (y3 - 1) ** 2 - log(y4 + 1)
    f += (x1 - 1) ** 2 + (x2 - 2) ** 2 + (x3 - 3) ** 2
    g = [
        x1 + x2 + x3 + y1 + y2 + y3 - 5,
        y3**2 + x1**2 + x2**2 + x3**2 - 5.5,
        x1 + y1 - 1.2,
        x2 + y2 - 1.8,
        x3 + y3 - 2.5,
        x1 + y4 - 1.2,
        y2**2 + x2**2 - 1.64,
        y3**2 + x3**2 - 4.25,
        y2**2 + x3**2 - 4.64,
    ]
    return f, np.array(g)


@register(
    {**floats(3, 27, 45), "y1": Int(78, 102), "y2": Int(33, 45)},
    constraints=("g1", "g2", "g3"),
    x_star=(*(38.7919323195148, 27, 45, 78, 37),),
    f_star=26887.4222108,
    source="Kumar et al. 2020 (CEC2020 RC13)",
    remarks="x2 and y2 do not enter f; 32217.4, often quoted, is a maximum",
)
def process_design5(x: np.ndarray) -> Result:
    """Himmelblau's process with two whole variables, minimised.

    Args:
        x: x1..x3 in 27..45, y1, y2 whole.

    Source: Kumar et al. 2020 (CEC2020 RC13).
    """
    x1, x2, x3, y1, y2 = x
    f = -5.357854 * x1**2 - 0.835689 * y1 * x3 - 37.29329 * y1 + 40792.141
    g1 = 85.334407 + 0.0056858 * y2 * x3 + 0.0006262 * y1 * x2
    g2 = 80.51249 + 0.0071317 * y2 * x3 + 0.0029955 * y1 * x2 + 0.0021813 * x1**2
    g3 = 9.300961 + 0.0047026 * y1 * x2 + 0.0012547 * y1 * x1 + 0.0019085 * x1 * x2
    return f, np.array([g1 - 0.0022053 * y1**2 * x3 - 92, g2 - 110, g3 - 25])


@register(
    {
        **{f"N{i}": Int(1, 3) for i in range(1, 4)},
        **{f"V{i}": Float(250, 2500) for i in range(1, 4)},
        "T1": Float(6, 20),
        "T2": Float(4, 16),
        "B1": Float(40, 700),
        "B2": Float(10, 450),
    },
    units=(*("-",) * 3, *("L",) * 3, "h", "h", "kg", "kg"),
    constraints=(
        "horizon",
        *(f"volume {i}" for i in range(1, 4)),
        *(f"cycle {i}, product {k}" for k in (1, 2) for i in range(1, 4)),
    ),
    x_star=(
        *(1, 1, 1, 963.119420771587, 1444.67913115723),
        *(1309.82405377564, 20, 16, 234.993795278704, 123.282957553432),
    ),
    f_star=53638.942722,
    source="Kocis & Grossmann 1988; Kumar et al. 2020 (CEC2020 RC14)",
    remarks="58505.45 with (2, 2, 1) units is where differential evolution ends",
)
def batch_plant(x: np.ndarray) -> Result:
    """Investment in a batch plant of three stages for two products.

    Args:
        x: N1..N3 parallel units of each stage, V1..V3 their volume (L), T1, T2 cycle
            time of each product (h), B1, B2 its batch (kg).

    Source: Kocis & Grossmann 1988; Kumar et al. 2020 (CEC2020 RC14).
    """
    N, V, (T1, T2, B1, B2) = x[:3], x[3:6], x[6:]
    g = [
        40000 * T1 / B1 + 20000 * T2 / B2 - 6000,
        2 * B1 + 4 * B2 - V[0],
        3 * B1 + 6 * B2 - V[1],
        4 * B1 + 3 * B2 - V[2],
        *(np.array([8, 20, 8]) - N * T1),
        *(np.array([16, 4, 4]) - N * T2),
    ]
    return float(250 * N @ V**0.6), np.array(g)


HAVERLY_HIGH = (100, 200, 100, 100, 100, 100, 200, 100, 200)


@register(
    {f"x{i}": Float(0, high) for i, high in enumerate(HAVERLY_HIGH, 1)},
    constraints=(
        *("sulphur of product 1", "sulphur of product 2"),
        *("pool", "product 1", "product 2", "sulphur of the pool"),
    ),
    x_star=(
        *(9.9999999e-05, 200, 0.000150473203817114, 99.9996504732098, 0),
        *(99.9999990535884, 0, 99.9999009464126, 1.0000010094651),
    ),
    f_star=-400.005599054,
    source="Haverly 1978; Kumar et al. 2020 (CEC2020 RC05)",
    remarks="the last four are equalities, met within 1e-4; -400 when met exactly",
)
def haverly(x: np.ndarray) -> Result:
    """Loss of blending three crudes through a pool into two products.

    Args:
        x: flows: x1, x2 of the products, x3, x4 of crudes into the pool, x5, x6 of
            the crude beside it, x7, x8 out of it; x9 sulphur of the pool.

    Source: Haverly 1978; Kumar et al. 2020 (CEC2020 RC05).
    """
    x1, x2, x3, x4, x5, x6, x7, x8, x9 = x
    f = -(9 * x1 + 15 * x2 - 6 * x3 - 16 * x4 - 10 * (x5 + x6))
    g = [x9 * x7 + 2 * x5 - 2.5 * x1, x9 * x8 + 2 * x6 - 1.5 * x2]
    zero = [
        x7 + x8 - x3 - x4,
        x1 - x7 - x5,
        x2 - x8 - x6,
        x9 * x7 + x9 * x8 - 3 * x3 - x4,
    ]
    return f, np.array([*g, *(np.abs(zero) - BAND)])
