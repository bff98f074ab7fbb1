"""Problems whose objective is a risk over what nature does to a design.

`problem(x)` is the risk itself, computed exactly over finitely many outcomes; an
optimiser that meets one outcome at a time evaluates `problem.nature.fn(x, w)`.
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from pfnbo.dimensions import Float
from pfnbo.problems.problem import REGISTRY, Formula, Nature, Result, register
from pfnbo.problems.synthetic import NONE, branin, six_hump_camel


def risk(values: np.ndarray, nature: Nature) -> float:
    """Return the risk that nature names of the values of its outcomes `(k,)`."""
    if nature.risk == "mean":
        return float(nature.weights @ values)
    if nature.risk == "worst":
        return float(np.max(values))
    order = np.argsort(values)
    values, weights = values[order], nature.weights[order]
    above = np.cumsum(weights) >= nature.level - 1e-12
    var = float(values[np.argmax(above)])
    if nature.risk == "var":
        return var
    # Rockafellar & Uryasev 2000: VaR + E[max(f - VaR, 0)]/(1 - level).
    return var + float(weights @ np.maximum(values - var, 0)) / (1 - nature.level)


def over(nature: Nature, x: np.ndarray) -> Result:
    """Return the risk of a design."""
    return risk(np.array([nature.fn(x, w) for w in nature.outcomes]), nature), NONE


def _polynomial(x: np.ndarray, w: np.ndarray) -> float:
    x, y = x + w
    f = 2 * x**6 - 12.2 * x**5 + 21.2 * x**4 + 6.2 * x - 6.4 * x**3 - 4.7 * x**2
    f += y**6 - 11 * y**5 + 43.3 * y**4 - 10 * y - 74.8 * y**3 + 56.9 * y**2
    return f - 4.1 * x * y - 0.1 * x**2 * y**2 + 0.4 * x * y**2 + 0.4 * x**2 * y


def _disk(radius: float, rings: int, spokes: int) -> np.ndarray:
    """Points of a disk: the centre, and rings up to its edge `(k, 2)`."""
    angle = 2 * np.pi * np.arange(spokes) / spokes
    edge = np.column_stack([np.cos(angle), np.sin(angle)])
    sizes = radius * np.arange(1, rings + 1) / rings
    return np.concatenate([np.zeros((1, 2)), *(size * edge for size in sizes)])


DISK = _disk(0.5, 4, 64)
POLYNOMIAL = Nature(_polynomial, DISK, np.full(len(DISK), 1 / len(DISK)), "worst")


@register(
    {"x1": Float(-0.95, 3.2), "x2": Float(-0.45, 4.4)},
    x_star=(
        -0.181550501888338,
        0.291548185493056,
    ),
    f_star=4.27797876402,
    source="Bertsimas et al. 2010",
    remarks="worst case over 257 points of the disk; the nominal minimum, -20.83 at "
    "(2.82, 4.01), is a bad robust design",
    nature=POLYNOMIAL,
)
def bertsimas_worst(x: np.ndarray) -> Result:
    """Worst value of a polynomial when the design moves by up to 0.5.

    Args:
        x: x1 in -0.95..3.2, x2 in -0.45..4.4.

    Source: Bertsimas, Nohadani & Teo 2010, INFORMS J. on Computing 22.
    """
    return over(POLYNOMIAL, x)


def _williams(x: np.ndarray, w: np.ndarray) -> float:
    (x1, x4), (x2, x3) = x, w
    first = branin(np.array([15 * x1 - 5, 15 * x2]))[0]
    return first * branin(np.array([15 * x3 - 5, 15 * x4]))[0]


WILLIAMS_W = np.array([(a, b) for a in (0.25, 0.5, 0.75) for b in (0.2, 0.4, 0.6, 0.8)])
WILLIAMS_P = np.outer((1, 2, 1), (0.0375, 0.0875, 0.0875, 0.0375)).ravel()
MEAN, VAR, CVAR = (
    Nature(_williams, WILLIAMS_W, WILLIAMS_P, name, 0.7)
    for name in ("mean", "var", "cvar")
)


def _register_williams(
    name: str, nature: Nature, f_star: float, *x_star: float
) -> Callable[[Formula], Formula]:
    return register(
        {"x1": Float(0, 1), "x4": Float(0, 1)},
        name=name,
        x_star=x_star,
        f_star=f_star,
        source="Williams et al. 2000; Cakmak et al. 2020",
        remarks="twelve outcomes of x2 and x3",
        nature=nature,
    )


@_register_williams(
    "branin_williams_mean", MEAN, 323.011738501, 0.202633893890, 0.254452741562
)
def branin_williams_mean(x: np.ndarray) -> Result:
    """Mean of a product of Branin functions over two variables of nature.

    Args:
        x: x1, x4 in 0..1.

    Source: Williams, Santner & Notz 2000, Statistica Sinica 10.
    """
    return over(MEAN, x)


@_register_williams(
    "branin_williams_var", VAR, 207.016739702, 0.202633894385, 0.170476759350
)
def branin_williams_var(x: np.ndarray) -> Result:
    """Value at risk (0.7) of the product of Branin functions.

    Args:
        x: x1, x4 in 0..1.

    Source: Cakmak et al. 2020, NeurIPS, arXiv 2007.05554.
    """
    return over(VAR, x)


@_register_williams(
    "branin_williams_cvar", CVAR, 637.987777923, 0.227288511207, 0.293758935395
)
def branin_williams_cvar(x: np.ndarray) -> Result:
    """Conditional value at risk (0.7) of the product of Branin functions.

    Args:
        x: x1, x4 in 0..1.

    Source: Cakmak et al. 2020, NeurIPS, arXiv 2007.05554.
    """
    return over(CVAR, x)


CAMEL_BACK = REGISTRY["six_hump_camel"]


def _moved_camel(x: np.ndarray, w: np.ndarray) -> float:
    return six_hump_camel(np.clip(x + w, *CAMEL_BACK.bounds.T))[0]


# Middles of eight equally likely parts of a standard normal variable.
NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 8) for i in range(8)])
CAMEL_W = np.array([(0.3 * a, 0.2 * b) for a in NORMAL for b in NORMAL])
CAMEL = Nature(_moved_camel, CAMEL_W, np.full(64, 1 / 64), "var", 0.8)


@register(
    CAMEL_BACK.space.dimensions,
    x_star=(0.12943780102319163, -0.6243023438978843),
    f_star=-0.240250440542812,
    source="Cakmak et al. 2020 (tutorial of BoTorch)",
    remarks="64 outcomes of a normal error of 5 % of the range, within the box; two "
    "global optima, each the negative of the other",
    nature=CAMEL,
)
def six_hump_camel_var(x: np.ndarray) -> Result:
    """Value at risk (0.8) of the six-hump camel's back where the design is missed.

    Args:
        x: x1 in -3..3, x2 in -2..2; the errors are about 0.3 and 0.2.

    Source: Cakmak et al. 2020, NeurIPS, arXiv 2007.05554.
    """
    return over(CAMEL, x)


def _branin_of(x: np.ndarray, w: np.ndarray) -> float:
    return branin(np.concatenate([x, w]))[0]


BRANIN_W = (np.arange(16)[:, None] + 0.5) * 15 / 16
BRANIN = Nature(_branin_of, BRANIN_W, np.full(16, 1 / 16), "cvar", 0.7)


@register(
    {"x1": Float(-5, 10)},
    x_star=(-1.37750628790615,),
    f_star=55.27707451388525,
    source="Cakmak et al. 2020 (tutorial of BoTorch)",
    remarks="sixteen outcomes of x2, the middles of equal parts of 0..15",
    nature=BRANIN,
)
def branin_cvar(x: np.ndarray) -> Result:
    """Conditional value at risk (0.7) of Branin's function where nature chooses x2.

    Args:
        x: x1 in -5..10.

    Source: Cakmak et al. 2020, NeurIPS, arXiv 2007.05554.
    """
    return over(BRANIN, x)
