"""Methods without a memory, the least that an optimiser has to beat."""

import numpy as np

from pfnbo.bench.trace import Row, Trace
from pfnbo.problems.problem import Problem


def uniform(
    problem: Problem, x_init: np.ndarray, n_trials: int, seed: int
) -> list[Row]:
    """Draw every value of every dimension with the same chance."""
    trace = Trace(problem)
    trace.design(x_init)
    rng = np.random.default_rng(seed)
    while len(trace.rows) < n_trials:
        trace.evaluate([d.at(rng.random()) for d in trace.space.values()])
    return trace.rows


def sobol(problem: Problem, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Continue the scrambled Sobol sequence of the design."""
    trace = Trace(problem)
    trace.design(x_init)
    for row in trace.space.design(n_trials, seed)[len(x_init) :]:
        trace.evaluate_cube(row)
    return trace.rows
