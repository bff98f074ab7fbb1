"""A cart that balances two poles, one on top of the other, in MuJoCo."""

# No part of the development environment.
# pyright: reportMissingImports=false

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import Result, register

STEPS = (0.02, 0.01, 0.005, 0.002)  # s, by fidelity
HORIZON, LEANING = 4.0, 0.02  # s; rad that count as upright
REACH, PUSH, SETTLING = 0.8, 60.0, 2.5  # m, N, s allowed
FALLEN, HIGHEST = 1.5, 120.0  # rad; most that a second costs
MODEL = """
<mujoco>
  <option timestep="{step}" integrator="implicitfast"/>
  <worldbody>
    <body>
      <joint name="slide" type="slide" axis="1 0 0" damping="0.5"/>
      <geom type="box" size="0.2 0.1 0.05" mass="1"/>
      <body pos="0 0 0.1">
        <joint name="lower" type="hinge" axis="0 1 0" damping="0.01"/>
        <geom type="capsule" fromto="0 0 0 0 0 0.5" size="0.03" mass="0.3"/>
        <body pos="0 0 0.5">
          <joint name="upper" type="hinge" axis="0 1 0" damping="0.01"/>
          <geom type="capsule" fromto="0 0 0 0 0 0.4" size="0.03" mass="0.15"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="slide" forcerange="-80 80"/></actuator>
</mujoco>
"""


@cache
def model(level: int) -> Any:
    """Return MuJoCo's model of the cart with the time step of a fidelity."""
    mujoco: Any = import_module("mujoco")  # its names are made as it loads
    text = MODEL.format(step=STEPS[level])
    model = mujoco.MjModel.from_xml_string(text)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
    return model


def ride(gains: np.ndarray, level: int) -> np.ndarray:
    """Return the path under a linear controller until the horizon or a fall.

    Args:
        gains: `(6,)` on position, lower and relative upper angle, and their velocities.
        level: of fidelity.

    Returns:
        A row for each step: position (m), both angles (rad), force asked for (N).
    """
    mujoco: Any = import_module("mujoco")
    carts = model(level)
    state = mujoco.MjData(carts)
    state.qpos[1:] = 0.06, -0.04
    path = []
    for _ in range(round(HORIZON / STEPS[level])):
        push = -float(gains @ np.concatenate([state.qpos, state.qvel]))
        path.append((*state.qpos, push))
        if np.max(np.abs(state.qpos[1:])) > FALLEN:
            break
        state.ctrl[0] = push
        mujoco.mj_step(carts, state)
    return np.array(path)


@register(
    {
        "k position": Float(0, 80),
        "k lower": Float(0, 500),
        "k upper": Float(0, 1200),
        "k speed": Float(0, 80),
        "k lower speed": Float(0, 250),
        "k upper speed": Float(0, 180),
    },
    units=("N/m", "N/rad", "N/rad", "N s/m", "N s/rad", "N s/rad"),
    constraints=("reach", "push", "settling"),
    x_star=(
        59.7204447372,
        500,
        1107.81959045,
        77.6078563615,
        188.491580408,
        128.773126308,
    ),
    f_star=-2.1284204554327295,
    tolerance=1e-6,
    source="own design, with MuJoCo (Todorov et al. 2012)",
    remarks="the best of a search, which may be beaten; fidelities are steps of 20, "
    "10, 5 and 2 ms; f and the limits jump where a pole falls, and settling moves "
    "in steps of time",
    costs=(0.1, 0.2, 0.4, 1.0),
    needs="mujoco",
)
def cart_poles(x: np.ndarray, level: int = 3) -> Result:
    """Log (base 10) of the cost of balancing two poles, one on the other, for 4 s.

    The cart stays within 0.8 m, the controller asks for at most 60 N, and the poles are
    upright to 0.02 rad after 2.5 s.

    Args:
        x: gains on the position, the lower angle, the angle between the poles, and on
            the velocities of the three.
        level: 0 to 3.

    Source: Todorov et al. 2012, IROS (MuJoCo).
    """
    path, step = ride(np.asarray(x, dtype=float), level), STEPS[level]
    place, lower, upper, push = path.T
    rates = (
        10 * np.minimum(lower**2 + upper**2, 10)
        + np.minimum(place**2, 10)
        + 1e-4 * np.minimum(push**2, 1e5)
    )
    left = HORIZON - step * len(path)  # after a fall, at the highest rate
    cost = step * np.sum(rates) + left * HIGHEST
    leaning = np.flatnonzero(np.maximum(np.abs(lower), np.abs(upper)) > LEANING)
    settled = HORIZON if left > step / 2 else step * leaning[-1]
    g = [
        np.max(np.abs(place)) / REACH - 1,
        np.minimum(np.max(np.abs(push)), 1000) / PUSH - 1,
        settled / SETTLING - 1,
    ]
    return float(np.log10(cost)), np.array(g)
