"""An organic Rankine cycle on hot water, with the fluids of CoolProp."""

from functools import cache
from typing import Any

import numpy as np

from pfnbo.dimensions import Categorical, Float
from pfnbo.problems.problem import Result, register

FLUIDS = ("R245fa", "R134a", "n-Pentane", "R1233zd(E)", "Isobutane")
SOURCE, CAPACITY = 393.15, 10 * 4220.0  # K and W/K of the hot water
PUMP, TURBINE = 0.7, 0.8  # isentropic efficiencies
POINTS = (3, 7, 15, 41)  # of the pinch, by fidelity
LIMITS = ("pinch", "wetness", "critical pressure", "return temperature", "vacuum")


@cache
def _fluid(name: str) -> Any:
    from CoolProp.CoolProp import AbstractState

    return AbstractState("HEOS", name)


def cycle(fluid: Any, x: np.ndarray, points: int) -> tuple[float, np.ndarray]:
    """Return the net power (W) and what is limited.

    Args:
        fluid: CoolProp's state of a fluid.
        x: evaporation temperature (K), superheat (K), condensation temperature (K),
            flow (kg/s) and effectiveness of the regenerator.
        points: along the evaporator where the temperatures are compared.

    Returns:
        Power, and pinch (K), quality after the turbine, share of the critical pressure,
        temperature of the water that returns (K) and pressure of the condenser (Pa).

    Raises:
        ValueError: where the fluid has no such state.
    """
    import CoolProp

    def at(kind: str, *values: float) -> Any:
        fluid.update(getattr(CoolProp, f"{kind}_INPUTS"), *values)
        return fluid

    hot, superheat, cold, flow, effectiveness = map(float, x)
    evaporator = at("QT", 1.0, hot).p()
    h1, s1, condenser = (at("QT", 0.0, cold).hmass(), fluid.smass(), fluid.p())
    pumped = (at("PSmass", evaporator, s1).hmass() - h1) / PUMP
    h2 = h1 + pumped
    if superheat > 0.1:
        at("PT", evaporator, hot + superheat)
    else:
        at("PQ", evaporator, 1.0)
    h3, s3 = fluid.hmass(), fluid.smass()
    h4 = h3 - TURBINE * (h3 - at("PSmass", condenser, s3).hmass())
    t4 = at("HmassP", h4, condenser).T()
    t2 = at("HmassP", h2, evaporator).T()
    vapour = at("PQ", condenser, 1.0).hmass()
    if t4 > t2 + 1:  # what leaves the turbine can warm what leaves the pump
        coldest = at("PT", condenser, max(t2, cold + 0.5)).hmass()
        h2 += effectiveness * max(0.0, min(h4 - coldest, h4 - vapour))
    along = np.linspace(h2, h3, points)
    water = SOURCE - (h3 - along) * flow / CAPACITY
    warmed = np.array([at("HmassP", h, evaporator).T() for h in along])
    limited = [
        np.min(water - warmed),
        (h4 - h1) / (vapour - h1),
        evaporator / fluid.p_critical(),
        water[0],
        condenser,
    ]
    return flow * (h3 - h4 - pumped), np.array(limited)


@register(
    {
        "fluid": Categorical(FLUIDS),
        "evaporation": Float(333.15, 385.15),
        "superheat": Float(0, 25),
        "condensation": Float(293.15, 313.15),
        "flow": Float(2, 40),
        "regenerator": Float(0, 0.8),
    },
    units=("-", "K", "K", "K", "kg/s", "-"),
    constraints=LIMITS,
    x_star=(
        1,
        352.1500006686,
        11.98221701122,
        293.15,
        12.06430113612,
        0.7605004052511,
    ),
    f_star=-280.3017576714,
    tolerance=1e-6,
    source="own design, with the properties of CoolProp (Bell et al. 2014)",
    remarks="the best of a search, which may be beaten; a fluid that evaporates above "
    "its critical temperature has no value: NaN; fidelities are 3, 7, 15 and 41 points "
    "of the pinch, and few may be too hopeful",
    costs=(0.35, 0.45, 0.6, 1.0),
    needs="CoolProp",
)
def rankine_cycle(x: np.ndarray, level: int = 3) -> Result:
    """Minus the net power (kW) of an organic Rankine cycle on 10 kg/s of hot water.

    The water of 120 deg C must return above 60 deg C and stay 5 K hotter than the
    fluid; the turbine is dry to 0.95, the evaporator below 0.9 of the critical pressure
    and the condenser above 0.9 bar.

    Args:
        x: number of the fluid, evaporation temperature, superheat and condensation
            temperature (K), flow (kg/s), effectiveness of the regenerator.
        level: 0 to 3.

    Source: Bell et al. 2014, Ind. Eng. Chem. Res. 53 (CoolProp).
    """
    try:
        power, limited = cycle(_fluid(FLUIDS[int(x[0])]), x[1:], POINTS[level])
    except ValueError:  # CoolProp's word for a state that does not exist
        return np.nan, np.full(len(LIMITS), np.nan)
    pinch, quality, share, returned, pressure = limited
    g = [
        (5 - pinch) / 10,
        0.95 - quality,
        share - 0.9,
        (333.15 - returned) / 10,
        0.9e5 / pressure - 1,
    ]
    return -power / 1000, np.array(g)
