"""A portal frame by finite elements, and an isolator under a shock."""

from math import pi, sin, sqrt

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import Result, register

E, DENSITY, YIELD = 200e9, 7850.0, 235e6  # Pa, kg/m^3, Pa of steel
HEIGHT, SPAN = 4.0, 6.0  # m
PUSH, LOAD = 40e3, 30e3  # N at the left corner, N/m on the beam
CARRIED = LOAD / 9.81  # kg/m that moves with the beam
ELEMENTS = (1, 2, 4, 8)  # of each member, by fidelity


def i_section(depth: float, plate: float) -> tuple[float, float]:
    """Return area and second moment of an I-section half as wide as deep.

    Args:
        depth: over all (m).
        plate: thickness of web and flanges (m).
    """
    width, web = depth / 2, depth - 2 * plate
    area = 2 * width * plate + web * plate
    return area, (width * depth**3 - (width - plate) * web**3) / 12


def beam_element(length: float, area: float, inertia: float, mass: float) -> tuple:
    """Return stiffness and consistent mass of a plane beam element `(6, 6)`.

    Its displacements are u, v and the rotation at each end, u along the element.

    Args:
        length: m.
        area: m^2.
        inertia: second moment (m^4).
        mass: kg/m.
    """
    a, b, n = E * area / length, E * inertia / length**3, length
    stiff = np.zeros((6, 6))
    stiff[np.ix_([0, 3], [0, 3])] = a * np.array([[1, -1], [-1, 1]])
    bend = [1, 2, 4, 5]
    stiff[np.ix_(bend, bend)] = b * np.array(
        [
            [12, 6 * n, -12, 6 * n],
            [6 * n, 4 * n**2, -6 * n, 2 * n**2],
            [-12, -6 * n, 12, -6 * n],
            [6 * n, 2 * n**2, -6 * n, 4 * n**2],
        ]
    )
    moving = np.zeros((6, 6))
    moving[np.ix_([0, 3], [0, 3])] = mass * n / 6 * np.array([[2, 1], [1, 2]])
    moving[np.ix_(bend, bend)] = (mass * n / 420) * np.array(
        [
            [156, 22 * n, 54, -13 * n],
            [22 * n, 4 * n**2, 13 * n, -3 * n**2],
            [54, 13 * n, 156, -22 * n],
            [-13 * n, -3 * n**2, -22 * n, 4 * n**2],
        ]
    )
    return stiff, moving


def portal(column: tuple, beam: tuple, elements: int) -> tuple:
    """Solve the frame under its loads, and for its lowest frequency.

    Args:
        column: area (m^2), second moment (m^4) and mass (kg/m) of both columns.
        beam: the same of the beam.
        elements: of each member.

    Returns:
        Axial force and bending moment (N, N m) at both ends of each element
        `(3 elements, 2)`, members in the order left, beam, right; the sway of the left
        corner (m); the lowest natural frequency (Hz).
    """
    from scipy.linalg import eigh  # slow to import

    corners = np.array([[0, 0], [0, HEIGHT], [SPAN, HEIGHT], [SPAN, 0]])
    count = 3 * elements + 1
    stiff, mass = np.zeros((3 * count, 3 * count)), np.zeros((3 * count, 3 * count))
    force, parts = np.zeros(3 * count), []
    for k in range(3 * elements):
        member = k // elements
        step = (corners[member + 1] - corners[member]) / elements
        n = float(np.hypot(*step))
        c, s = step / n
        turn = np.kron(np.eye(2), [[c, s, 0], [-s, c, 0], [0, 0, 1]])
        own, moving = beam_element(n, *(beam if member == 1 else column))
        # Fixed-end forces of the load on the beam, which has the axes of the frame.
        load = -LOAD * np.array([0, n / 2, n**2 / 12, 0, n / 2, -(n**2) / 12])
        load = load * (member == 1)
        at = slice(3 * k, 3 * k + 6)
        stiff[at, at] += turn.T @ own @ turn
        mass[at, at] += turn.T @ moving @ turn
        force[at] += load
        parts.append((own @ turn, load, at))
    force[3 * elements] += PUSH
    free = slice(3, -3)  # both feet are clamped
    u = np.zeros(3 * count)
    u[free] = np.linalg.solve(stiff[free, free], force[free])
    ends = np.array([row @ u[at] - load for row, load, at in parts])
    square = eigh(stiff[free, free], mass[free, free], eigvals_only=True)[0]
    return ends[:, [0, 3]], ends[:, [2, 5]], u[3 * elements], sqrt(square) / (2 * pi)


@register(
    {
        "hc": Float(0.15, 0.6),
        "tc": Float(0.004, 0.03),
        "hb": Float(0.15, 0.6),
        "tb": Float(0.004, 0.03),
    },
    units="m",
    constraints=(
        *("column stress", "beam stress", "sway", "frequency"),
        *("column slenderness", "beam slenderness"),
    ),
    x_star=(
        0.350576647894095,
        0.00876441619735241,
        0.30941710381039,
        0.00773542759525981,
    ),
    f_star=596.099136379,
    tolerance=1e-9,
    source="own design, with the formulas of Przemieniecki 1968",
    remarks="fidelities are 1, 2, 4 and 8 elements of each member; with one, the "
    "moment in the middle of the beam is not seen",
    costs=(0.3, 0.4, 0.6, 1.0),
)
def portal_frame(x: np.ndarray, level: int = 3) -> Result:
    """Mass (kg) of a portal frame of steel that is loaded and pushed.

    Args:
        x: hc, hb depth of columns and beam, tc, tb thickness of their plates (m).
        level: 0 to 3.

    Source: Przemieniecki 1968, "Theory of matrix structural analysis".
    """
    hc, tc, hb, tb = map(float, x)
    (Ac, Ic), (Ab, Ib) = i_section(hc, tc), i_section(hb, tb)
    column, beam = (Ac, Ic, DENSITY * Ac), (Ab, Ib, DENSITY * Ab + CARRIED)
    axial, moment, sway, frequency = portal(column, beam, ELEMENTS[level])
    axial = np.abs(axial).reshape(3, -1)
    moment = np.abs(moment).reshape(3, -1)
    legs = axial[[0, 2]] / Ac + moment[[0, 2]] * hc / (2 * Ic)
    middle = axial[1] / Ab + moment[1] * hb / (2 * Ib)
    g = [
        legs.max() / YIELD - 1,
        middle.max() / YIELD - 1,
        400 * abs(sway) / HEIGHT - 1,
        2.5 / frequency - 1,
        hc / (40 * tc) - 1,
        hb / (40 * tb) - 1,
    ]
    return DENSITY * (2 * HEIGHT * Ac + SPAN * Ab), np.array(g)


GRAVITY = 9.81
PULSE, LASTING = 15 * GRAVITY, 0.011  # m/s^2 and s of the half-sine shock
END = 0.5  # s
STEPS = (125, 250, 500, 2000)  # by fidelity


def ride(stiff: float, damping: float, hardening: float, steps: int) -> np.ndarray:
    """Return time, deflection, velocity and acceleration felt `(steps + 1, 4)`.

    The unit mass is at rest until its base takes a half-sine shock; the fourth order
    method of Runge and Kutta follows it.

    Args:
        stiff: spring constant per mass (1/s^2).
        damping: of the damper per mass (1/s).
        hardening: cubic part of the spring per mass (1/(m^2 s^2)).
        steps: of equal length.
    """

    def felt(z: float, v: float) -> float:
        return -stiff * z - hardening * z**3 - damping * v

    def pull(t: float, z: float, v: float) -> float:
        shock = PULSE * sin(pi * t / LASTING) if t < LASTING else 0.0
        return felt(z, v) - shock

    h, z, v = END / steps, 0.0, 0.0
    path = [(0.0, z, v, 0.0)]
    for t in h * np.arange(steps):
        v1, a1 = v, pull(t, z, v)
        v2, a2 = v + h / 2 * a1, pull(t + h / 2, z + h / 2 * v1, v + h / 2 * a1)
        v3, a3 = v + h / 2 * a2, pull(t + h / 2, z + h / 2 * v2, v + h / 2 * a2)
        v4, a4 = v + h * a3, pull(t + h, z + h * v3, v + h * a3)
        z += h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        v += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        path.append((t + h, z, v, felt(z, v)))
    return np.array(path)


@register(
    {
        "fn": Float(3, 30),
        "zeta": Float(0.02, 0.8),
        "beta": Float(0, 4),
    },
    units=("Hz", "-", "-"),
    constraints=("travel", "rest", "sag"),
    x_star=(
        4.98487916486331,
        0.754911830285217,
        1.43425376920357,
    ),
    f_star=4.42771520843,
    source="own design; the shock is that of Harris & Piersol 2002",
    remarks="fidelities are 4, 2, 1 and 0.25 ms of time step",
    costs=(0.0625, 0.125, 0.25, 1.0),
)
def shock_isolator(x: np.ndarray, level: int = 3) -> Result:
    """Peak acceleration (g) of an instrument on a mount whose base is struck.

    The mount may deflect by 12 mm, must be within 0.5 mm after 0.45 s and sag by at
    most 10 mm under its weight.

    Args:
        x: fn natural frequency (Hz) and zeta damping ratio of small motions, beta
            hardening: share of the force at 10 mm that the spring adds there.
        level: 0 to 3.

    Source: Harris & Piersol 2002, "Shock and vibration handbook".
    """
    fn, zeta, beta = map(float, x)
    w = 2 * pi * fn
    path = ride(w**2, 2 * zeta * w, beta * w**2 / 0.01**2, STEPS[level])
    t, z, _, felt = path.T
    g = [
        np.max(np.abs(z)) / 0.012 - 1,
        np.max(np.abs(z[t >= 0.45])) / 0.0005 - 1,
        GRAVITY / w**2 / 0.01 - 1,
    ]
    return float(np.max(np.abs(felt))) / GRAVITY, np.array(g)
