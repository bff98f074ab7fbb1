"""Bayesian optimisation for expensive, constrained engineering problems, in JAX."""

import importlib
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

if TYPE_CHECKING:
    from pfnbo import calibration, problems
    from pfnbo.regressor import PFNRegressor
    from pfnbo.result import Result
    from pfnbo.surrogates.cascade import Cascade
    from pfnbo.surrogates.dkl import DKL, NeuralLinear
    from pfnbo.surrogates.ensemble import Ensemble
    from pfnbo.surrogates.hmc import HMC
    from pfnbo.surrogates.laplace import Laplace
    from pfnbo.surrogates.mlp import MLP
    from pfnbo.surrogates.nngp import NNGP
    from pfnbo.surrogates.pfn import PFN
    from pfnbo.surrogates.recalibrated import Recalibrated
    from pfnbo.surrogates.saas import NUTS, SAAS, FullyBayesianGP
    from pfnbo.surrogates.sghmc import SGHMC
    from pfnbo.surrogates.sparse import SparseVI
    from pfnbo.surrogates.student import ScaleMixture, TProcess
    from pfnbo.surrogates.weights import WeightPrior

__version__ = "0.1.0"

__all__ = [
    "DKL",
    "GP",
    "HMC",
    "MLP",
    "NNGP",
    "NUTS",
    "PFN",
    "PFNRegressor",
    "SAAS",
    "SGHMC",
    "Cascade",
    "Categorical",
    "CheckpointError",
    "Ensemble",
    "Float",
    "FullyBayesianGP",
    "Int",
    "Laplace",
    "NeuralLinear",
    "ObjectiveError",
    "Optimizer",
    "PfnboError",
    "ProblemError",
    "Recalibrated",
    "Result",
    "ScaleMixture",
    "SettingError",
    "Space",
    "SpaceError",
    "SparseVI",
    "TProcess",
    "TellError",
    "WeightPrior",
    "calibration",
    "optimize",
    "problems",
]


# Modules that are imported when one of their names is first used: all of them, with
# SciPy and scikit-learn, would take as long as importing jax.
_HOMES = {
    "regressor": ("PFNRegressor",),
    "result": ("Result",),
    "surrogates.cascade": ("Cascade",),
    "surrogates.dkl": ("DKL", "NeuralLinear"),
    "surrogates.ensemble": ("Ensemble",),
    "surrogates.hmc": ("HMC",),
    "surrogates.laplace": ("Laplace",),
    "surrogates.mlp": ("MLP",),
    "surrogates.nngp": ("NNGP",),
    "surrogates.pfn": ("PFN",),
    "surrogates.recalibrated": ("Recalibrated",),
    "surrogates.saas": ("NUTS", "SAAS", "FullyBayesianGP"),
    "surrogates.sghmc": ("SGHMC",),
    "surrogates.sparse": ("SparseVI",),
    "surrogates.student": ("ScaleMixture", "TProcess"),
    "surrogates.weights": ("WeightPrior",),
}


def __getattr__(name: str) -> Any:
    if name in ("calibration", "problems"):
        return importlib.import_module(f"pfnbo.{name}")
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'pfnbo' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"pfnbo.{home}"), name)
    except ModuleNotFoundError as error:
        if name != "PFNRegressor":
            raise
        raise ModuleNotFoundError(
            "PFNRegressor needs scikit-learn: pip install 'pfnbo[sklearn]'"
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
