"""Evolution strategies on the unit cube; what violates a constraint is penalised."""

from typing import Any

import numpy as np

from pfnbo.bench.trace import Row, Trace, best_of
from pfnbo.problems.problem import Problem


class _Spent(Exception):
    """Ends an optimiser that would go on beyond its evaluations."""


def cma(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    sigma: float = 0.25,
) -> list[Row]:
    """Run CMA-ES from the best point of the design."""
    import cma as package

    trace = Trace(problem)
    trace.design(x_init)
    options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9}
    best = best_of(trace.scores(), trace.cube)
    strategy = package.CMAEvolutionStrategy(best, sigma, options)
    while len(trace.rows) < n_trials:
        asked = strategy.ask()[: n_trials - len(trace.rows)]
        told = [trace.penalised(*trace.evaluate_cube(row)) for row in asked]
        if len(asked) == strategy.popsize:
            strategy.tell(asked, told)
    return trace.rows


def scipy_de(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    strategy: str = "best1bin",
    recombination: float = 0.7,
) -> list[Row]:
    """Run differential evolution of SciPy, with the design as its population."""
    from scipy.optimize import differential_evolution

    trace = Trace(problem)
    trace.design(x_init)
    known = dict(zip(map(bytes, trace.cube), trace.scores(), strict=True))

    def score(row: np.ndarray) -> float:
        if known and (value := known.pop(bytes(row), None)) is not None:
            return value  # the population at the start has been evaluated
        if len(trace.rows) >= n_trials:
            raise _Spent
        return trace.penalised(*trace.evaluate_cube(row))

    few = len(x_init) < 5  # it takes no smaller population
    bounds = [(0.0, 1.0)] * trace.space.columns
    try:
        differential_evolution(
            score,
            bounds,
            rng=seed,
            polish=False,
            maxiter=n_trials,
            tol=0,
            strategy=strategy,
            recombination=recombination,
            init="latinhypercube" if few else np.array(trace.cube),  # type: ignore[arg-type]
        )
    except _Spent:
        pass
    return trace.rows


def pymoo(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    algorithm: str = "ga",
) -> list[Row]:
    """Run an algorithm of pymoo, told of the constraints, from the design.

    Args:
        problem: benchmark problem.
        x_init: shared design, cube rows `(n, columns)`.
        n_trials: evaluations in total.
        seed: of the run.
        algorithm: "ga" or "de".
    """
    from pymoo.algorithms.soo.nonconvex.de import DE
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem as Cube
    from pymoo.problems.static import StaticProblem

    trace = Trace(problem)
    trace.design(x_init)
    columns, constraints = trace.space.columns, problem.n_constraints
    cube = Cube(n_var=columns, n_obj=1, n_ieq_constr=constraints, xl=0.0, xu=1.0)

    def told(asked: Population, f: Any, g: Any) -> Population:
        values = {"F": np.reshape(f, (-1, 1)), "G": np.array(g)}
        Evaluator().eval(StaticProblem(cube, **values), asked)
        return asked

    start = told(Population.new("X", np.array(trace.cube)), trace.f, trace.g)
    kind = {"ga": GA, "de": DE}[algorithm]
    solver = kind(pop_size=len(x_init), sampling=start)
    solver.setup(cube, termination=("n_gen", n_trials), seed=seed, verbose=False)
    solver.tell(infills=solver.ask())
    while len(trace.rows) < n_trials:
        asked = solver.ask()[: n_trials - len(trace.rows)]
        f, g = zip(*map(trace.evaluate_cube, asked.get("X")), strict=True)
        solver.tell(infills=told(asked, f, g))
    return trace.rows


def nevergrad(
    problem: Problem, x_init: np.ndarray, n_trials: int, seed: int
) -> list[Row]:
    """Run NGOpt of Nevergrad from the best point of the design.

    Its release 1.0.12 fails with NumPy 2.4 or newer in few variables.
    """
    import nevergrad as ng

    trace = Trace(problem)
    trace.design(x_init)
    # Its own start, the centre, would be the optimum of several test functions.
    best = best_of(trace.scores(), trace.cube)
    array = ng.p.Array(init=best, lower=0.0, upper=1.0)
    optimizer = ng.optimizers.NGOpt(parametrization=array, budget=n_trials)
    optimizer.parametrization.random_state.seed(seed)
    for row, score in zip(list(trace.cube), trace.scores(), strict=True):
        optimizer.suggest(row)
        optimizer.tell(optimizer.ask(), score)
    while len(trace.rows) < n_trials:
        candidate = optimizer.ask()
        outcome = trace.evaluate_cube(candidate.value)
        optimizer.tell(candidate, trace.penalised(*outcome))
    return trace.rows
