"""`pfnbo.optimize`, with any of its surrogates and settings."""

from typing import Any

import numpy as np

import pfnbo
from pfnbo.bench.trace import Row, Trace
from pfnbo.problems.problem import Problem

SURROGATES = {"default": lambda: None, "gp": pfnbo.GP, "pfn": pfnbo.PFN}


def ours(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    surrogate: str = "default",
    **settings: Any,
) -> list[Row]:
    """Run `pfnbo.optimize`.

    Args:
        problem: benchmark problem.
        x_init: shared design, cube rows `(n, columns)`.
        n_trials: evaluations in total.
        seed: of the run.
        surrogate: "default", "gp", "pfn" or the name of a checkpoint.
        **settings: other arguments of `optimize`, such as `acquisition`.
    """
    trace = Trace(problem)
    named = SURROGATES.get(surrogate)
    model = named() if named else pfnbo.PFN(surrogate)

    def objective(point: dict[str, Any]) -> Any:
        outcome = trace.observe(point)
        if len(trace.rows) == len(x_init):
            trace.start_clock()
        return outcome

    pfnbo.optimize(
        objective,
        problem.space,
        n_trials,
        n_constraints=problem.constraints,
        x0=[trace.space.decode(row) for row in x_init],
        n_initial=max(len(x_init), 1),
        seed=seed,
        surrogate=model,
        **settings,
    )
    return trace.rows


def network(
    problem: Problem, x_init: np.ndarray, n_trials: int, seed: int, **settings: Any
) -> list[Row]:
    """Run `pfnbo.optimize` with the network that it ships."""
    return ours(problem, x_init, n_trials, seed, surrogate="pfn", **settings)
