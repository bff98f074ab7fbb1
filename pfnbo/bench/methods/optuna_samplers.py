"""Samplers of Optuna, which know constraints."""

from typing import Any

import numpy as np

from pfnbo.bench.trace import Row, Trace, listed
from pfnbo.dimensions import Categorical, Dimension, Int
from pfnbo.problems.problem import Problem


def gp(problem: Problem, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run the GP sampler on a deterministic objective."""
    from optuna.samplers import GPSampler

    sampler = GPSampler(
        seed=seed, n_startup_trials=len(x_init), deterministic_objective=True
    )
    return _run(problem, x_init, n_trials, sampler)


def tpe(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    multivariate: bool = True,
    n_ei_candidates: int = 24,
) -> list[Row]:
    """Run the tree-structured Parzen estimator."""
    from optuna.samplers import TPESampler

    sampler = TPESampler(
        seed=seed,
        n_startup_trials=len(x_init),
        multivariate=multivariate,
        n_ei_candidates=n_ei_candidates,
    )
    return _run(problem, x_init, n_trials, sampler)


def _run(
    problem: Problem, x_init: np.ndarray, n_trials: int, sampler: Any
) -> list[Row]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trace = Trace(problem)
    space = trace.space
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        point = [_suggest(trial, name, space[name]) for name in space]
        f, g = trace.evaluate(point)
        for name, value in zip(problem.constraints, g, strict=True):
            trial.set_constraint(name, float(value))
        return f

    for row in x_init:
        point = zip(space, listed(space.decode(row)), strict=True)
        study.enqueue_trial({n: _value(space[n], v) for n, v in point})
    study.optimize(objective, n_trials=len(x_init))
    trace.start_clock()
    study.optimize(objective, n_trials=n_trials - len(x_init))
    return trace.rows


def _suggest(trial: Any, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Categorical) and not dimension.ordered:
        return trial.suggest_categorical(name, dimension.choices)
    if isinstance(dimension, Int):
        return trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log)
    if dimension.levels:
        return dimension.nth(trial.suggest_int(name, 0, dimension.levels - 1))
    assert not isinstance(dimension, Categorical)  # it has levels
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _value(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, Int):
        return int(value)
    if isinstance(dimension, Categorical) and not dimension.ordered:
        return value
    if dimension.levels:
        return round(dimension.position("", value) * (dimension.levels - 1))
    return float(value)
