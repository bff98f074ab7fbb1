"""BoTorch: a Gaussian process of all outputs and a log acquisition."""

# No part of the development environment.
# pyright: reportMissingImports=false

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pfnbo.bench.trace import SLACK, Row, Trace
from pfnbo.problems.problem import Problem


def logei(problem: Problem, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run log EI, weighted by the feasibility of bilog constraints."""
    from botorch.acquisition.analytic import (
        LogConstrainedExpectedImprovement,
        LogExpectedImprovement,
        LogProbabilityOfFeasibility,
    )

    def acquire(trace: Trace, model: Any) -> Any:
        f, g = np.array(trace.f), np.array(trace.g)
        if not problem.n_constraints:
            return LogExpectedImprovement(model, best_f=f.min(), maximize=False)
        limits = {i + 1: (None, 0.0) for i in range(problem.n_constraints)}
        feasible = np.all(g <= SLACK, axis=1)
        if not feasible.any():
            return LogProbabilityOfFeasibility(model, limits)
        return LogConstrainedExpectedImprovement(
            model, f[feasible].min(), 0, limits, maximize=False
        )

    return _run(problem, x_init, n_trials, seed, acquire)


def qlognei(
    problem: Problem, x_init: np.ndarray, n_trials: int, seed: int
) -> list[Row]:
    """Run Monte Carlo log noisy EI, with the feasibility of bilog constraints."""
    import torch
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.acquisition.objective import LinearMCObjective

    weights = torch.eye(1 + problem.n_constraints, dtype=torch.double)
    limits = [
        partial(torch.select, dim=-1, index=i + 1) for i in range(len(weights) - 1)
    ]

    def acquire(trace: Trace, model: Any) -> Any:
        baseline = torch.tensor(np.array(trace.cube))
        return qLogNoisyExpectedImprovement(
            model,
            baseline,
            objective=LinearMCObjective(-weights[0]),
            constraints=limits or None,
            prune_baseline=True,
        )

    return _run(problem, x_init, n_trials, seed, acquire)


def outputs(trace: Trace) -> np.ndarray:
    """Return objective and bilog constraints of every evaluation `(n, 1 + c)`."""
    g = np.array(trace.g)
    return np.column_stack([trace.f, np.sign(g) * np.log1p(np.abs(g))])


def fitted(x: Any, y: Any) -> Any:
    """Return the Gaussian process of rows `(n, columns)` and outputs `(n, m)`."""
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = SingleTaskGP(x, y, outcome_transform=Standardize(m=y.shape[1]))
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model


def _run(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    acquire: Callable[[Trace, Any], Any],
) -> list[Row]:
    import torch
    from botorch.optim import optimize_acqf

    torch.manual_seed(seed)
    trace = Trace(problem)
    trace.design(x_init)
    cube = torch.tensor([[0.0] * trace.space.columns, [1.0] * trace.space.columns])
    cube = cube.double()
    while len(trace.rows) < n_trials:
        model = fitted(torch.tensor(np.array(trace.cube)), torch.tensor(outputs(trace)))
        row, _ = optimize_acqf(
            acquire(trace, model), bounds=cube, q=1, num_restarts=10, raw_samples=256
        )
        trace.evaluate_cube(row[0].detach().numpy())
    return trace.rows
