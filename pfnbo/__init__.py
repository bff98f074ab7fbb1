"""Bayesian optimisation for expensive, constrained engineering problems, in JAX."""

from typing import TYPE_CHECKING, Any

from pfnbo import calibration
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
from pfnbo.surrogates.cascade import Cascade
from pfnbo.surrogates.dkl import DKL, NeuralLinear
from pfnbo.surrogates.ensemble import Ensemble
from pfnbo.surrogates.gp import GP
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

if TYPE_CHECKING:
    from pfnbo.regressor import PFNRegressor
    from pfnbo.result import Result

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
]


def __getattr__(name: str) -> Any:
    # Importing SciPy or scikit-learn takes as long as importing jax.
    if name == "Result":
        from pfnbo.result import Result

        return Result
    if name == "PFNRegressor":
        try:
            from pfnbo.regressor import PFNRegressor
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "PFNRegressor needs scikit-learn: pip install 'pfnbo[sklearn]'"
            ) from error
        return PFNRegressor
    raise AttributeError(f"module 'pfnbo' has no attribute {name!r}")
