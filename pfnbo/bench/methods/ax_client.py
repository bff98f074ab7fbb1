"""The default models of the Ax client."""

# No part of the development environment.
# pyright: reportMissingImports=false

from typing import Any

import numpy as np

from pfnbo.bench.trace import Row, Trace
from pfnbo.dimensions import Categorical, Dimension, Int
from pfnbo.problems.problem import Problem


def ax(problem: Problem, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run the client with the design as its initialisation."""
    from ax.api.client import Client

    trace = Trace(problem)
    names = trace.space.names
    client = Client(random_seed=seed)
    client.configure_experiment([_parameter(n, trace.space[n]) for n in names])
    limits = [f"g{i} <= 0" for i in range(problem.n_constraints)]
    client.configure_optimization("-f", outcome_constraints=limits or None)
    # With a budget of its own, Ax would spend one more evaluation on a Sobol point.
    client.configure_generation_strategy(initialization_budget=0)

    def tell(index: int, f: float, g: np.ndarray) -> None:
        outcome = {"f": f} | {f"g{i}": float(v) for i, v in enumerate(g)}
        client.complete_trial(index, raw_data=outcome)

    trace.design(x_init)
    for point, f, g in zip(trace.points(), trace.f, trace.g, strict=True):
        values = zip(names, point, strict=True)
        legal = {n: _value(trace.space[n], v) for n, v in values}
        tell(client.attach_trial(legal), f, g)
    while len(trace.rows) < n_trials:
        for index, parameters in client.get_next_trials(max_trials=1).items():
            tell(index, *trace.evaluate([parameters[name] for name in names]))
    return trace.rows


def _parameter(name: str, dimension: Dimension) -> Any:
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    if isinstance(dimension, Categorical) or (
        dimension.levels and not isinstance(dimension, Int)
    ):
        values = [dimension.nth(i) for i in range(dimension.levels)]
        return ChoiceParameterConfig(
            name=name,
            values=[_value(dimension, value) for value in values],
            parameter_type="str" if isinstance(values[0], str) else "float",
            is_ordered=not isinstance(dimension, Categorical) or dimension.ordered,
        )
    low, high = (_value(dimension, v) for v in (dimension.low, dimension.high))
    return RangeParameterConfig(
        name=name,
        bounds=(low, high),
        parameter_type="int" if isinstance(dimension, Int) else "float",
        scaling="log" if dimension.log else "linear",
    )


def _value(dimension: Dimension, value: Any) -> Any:
    if isinstance(value, str):
        return value
    return int(value) if isinstance(dimension, Int) else float(value)
