"""Bayesian optimisation for expensive, constrained engineering problems, in JAX."""

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
from pfnbo.result import Result
from pfnbo.space import Space
from pfnbo.surrogates.gp import GP

__version__ = "0.1.0"

__all__ = [
    "GP",
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
