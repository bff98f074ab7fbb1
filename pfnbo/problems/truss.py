"""The ten-bar truss by finite elements: static limits and natural frequencies."""

from math import pi

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import Result, register

# In bays: nodes 1 to 4 are free, 5 and 6 are pinned to the wall.
NODES = np.array([[2, 1], [2, 0], [1, 1], [1, 0], [0, 1], [0, 0]])
BARS = np.array(
    [[5, 3], [3, 1], [6, 4], [4, 2], [3, 4], [1, 2], [5, 4], [6, 3], [3, 2], [4, 1]]
)
FREE = 4


def ten_bar_geometry(bay: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the length of each bar and the directions that stretch it.

    Args:
        bay: width and height of a bay.

    Returns:
        Lengths `(10,)` in the unit of `bay`; matrix `(8, 10)` whose column k, times
        the displacements x, y of nodes 1 to 4, is the elongation of bar k.
    """
    span = NODES[BARS[:, 1] - 1] - NODES[BARS[:, 0] - 1]
    length = np.linalg.norm(span, axis=1)
    direction = span / length[:, None]
    stretch = np.zeros((len(NODES), 2, len(BARS)))
    for k, (a, b) in enumerate(BARS - 1):
        stretch[a, :, k] -= direction[k]
        stretch[b, :, k] += direction[k]
    return bay * length, stretch[:FREE].reshape(2 * FREE, -1)


def conjugate_gradients(matrix: np.ndarray, load: np.ndarray, steps: int) -> np.ndarray:
    """Return the displacements `(8,)` after some steps from 0, scaled by the diagonal.

    Source: Hestenes & Stiefel 1952.
    """
    scale = 1 / np.sqrt(np.diag(matrix))
    matrix = scale[:, None] * matrix * scale
    u, rest = np.zeros_like(load), scale * load
    move = rest
    for _ in range(steps):
        pushed = matrix @ move
        far = rest @ rest / (move @ pushed)
        u, left = u + far * move, rest - far * pushed
        move, rest = left + (left @ left) / (rest @ rest) * move, left
    return scale * u


def ten_bar_statics(
    area: np.ndarray, steps: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return stresses and displacements under 1e5 lb at nodes 2 and 4, downwards.

    Args:
        area: cross-sections `(10,)` (in^2).
        steps: of conjugate gradients; None solves the equations.

    Returns:
        Stress of each bar `(10,)` (psi, pulled positive) and the displacements x, y
        of nodes 1 to 4 `(8,)` (in).
    """
    stiffness = STRETCH * (area * E_STATIC / LENGTH) @ STRETCH.T
    if steps is None:
        u = np.linalg.solve(stiffness, LOAD)
    else:
        u = conjugate_gradients(stiffness, LOAD, steps)
    return E_STATIC / LENGTH * (STRETCH.T @ u), u


LENGTH, STRETCH = ten_bar_geometry(360.0)
E_STATIC = 1e7
LOAD = np.array([0, 0, 0, -1e5, 0, 0, 0, -1e5])
STEPS = (3, 4, 5, None)  # of the solver, by fidelity


@register(
    {f"A{k}": Float(0.1, 35) for k in range(1, 11)},
    units="in^2",
    constraints=(
        *(f"stress {k}" for k in range(1, 11)),
        *(f"displacement {axis}{n}" for n in range(1, 5) for axis in "xy"),
    ),
    x_star=(
        30.52180782252,
        0.1,
        23.19988923051,
        15.22290612047,
        0.1,
        0.5513538545006,
        7.457200340332,
        21.03642851216,
        21.52844125133,
        0.1,
    ),
    f_star=5060.85366034,
    source="Haftka & Gurdal 1992",
    remarks="fidelities are 3, 4 and 5 steps of conjugate gradients, and the solution",
    costs=(0.375, 0.5, 0.625, 1.0),
)
def truss10_static(x: np.ndarray, level: int = 3) -> Result:
    """Weight (lb) of the ten-bar truss under limits of stress and displacement.

    Stress at most 25000 psi, displacement at most 2 in.

    Args:
        x: A1..A10 cross-sections (in^2).
        level: 0 to 3.

    Source: Haftka & Gurdal 1992, "Elements of Structural Optimization".
    """
    stress, u = ten_bar_statics(x, STEPS[level])
    g = [np.abs(stress) / 25000 - 1, np.abs(u) / 2 - 1]
    return float(0.1 * LENGTH @ x), np.concatenate(g)


def ten_bar_frequencies(area: np.ndarray, *, lumped: bool = False) -> np.ndarray:
    """Return the natural frequencies with 454 kg on each free node.

    Args:
        area: cross-sections `(10,)` (m^2).
        lumped: whether the mass of a bar sits at its ends, instead of along it.

    Returns:
        Eight frequencies (Hz), ascending.
    """
    from scipy.linalg import eigh  # slow to import

    length = LENGTH * (9.144 / 360)
    stiffness = STRETCH * (area * 6.98e10 / length) @ STRETCH.T
    ends = np.zeros((len(NODES), len(BARS)))
    for k, bar in enumerate(BARS - 1):
        ends[bar, k] = 1
    sixth = 2770 * length * area / 6
    # Consistent mass of a bar: a third at each end, a sixth between the ends.
    between = np.zeros((len(NODES),) * 2) if lumped else ends * sixth @ ends.T
    nodal = between + np.diag(ends @ sixth) * (3 if lumped else 1)
    mass = np.kron(nodal[:FREE, :FREE], np.eye(2)) + 454 * np.eye(2 * FREE)
    return np.sqrt(eigh(stiffness, mass, eigvals_only=True)) / (2 * pi)


@register(
    {f"A{k}": Float(0.645e-4, 50e-4) for k in range(1, 11)},
    units="m^2",
    constraints=("frequency 1", "frequency 2", "frequency 3"),
    x_star=(
        0.00351373294,
        0.001472347505,
        0.003513405398,
        0.00147236935,
        6.45e-05,
        0.0004557896456,
        0.00236927385,
        0.002369296564,
        0.001241718566,
        0.001241746823,
    ),
    f_star=524.450818,
    source="Grandhi & Venkayya 1988; Kumar et al. 2020 (CEC2020 RC27)",
    remarks="524.4507607, often quoted, violates the limits by about 1e-7; the lower "
    "fidelity has the mass of each bar at its ends, and a nominal cost",
    costs=(0.5, 1.0),
)
def truss10_freq(x: np.ndarray, level: int = 1) -> Result:
    """Mass (kg) of the ten-bar truss under limits of its natural frequencies.

    At least 7, 15 and 20 Hz for the first three.

    Args:
        x: A1..A10 cross-sections (m^2).
        level: 0 or 1.

    Source: Grandhi & Venkayya 1988; Kumar et al. 2020 (CEC2020 RC27).
    """
    frequency = ten_bar_frequencies(x, lumped=level == 0)
    g = np.array([7, 15, 20]) / frequency[:3] - 1
    return float(2770 * (9.144 / 360) * LENGTH @ x), g
