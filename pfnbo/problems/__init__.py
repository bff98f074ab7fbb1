"""Benchmark problems with verified optima, by name.

Each is in physical units and knows its space, its best design and its source::

    problem = get("speed_reducer")
    f, g = problem(problem.x_star)

The families `ackley`, `rosenbrock`, `levy`, `griewank`, `michalewicz` and
`styblinski_tang` take any number of variables: `ackley(20)` or `get("ackley20")`.
The number of `branin_adjustable0` to `branin_adjustable100`, and of
`hartmann_adjustable` alike, changes how faithful their cheap level is; `xgboost0` to
`xgboost47` are tables of tuning XGBoost.
Sets of problems to compare on have names too: `suite("pfn4sbo")`, all in `SUITES`.
"""

import difflib
import functools
import re
from importlib.util import find_spec

from pfnbo.errors import ProblemError

# Importing a module registers its problems.
from pfnbo.problems import (  # noqa: F401
    drives,
    fidelity,
    fidelity_adjustable,
    fidelity_branin,
    fidelity_engineering,
    functions,
    keane,
    machine,
    pfn4sbo,
    plant,
    process,
    robust,
    simulators,
    structures,
    tables,
    truss,
    vibration,
)
from pfnbo.problems.fidelity_adjustable import branin_adjustable, hartmann_adjustable
from pfnbo.problems.problem import REGISTRY, SIMULATED, Problem
from pfnbo.problems.suites import SUITES
from pfnbo.problems.synthetic import (
    DEFAULTS,
    FAMILIES,
    ackley,
    griewank,
    levy,
    michalewicz,
    rosenbrock,
    styblinski_tang,
)

__all__ = [
    "SUITES",
    "SIMULATED",
    "Problem",
    "ackley",
    "branin_adjustable",
    "constrained",
    "families",
    "get",
    "griewank",
    "hartmann_adjustable",
    "levy",
    "michalewicz",
    "names",
    "simulated",
    "rosenbrock",
    "styblinski_tang",
    "suite",
    "unconstrained",
]


_FAMILIES = {
    **FAMILIES,
    **fidelity_adjustable.FAMILIES,
    "xgboost": functools.cache(tables.xgboost),
}
_DEFAULTS = (*DEFAULTS, *fidelity_adjustable.DEFAULTS, ("xgboost", 34))


def get(name: str) -> Problem:
    """Return the problem of that name.

    Args:
        name: one of `names()`, or a family with its number: "ackley20".

    Raises:
        ProblemError: when there is none, proposing the nearest name, or when its
            simulator is not installed.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    if name in SIMULATED:
        return _installed(SIMULATED[name])
    if name in tables.TABLES:
        return tables.TABLES[name]()
    family = re.fullmatch(r"([a-z_]+?)(0|[1-9]\d{0,3})", str(name))
    if family and family[1] in _FAMILIES:
        return _FAMILIES[family[1]](int(family[2]))
    close = difflib.get_close_matches(str(name).lower(), [*names(), *SIMULATED], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ProblemError(f"no problem {name!r}: {hint}(pfnbo.problems.names() lists all)")


def _installed(problem: Problem) -> Problem:
    if find_spec(problem.needs):
        return problem
    raise ProblemError(
        f"problem {problem.name!r} needs {problem.needs}: pip install "
        "'pfnbo[simulators]'"
    )


def simulated() -> tuple[str, ...]:
    """Names of the problems whose simulators, of other packages, are installed."""
    return tuple(n for n in sorted(SIMULATED) if find_spec(SIMULATED[n].needs))


def names() -> tuple[str, ...]:
    """Names of all problems that need no other package, sorted; one of each family."""
    return tuple(sorted([*REGISTRY, *tables.TABLES, *families()]))


def families() -> tuple[str, ...]:
    """Names of one problem of each family, which other numbers make others."""
    return tuple(f"{family}{number}" for family, number in _DEFAULTS)


def suite(name: str) -> tuple[str, ...]:
    """Return the names of the problems of a set.

    Args:
        name: one of `SUITES`.

    Raises:
        ProblemError: when there is none; the message lists all.
    """
    if name in SUITES:
        return SUITES[name]
    raise ProblemError(f"no set of problems {name!r}: there are {', '.join(SUITES)}.")


def constrained() -> tuple[str, ...]:
    """Names of the problems with constraints, sorted."""
    return tuple(n for n in names() if n in REGISTRY and REGISTRY[n].constraints)


def unconstrained() -> tuple[str, ...]:
    """Names of the problems without constraints, sorted."""
    return tuple(n for n in names() if n not in constrained())
