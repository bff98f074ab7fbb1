"""Beams, columns and plates from handbook formulas."""

from math import pi, sqrt

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.problems.problem import Result, floats, register


@register(
    floats(2, 0, 1),
    units="cm^2",
    constraints=("outer bar, pulled", "middle bar", "outer bar, pressed"),
    x_star=(0.7886751294213, 0.408248305102),
    f_star=263.895843376,
    source="Nowacki 1974",
    remarks="an area below 1e-5 counts as 1e-5",
)
def three_bar_truss(x: np.ndarray) -> Result:
    """Volume (cm^3) of a symmetric truss of three bars under a stress limit.

    Args:
        x: x1 area of the outer bars, x2 area of the middle bar (cm^2).

    Source: Nowacki 1974; Ray & Liew 2003.
    """
    x1, x2 = np.maximum(x, 1e-5)  # no stress is finite without bars
    f = 100 * (2 * sqrt(2) * x1 + x2)
    q = sqrt(2) * x1**2 + 2 * x1 * x2
    g1 = 2 * (sqrt(2) * x1 + x2) / q - 2
    g2 = 2 * x2 / q - 2
    g3 = 2 / (x1 + sqrt(2) * x2) - 2
    return f, np.array([g1, g2, g3])


STEPS: dict[str, Dimension] = {
    **{f"b{i}": Float(1, 5) for i in range(1, 6)},
    **{f"h{i}": Float(30, 65) for i in range(1, 6)},
}
STEP_LIMITS = (
    *(f"stress {i}" for i in (5, 4, 3, 2, 1)),
    "tip deflection",
    *(f"h/b {i}" for i in (5, 4, 3, 2, 1)),
)


@register(
    STEPS,
    units="cm",
    constraints=STEP_LIMITS,
    x_star=(
        3.057728314148,
        2.813266490366,
        2.523586298622,
        2.204555691552,
        1.749757011946,
        61.15456628271,
        56.2653298071,
        50.47172597223,
        44.09111383087,
        34.99514023878,
    ),
    f_star=63108.7479865,
    source="Thanedar & Vanderplaats 1995",
)
def stepped_cantilever(x: np.ndarray) -> Result:
    """Volume (cm^3) of a cantilever of five steps with a load at its tip.

    Args:
        x: b1..b5 widths, h1..h5 heights (cm); step 1 is the clamped one.

    Source: Thanedar & Vanderplaats 1995, J. Structural Engineering 121.
    """
    b, h = x[:5], x[5:]
    P, L, E = 50000, 100, 2e7  # N, cm, N/cm^2
    arm = np.array([5, 4, 3, 2, 1])
    stress = 6 * P * L * arm / (b * h**2)
    inertia = b * h**3 / 12
    tip = P * L**3 / (3 * E) * np.sum(np.array([61, 37, 19, 7, 1]) / inertia)
    g = [(stress - 14000)[::-1], [tip - 2.7], (h / b - 20)[::-1]]
    return 100 * np.sum(b * h), np.concatenate(g)


@register(
    {
        **STEPS,
        "b1": Int(1, 5),
        "b2": Categorical((2.4, 2.6, 2.8, 3.1), ordered=True),
        "b3": Categorical((2.4, 2.6, 2.8, 3.1), ordered=True),
        "h1": Int(30, 65),
        "h2": Float(45, 60, step=5),
        "h3": Float(45, 60, step=5),
    },
    units="cm",
    constraints=STEP_LIMITS,
    x_star=(
        3,
        3.1,
        2.6,
        2.280887416708,
        1.749757011946,
        60,
        55,
        50,
        45.61774833397,
        34.99514023878,
    ),
    f_star=64578.1940169,
    source="Thanedar & Vanderplaats 1995",
    remarks="63893.52, often quoted, belongs to another variant",
)
def stepped_cantilever_mixed(x: np.ndarray) -> Result:
    """Volume (cm^3) of the stepped cantilever with three steps of standard size.

    Args:
        x: as in `stepped_cantilever`; b1 and h1 whole, b2, b3, h2, h3 from lists.

    Source: Thanedar & Vanderplaats 1995, J. Structural Engineering 121.
    """
    return stepped_cantilever(x)


BLOCKS = np.array([61, 37, 19, 7, 1])


@register(
    floats(5, 0.01, 100),
    units="cm",
    constraints=("tip deflection",),
    x_star=(
        6.016015894367,
        5.309173857286,
        4.494329573205,
        3.501474970124,
        2.152665330047,
    ),
    f_star=1.3399563606,
    source="Fleury & Braibant 1986; Chickermane & Gea 1996",
)
def cantilever5(x: np.ndarray) -> Result:
    """Weight of a cantilever of five hollow square blocks.

    Args:
        x: x1..x5 heights of the blocks (cm), from the wall to the tip.

    Source: Fleury & Braibant 1986; Chickermane & Gea 1996.
    """
    return 0.0624 * np.sum(x), np.array([np.sum(BLOCKS / x**3) - 1])


@register(
    {
        "b": Float(10, 50),
        "h": Float(10, 80),
        "tw": Float(0.9, 5),
        "tf": Float(0.9, 5),
    },
    units="cm",
    constraints=("area", "stress"),
    x_star=(50, 80, 0.9, 2.321792260688),
    f_star=0.0130741189052,
    source="Gold & Krishnamurty 1997",
    remarks="with the misprint 2 b tw in the area the best value is 0.0066260",
)
def i_beam(x: np.ndarray) -> Result:
    """Deflection (cm) of a simply supported I-beam of limited area.

    Args:
        x: b flange width, h height, tw web thickness, tf flange thickness (cm).

    Source: Gold & Krishnamurty 1997, ASME Design Engineering Conferences.
    """
    b, h, tw, tf = x
    web = h - 2 * tf
    inertia = tw * web**3 / 12 + b * tf**3 / 6 + 2 * b * tf * ((h - tf) / 2) ** 2
    f = 5000 / inertia
    g1 = 2 * b * tf + tw * web - 300
    g2 = 180000 * h / (tw * web**3 + 2 * b * tf * (4 * tf**2 + 3 * h * web))
    g2 += 15000 * b / (web * tw**3 + 2 * tf * b**3) - 6
    return f, np.array([g1, g2])


@register(
    {"d": Float(2, 14), "t": Float(0.2, 0.8)},
    units="cm",
    constraints=("yield", "buckling"),
    x_star=(5.451156234266, 0.2919654771443),
    f_star=26.4994968915,
    source="Rao 1996",
    remarks="26.48636, often quoted, violates the buckling limit by 0.05 %",
)
def tubular_column(x: np.ndarray) -> Result:
    """Cost of a tubular column under a pressing force.

    Args:
        x: d mean diameter, t wall thickness (cm).

    Source: Rao 1996, "Engineering Optimization".
    """
    d, t = x
    P, sy, E, L = 2500, 500, 0.85e6, 250  # kgf, kgf/cm^2, kgf/cm^2, cm
    f = 9.8 * d * t + 2 * d
    g1 = P / (pi * d * t * sy) - 1
    g2 = 8 * P * L**2 / (pi**3 * E * d * t * (d**2 + t**2)) - 1
    return f, np.array([g1, g2])


@register(
    {
        "w": Float(1, 100),
        "d": Float(1, 100),
        "l": Float(1, 100),
        "t": Float(0, 5),
    },
    units=("cm", "cm", "cm", "cm"),
    constraints=(
        "section modulus",
        "moment of inertia",
        "plate thickness over w",
        "plate thickness over l",
        "smallest thickness",
        "geometry",
    ),
    x_star=(57.69230769, 34.14762035, 57.69230769, 1.05),
    f_star=6.84295801008,
    source="Kvalie et al. 1966; Ravindran et al. 2006",
    remarks="lower bounds are 1, not 0: at w = d = l = 0 the problem degenerates",
)
def corrugated_bulkhead(x: np.ndarray) -> Result:
    """Weight of a corrugated bulkhead of a tanker.

    Args:
        x: w width, d depth, l length of a corrugation, t plate thickness (cm).

    Source: Kvalie et al. 1966; Ravindran et al. 2006, "Engineering Optimization".
    """
    w, d, ell, t = x
    q = w + sqrt(abs(ell**2 - d**2))
    f = 5.885 * t * (w + ell) / q
    g = [
        -t * d * (0.4 * w + ell / 6) + 8.94 * q,
        -t * d**2 * (0.2 * w + ell / 12) + 2.2 * (8.94 * q) ** (4 / 3),
        -t + 0.0156 * w + 0.15,
        -t + 0.0156 * ell + 0.15,
        1.05 - t,
        d - ell,
    ]
    return f, np.array(g)


REBAR = (6, 6.16, 6.32, 6.6, 7, 7.11, 7.2, 7.8, 7.9, 8, 8.4)


@register(
    {
        "As": Categorical(REBAR, ordered=True),
        "h": Int(28, 40),
        "b": Float(5, 10),
    },
    units=("in^2", "in", "in"),
    constraints=("depth over width", "flexural strength"),
    x_star=(6.32, 34, 8.5),
    f_star=359.208,
    source="Amir & Hasegawa 1989",
)
def concrete_beam_mixed(x: np.ndarray) -> Result:
    """Cost of a reinforced concrete beam.

    Args:
        x: As area of steel (in^2) from `REBAR`, h depth (in, whole), b width (in).

    Source: Amir & Hasegawa 1989, J. Structural Engineering 115.
    """
    return reinforced_beam(x, 7.375)


@register(
    {"As": Float(0.2, 15), "h": Float(28, 40), "b": Float(5, 10)},
    units=("in^2", "in", "in"),
    constraints=("depth over width", "flexural strength"),
    x_star=(6.46941757255813, 33.5172358273372, 8.3793089568353),
    f_star=358.711641259,
    source="Amir & Hasegawa 1989",
    remarks="a relaxation: no set of bars has these areas",
)
def concrete_beam_cont(x: np.ndarray) -> Result:
    """Cost of the concrete beam when bars and forms of every size exist.

    Args:
        x: As area of steel (in^2), h depth (in), b width (in).

    Source: Amir & Hasegawa 1989, J. Structural Engineering 115.
    """
    return reinforced_beam(x, 7.375)


def reinforced_beam(x: np.ndarray, k: float) -> Result:
    """Cost and limits of the concrete beam for a constant that sources differ in.

    Args:
        x: as in `concrete_beam_cont`.
        k: of the strength that the steel takes away.
    """
    As, h, b = x
    f = 29.4 * As + 0.6 * b * h
    g1 = h / b - 4
    g2 = 180 + k * As**2 / b - As * h
    return f, np.array([g1, g2])


@register(
    {
        "b": Float(2, 12),
        "tf": Float(0.1, 1),
        "tw": Float(0.1, 2),
        "h": Float(3, 7),
    },
    units="in",
    constraints=("stress", "tip deflection"),
    x_star=(9.48462615514061, 0.1, 0.1, 7),
    f_star=92.769308317,
    source="Blank & Deb 2020 (pymoo, CantileveredBeam)",
)
def i_cantilever(x: np.ndarray) -> Result:
    """Volume (in^3) of a cantilever of I-section with a load at its tip.

    Args:
        x: b flange width, tf flange thickness, tw web thickness, h height (in).

    Source: Blank & Deb 2020, IEEE Access 8 (pymoo, CantileveredBeam).
    """
    b, tf, tw, h = x
    P, L, E = 1000, 36, 1e7  # lb, in, psi
    web = h - 2 * tf
    inertia = tw * web**3 / 12
    inertia += 2 * (b * tf**3 / 12 + b * tf * (h - tf) ** 2 / 4)
    f = L * (2 * tf * b + web * tw)
    g1 = P * L * h / (2 * inertia * 5000) - 1
    g2 = P * L**3 / (3 * E * inertia * 0.1) - 1
    return f, np.array([g1, g2])
