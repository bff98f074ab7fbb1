"""Sequential model-based optimisers that know no constraints: these are penalised."""

# HEBO is no part of the development environment.
# pyright: reportMissingImports=false

from typing import Any

import numpy as np

from pfnbo.bench.trace import Row, Trace
from pfnbo.dimensions import Categorical, Dimension, Int
from pfnbo.problems.problem import Problem


def skopt(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    base_estimator: str = "GP",
    acq_func: str = "gp_hedge",
) -> list[Row]:
    """Run the optimiser of scikit-optimize."""
    from skopt import Optimizer

    trace = Trace(problem)
    optimizer = Optimizer(
        [_skopt_dimension(d) for d in trace.space.values()],
        base_estimator=base_estimator,
        acq_func=acq_func,
        n_initial_points=len(x_init),
        random_state=seed,
    )
    trace.design(x_init)
    optimizer.tell(trace.points(), trace.scores())
    while len(trace.rows) < n_trials:
        point = optimizer.ask()
        optimizer.tell(point, trace.penalised(*trace.evaluate(point)))
    return trace.rows


def smac(
    problem: Problem,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    *,
    facade: str = "BlackBoxFacade",
) -> list[Row]:
    """Run SMAC3 on the columns of the unit cube.

    Args:
        problem: benchmark problem.
        x_init: shared design, cube rows `(n, columns)`.
        n_trials: evaluations in total.
        seed: of the run.
        facade: "BlackBoxFacade" or "HyperparameterOptimizationFacade".
    """
    import tempfile
    from pathlib import Path

    import smac as package
    from ConfigSpace import Configuration, ConfigurationSpace
    from smac.runhistory.dataclasses import TrialInfo, TrialValue

    trace = Trace(problem)
    names = [f"c{i}" for i in range(trace.space.columns)]
    space = ConfigurationSpace({name: (0.0, 1.0) for name in names}, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        scenario = package.Scenario(
            space,
            deterministic=True,
            n_trials=n_trials,
            seed=seed,
            output_directory=Path(folder),
        )
        kind = getattr(package, facade)
        none = kind.get_initial_design(scenario, n_configs=0)
        solver = kind(scenario, _unused, initial_design=none, logging_level=False)
        trace.design(x_init)
        for row, score in zip(trace.cube, trace.scores(), strict=True):
            point = Configuration(space, dict(zip(names, row.tolist(), strict=True)))
            solver.tell(TrialInfo(point, seed=solver.scenario.seed), TrialValue(score))
        while len(trace.rows) < n_trials:
            info = solver.ask()
            row = np.array([info.config[name] for name in names])
            score = trace.penalised(*trace.evaluate_cube(row))
            solver.tell(info, TrialValue(score))
    return trace.rows


def hebo(problem: Problem, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run HEBO on the columns of the unit cube.

    Its release 0.3.6 pins a NumPy older than JAX takes, but runs with a newer one:
    `pip install --no-deps HEBO` beside what else it needs.

    Source: Cowen-Rivers et al. 2022, JAIR 74.
    """
    import pandas as pd
    import torch
    from hebo.design_space.design_space import DesignSpace
    from hebo.optimizers.hebo import HEBO

    torch.manual_seed(seed)
    trace = Trace(problem)
    names = [f"c{i}" for i in range(trace.space.columns)]
    space = DesignSpace().parse([dict(name=n, type="num", lb=0, ub=1) for n in names])
    solver = HEBO(space, rand_sample=len(x_init), scramble_seed=seed)
    trace.design(x_init)
    known = pd.DataFrame(np.array(trace.cube), columns=names)
    solver.observe(known, np.array(trace.scores())[:, None])
    while len(trace.rows) < n_trials:
        asked = solver.suggest(1)
        score = trace.penalised(*trace.evaluate_cube(asked[names].to_numpy(float)[0]))
        solver.observe(asked, np.array([[score]]))
    return trace.rows


def _unused(config: Any, seed: int = 0) -> float:
    raise AssertionError("SMAC is asked and told")


def _skopt_dimension(dimension: Dimension) -> Any:
    from skopt import space as kinds

    if isinstance(dimension, Categorical):
        return kinds.Categorical(dimension.choices)
    if dimension.levels and not isinstance(dimension, Int):
        return kinds.Categorical([dimension.nth(i) for i in range(dimension.levels)])
    prior = "log-uniform" if dimension.log else "uniform"
    kind = kinds.Integer if isinstance(dimension, Int) else kinds.Real
    return kind(dimension.low, dimension.high, prior=prior)
