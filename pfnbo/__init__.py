"""Bayesian optimisation for expensive, constrained engineering problems, in JAX."""

from typing import TYPE_CHECKING, Any

from pfnbo.dimensions import Categorical, Float, Int
from pfnbo.errors import (
    CheckpointError,
    ObjectiveError,
    PfnboError,
    ProblemError,
    SettingError,
    SpaceError,
    TellError,
)
from pfnbo.optimize import optimize
from pfnbo.optimizer import Optimizer
from pfnbo.space import Space
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN

if TYPE_CHECKING:
    from pfnbo.result import Result

__version__ = "0.1.0"

__all__ = [
    "GP",
    "PFN",
    "Categorical",
    "CheckpointError",
    "Float",
    "Int",
    "ObjectiveError",
    "Optimizer",
    "PfnboError",
    "ProblemError",
    "Result",
    "SettingError",
    "Space",
    "SpaceError",
    "TellError",
    "optimize",
]


def __getattr__(name: str) -> Any:
    if name != "Result":
        raise AttributeError(f"module 'pfnbo' has no attribute {name!r}")
    # A subclass of a SciPy class: importing it takes as long as importing jax.
    from pfnbo.result import Result

    return Result
