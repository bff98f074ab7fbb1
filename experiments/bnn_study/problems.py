"""The problems of the study that pfnbo does not have; each is to be minimised.

Source: Li et al. 2024, arXiv 2305.20028, whose problems these are or are like.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import Categorical, Float, Space
from pfnbo.problems import get


@dataclass(frozen=True, eq=False)
class Function:
    """A space and a function of its points, as arrays in the order of the space."""

    space: Space
    fn: Callable[[np.ndarray], float]

    def __call__(self, point: Mapping[str, float]) -> float:
        """Return the value at a point."""
        return float(self.fn(np.array([point[name] for name in self.space])))


def _cube(d: int, low: float = 0.0, high: float = 1.0) -> Space:
    return Space({f"x{i}": Float(low, high) for i in range(d)})


GRID, SECONDS, STEP = 32, 20.0, 4e-3


@jax.jit
def _spread(x: jax.Array, rough: jax.Array) -> jax.Array:
    """Return the weighted variance of both fields at the end."""
    a, b, d_u, d_v = x

    def laplacian(f):
        f = jnp.pad(f, 1, mode="edge")  # nothing leaves
        around = f[2:, 1:-1] + f[:-2, 1:-1] + f[1:-1, 2:] + f[1:-1, :-2]
        return around - 4 * f[1:-1, 1:-1]

    def step(_, fields):
        u, v = fields
        reaction = u**2 * v
        du = d_u * laplacian(u) + a - (b + 1) * u + reaction
        dv = d_v * laplacian(v) + b * u - reaction
        return u + STEP * du, v + STEP * dv

    start = jnp.full((GRID, GRID), a), b / a + 0.1 * rough
    fields = jax.lax.fori_loop(0, round(SECONDS / STEP), step, start)
    edge = np.pad(np.full((GRID - 4, GRID - 4), 0.1), 2, constant_values=1.0)
    return jnp.var(jnp.stack(fields) * edge)


def brusselator() -> Function:
    """Spread of a chemical oscillator in a dish after 20 s, 32 x 32 cells.

    The study has 64 x 64. Four numbers: both supplies and both diffusivities.
    """
    low, high = (0.1, 0.1, 0.01, 0.01), (5.0,) * 4
    names = ("a", "b", "d_u", "d_v")
    space = Space({n: Float(*ab) for n, *ab in zip(names, low, high, strict=True)})
    rough = np.random.default_rng(0).normal(size=(GRID, GRID)).astype(np.float32)

    def spread(x: np.ndarray) -> float:
        value = float(_spread(x.astype(np.float32), rough))
        return min(value, 1e3) if np.isfinite(value) else 1e3

    return Function(space, spread)


STAGES, FIELDS, INFESTED = 25, 100, 0.1
PRICE = np.array([0, 1.0, 0.8, 0.7, 0.5])
DISCOUNT = np.array([0, 0.2, 0.3, 0.3, 0.0])
RESISTANCE = np.array([0, 1.0, 2.5, 2.0, 0.5]) / 7
WEAKNESS = np.array([1, 2.0, 3.0, 3.0, 5.0]) / 7  # second number of a beta distribution


def pest_control() -> Function:
    """Cost of pesticides, one of four or none at each of 25 stages, and of the pest.

    Oh et al. 2019, arXiv 1902.00448; the same draws of chance serve every plan.
    """
    random = np.random.default_rng(1)
    first = random.beta(1, 30, FIELDS)
    spread = random.beta(1, 17 / 3, (STAGES, FIELDS))
    chance = random.random((STAGES, FIELDS))
    space = Space({f"stage{i + 1}": Categorical(range(5)) for i in range(STAGES)})

    def cost(plan: np.ndarray) -> float:
        plan, pest, weakness, total = plan.astype(int), first, WEAKNESS.copy(), 0.0
        used = np.bincount(plan, minlength=5) / STAGES
        for stage, kind in enumerate(plan):
            total += np.mean(pest > INFESTED)
            if kind:
                pest = pest * chance[stage] ** (1 / weakness[kind])  # what survives
                weakness[kind] += RESISTANCE[kind] / STAGES
                total += PRICE[kind] * (1 - DISCOUNT[kind] * used[kind])
            else:
                pest = pest + spread[stage] * (1 - pest)
        return total

    return Function(space, cost)


# Responses to (1, v) and to products of pairs, in the order of the triangle.
# Wang et al. 2020, ACS Applied Materials & Interfaces.
ANGLE = (
    (-197.0928, -78.3309, 98.6355, 300.0701, 89.8360, 208.2343, 332.9341, 135.6621),
    (-16.7536, -11.0715, 201.8934, 17.1270, 2.5198, -109.3922, 30.1607),
    (-45.6507, -46.1790, 19.2888, -102.9493, -19.1245, 53.6297),
    (-91.4134, -73.0649, -37.7181, -219.1268, -55.3704),
    (0.0, 3.8778, -6.9252, -105.1650),
    (-76.8701, -34.3181, -36.3892),
    (0.0, -82.3222),
    (0.0,),
)
CAPACITY = (
    (
        *(-212.8531, 245.7998, -127.3395, 305.8461),
        *(638.1605, 301.2118, -451.3796, -115.5485),
    ),
    (0.0, 42.8351, 262.3775, -103.5274, -196.1568, -394.7975, -176.3341),
    (0.0, 74.8291, 4.1557, -133.8683, 65.8711, -42.6911),
    (0.0, -323.9363, -107.3983, -323.2353, 46.9172),
    (-286.0182, -144.4199, 272.3729, 49.0799),
    (0.0, 318.4706, -236.2498),
    (393.5992, 252.4848),
    (0.0,),
)
STRENGTH = (
    (7.7696, 15.4344, -10.6190, -17.9367, 17.1385, 2.5026, -24.3010, 10.6058),
    (-18.7356, -1.2041, -37.2207, -3.2265, 7.3121, 52.3994, 9.7485),
    (12.1928, -15.9371, -1.1706, -2.6297, 7.0225, -1.4938),
    (0.0, 30.2786, 14.5061, 48.5021, -11.4857),
    (-17.5460, -3.1381, -14.9747, 4.5204),
    (5.4997, -17.6907, -19.2489),
    (-26.2718, -9.8219),
    (0.0,),
)
LEVELS = {
    "V2": (0.7, 1.0, 1.4, 1.7, 2.0),
    "V3": (12.0, 15.0, 18.0, 21.0, 24.0),
    "V4": (0.12, 0.135, 0.15, 0.165, 0.18),
    "V6": (16.0, 20.0, 26.0, 28.0),
    "V7": (0.41, 0.6, 0.84, 1.32),
}


def oil_sorbent() -> Function:
    """Three responses of an electrospun oil sorbent, added up in deviations.

    Contact angle, capacity and strength are to be large. The study keeps them apart.
    """
    space = Space(
        {
            f"V{i}": Categorical(LEVELS[f"V{i}"], ordered=True)
            if f"V{i}" in LEVELS
            else Float(0.0, 1.0)
            for i in range(1, 8)
        }
    )
    top = np.array([LEVELS.get(name, (1.0,))[-1] for name in space])
    forms = np.zeros((3, 8, 8))
    for form, rows in zip(forms, (ANGLE, CAPACITY, STRENGTH), strict=True):
        form[np.triu_indices(8)] = np.concatenate(rows)

    def responses(v: np.ndarray) -> np.ndarray:
        v = np.append(1.0, v / top)
        return v @ forms @ v

    random = np.random.default_rng(0).random((2000, 7))
    dimensions = [space[name] for name in space]
    points = [[d.at(u) for d, u in zip(dimensions, r, strict=True)] for r in random]
    each = np.array([responses(np.array(point)) for point in points])
    mean, sd = each.mean(0), each.std(0)
    return Function(space, lambda v: -float(np.sum((responses(v) - mean) / sd)))


def polynomial(d: int) -> Function:
    """Sum of products of four columns each, in `d` columns, a multiple of four."""
    centre = np.random.default_rng(0).normal(size=d)
    return Function(
        _cube(d), lambda x: float((x - centre).reshape(4, -1).prod(0).sum())
    )


def network(d: int) -> Function:
    """A draw of a network with two layers of 256 tanh units and unit normal weights."""
    random = np.random.default_rng(0)
    sizes = [d, 256, 256, 1]
    layers = [
        (random.normal(size=(a, b)), random.normal(size=b))
        for a, b in zip(sizes[:-1], sizes[1:], strict=True)
    ]

    def value(x: np.ndarray) -> float:
        *hidden, (w, b) = layers
        for inner, outer in hidden:
            x = np.tanh(x @ inner + outer)
        return float((x @ w + b)[0])

    return Function(_cube(d), value)


PROBLEMS: dict[str, Callable] = {
    "branin": lambda: get("branin"),
    "hartmann6": lambda: get("hartmann6"),
    "ackley10": lambda: get("ackley10"),
    "brusselator": brusselator,
    "oil sorbent": oil_sorbent,
    "pest control": pest_control,
    "polynomial, 60": lambda: polynomial(60),
    "network, 200": lambda: network(200),
}


@cache
def problem(name: str):
    """Return a problem of the study by name."""
    return PROBLEMS[name]()
