"""Methods under comparison, each a function of a problem and a shared design.

Every method has the signature `method(problem, x_init, n_trials, seed)` and returns
one `Row` per evaluation. It evaluates the points of `x_init` first, then asks its own
optimiser for the rest. The libraries are imported inside the functions, so that a
method needs only its own library:

    pip install botorch ax-platform optuna scikit-optimize nevergrad cma
"""

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Int
from pfnbo.space import Space

SLACK = 1e-9  # constraint values up to this count as feasible


@dataclass(frozen=True)
class Row:
    """One evaluation of a run."""

    f: float  # objective, minimised
    violation: float  # largest constraint value, 0 where none is positive
    cpu: float  # CPU seconds spent on the suggestion, 0 for the shared design


Method = Callable[[Any, np.ndarray, int, int], list[Row]]


class Trace:
    """Evaluates a problem and records each evaluation with the CPU time before it.

    Args:
        problem: benchmark problem, called on a 1-D array of values.
    """

    def __init__(self, problem: Any) -> None:
        """Begin without an evaluation and with the clock stopped."""
        self.problem = problem
        self.space = Space.from_bounds(problem.space)
        self.rows: list[Row] = []
        self.cube: list[np.ndarray] = []
        self.f: list[float] = []
        self.g: list[np.ndarray] = []
        self._mark: float | None = None

    def evaluate(self, point: Sequence[Any]) -> tuple[float, np.ndarray]:
        """Return objective and constraint values at a point, listed in order."""
        cpu = 0.0 if self._mark is None else time.process_time() - self._mark
        out = self.problem(np.array(point, dtype=float))
        f, g = out if self.problem.n_constraints else (out, [])
        f, g = float(f), np.asarray(g, dtype=float).reshape(-1)
        self.rows.append(Row(f, violation(g), cpu))
        self.cube.append(self.space.encode(point))
        self.f.append(f)
        self.g.append(g)
        if self._mark is not None:
            self._mark = time.process_time()
        return f, g

    def evaluate_cube(self, row: np.ndarray) -> tuple[float, np.ndarray]:
        """Return objective and constraint values at the legal point nearest `row`."""
        return self.evaluate(listed(self.space.decode(np.clip(row, 0, 1))))

    def design(self, x_init: np.ndarray) -> None:
        """Evaluate the shared design, cube rows `(n, columns)`, and start the clock."""
        for row in x_init:
            self.evaluate_cube(row)
        self.start_clock()

    def start_clock(self) -> None:
        """Count the CPU time from now on towards the next evaluation."""
        self._mark = time.process_time()

    def points(self) -> list[list[Any]]:
        """Return the evaluated points as lists of values."""
        return [listed(self.space.decode(row)) for row in self.cube]


def violation(g: np.ndarray) -> float:
    """Return the largest constraint value, 0 when none is above the slack."""
    worst = float(np.max(g, initial=0.0))
    return worst if worst > SLACK else 0.0


def listed(point: Any) -> list[Any]:
    """Return the values of a point in the order of the dimensions."""
    return list(point.values()) if isinstance(point, dict) else list(point)


def legal_values(dimension: Dimension) -> list[Any]:
    """Return all values of a discrete dimension, in order."""
    last = max(dimension.levels - 1, 1)
    if isinstance(dimension, Int):
        return list(range(dimension.low, dimension.high + 1))
    return [dimension.at(level / last) for level in range(dimension.levels)]


def shared_design(problem: Any, n: int, seed: int) -> np.ndarray:
    """Return `n` scrambled Sobol points as legal cube rows `(n, columns)`."""
    space = Space.from_bounds(problem.space)
    return np.array([space.snap(row) for row in space.design(n, seed)])


def random(problem: Any, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Continue the scrambled Sobol sequence of the design."""
    trace = Trace(problem)
    trace.design(x_init)
    for row in trace.space.design(n_trials, seed)[len(x_init) :]:
        trace.evaluate_cube(row)
    return trace.rows


def pfnbo_network(
    problem: Any, x_init: np.ndarray, n_trials: int, seed: int
) -> list[Row]:
    """Run `pfnbo.optimize` with the shipped network."""
    import pfnbo as package

    return pfnbo(problem, x_init, n_trials, seed, surrogate=package.PFN())


def pfnbo(
    problem: Any, x_init: np.ndarray, n_trials: int, seed: int, **settings: Any
) -> list[Row]:
    """Run `pfnbo.optimize`; CPU time is the mean of the run, compilation included."""
    import pfnbo as package

    space = Space.from_bounds(problem.space)
    start = time.process_time()
    result = package.optimize(
        problem,
        n_trials=n_trials,
        x0=[space.decode(row) for row in x_init],
        n_initial=len(x_init),
        seed=seed,
        progress=False,
        **settings,
    )
    n_asked = max(n_trials - len(x_init), 1)
    cpu = (time.process_time() - start) / n_asked
    n = len(result.func_vals)
    g = np.asarray(result.constr if problem.n_constraints else np.zeros((n, 0)))
    return [
        Row(float(f), violation(gi), cpu if i >= len(x_init) else 0.0)
        for i, (f, gi) in enumerate(zip(result.func_vals, g, strict=True))
    ]


def ax(problem: Any, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run the default models of the Ax client, with the design as initialisation."""
    _quiet()
    from ax.api.client import Client

    trace = Trace(problem)
    names = trace.space.names
    client = Client(random_seed=seed)
    client.configure_experiment([_ax_parameter(n, trace.space[n]) for n in names])
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
        legal = {n: _ax_value(trace.space[n], v) for n, v in values}
        tell(client.attach_trial(legal), f, g)
    while len(trace.rows) < n_trials:
        for index, parameters in client.get_next_trials(max_trials=1).items():
            tell(index, *trace.evaluate([parameters[name] for name in names]))
    return trace.rows


def _ax_parameter(name: str, dimension: Dimension) -> Any:
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    whole = isinstance(dimension, Int)
    if whole or not dimension.levels:
        return RangeParameterConfig(
            name=name,
            bounds=(
                _ax_value(dimension, dimension.low),
                _ax_value(dimension, dimension.high),
            ),
            parameter_type="int" if whole else "float",
            scaling="log" if dimension.log else "linear",
        )
    return ChoiceParameterConfig(
        name=name,
        values=[_ax_value(dimension, value) for value in legal_values(dimension)],
        parameter_type="float",
        is_ordered=not isinstance(dimension, Categorical) or dimension.ordered,
    )


def _ax_value(dimension: Dimension, value: Any) -> Any:
    return int(value) if isinstance(dimension, Int) else float(value)


def optuna_gp(problem: Any, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run the GP sampler of Optuna on a deterministic objective."""
    _quiet()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trace = Trace(problem)
    space = trace.space
    sampler = optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=len(x_init), deterministic_objective=True
    )
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        point = [_optuna_suggest(trial, name, space[name]) for name in space]
        f, g = trace.evaluate(point)
        for i, value in enumerate(g):
            trial.set_constraint(f"g{i}", float(value))
        return f

    for row in x_init:
        point = zip(space, listed(space.decode(row)), strict=True)
        study.enqueue_trial({n: _optuna_value(space[n], v) for n, v in point})
    study.optimize(objective, n_trials=len(x_init))
    trace.start_clock()
    study.optimize(objective, n_trials=n_trials - len(x_init))
    return trace.rows


def _optuna_suggest(trial: Any, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Categorical) and not dimension.ordered:
        return trial.suggest_categorical(name, dimension.choices)
    if isinstance(dimension, Categorical):
        return dimension.choices[trial.suggest_int(name, 0, dimension.levels - 1)]
    if isinstance(dimension, Int):
        return trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log)
    if dimension.levels:
        level = trial.suggest_int(name, 0, dimension.levels - 1)
        return dimension.at(level / max(dimension.levels - 1, 1))
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _optuna_value(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, Int):
        return int(value)
    if isinstance(dimension, Categorical) and not dimension.ordered:
        return value
    if dimension.levels:
        position = dimension.position("", value)
        return round(position * max(dimension.levels - 1, 1))
    return float(value)


def botorch_logei(
    problem: Any, x_init: np.ndarray, n_trials: int, seed: int
) -> list[Row]:
    """Run BoTorch with log EI, weighted by the feasibility of bilog constraints."""
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

    return _botorch(problem, x_init, n_trials, seed, acquire)


def botorch_qlognei(
    problem: Any, x_init: np.ndarray, n_trials: int, seed: int
) -> list[Row]:
    """Run BoTorch with Monte Carlo log noisy EI, without constraints."""
    import torch
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.acquisition.objective import LinearMCObjective

    def acquire(trace: Trace, model: Any) -> Any:
        negative = LinearMCObjective(torch.tensor([-1.0], dtype=torch.double))
        baseline = torch.tensor(np.array(trace.cube))
        return qLogNoisyExpectedImprovement(
            model, baseline, objective=negative, prune_baseline=True
        )

    return _botorch(problem, x_init, n_trials, seed, acquire)


def _botorch(
    problem: Any,
    x_init: np.ndarray,
    n_trials: int,
    seed: int,
    acquire: Callable[[Trace, Any], Any],
) -> list[Row]:
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    _quiet()
    torch.manual_seed(seed)
    trace = Trace(problem)
    trace.design(x_init)
    cube = torch.tensor([[0.0] * trace.space.columns, [1.0] * trace.space.columns])
    cube = cube.double()
    while len(trace.rows) < n_trials:
        g = np.array(trace.g)
        y = np.column_stack([trace.f, np.sign(g) * np.log1p(np.abs(g))])
        model = SingleTaskGP(
            torch.tensor(np.array(trace.cube)),
            torch.tensor(y),
            outcome_transform=Standardize(m=y.shape[1]),
        )
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        row, _ = optimize_acqf(
            acquire(trace, model), bounds=cube, q=1, num_restarts=10, raw_samples=256
        )
        trace.evaluate_cube(row[0].detach().numpy())
    return trace.rows


def skopt(problem: Any, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run the GP optimiser of scikit-optimize with its default acquisition."""
    _quiet()
    from skopt import Optimizer
    from skopt import space as kinds

    def dimension_of(dimension: Dimension) -> Any:
        if isinstance(dimension, Categorical):
            return kinds.Categorical(dimension.choices)
        prior = "log-uniform" if dimension.log else "uniform"
        kind = kinds.Integer if isinstance(dimension, Int) else kinds.Real
        return kind(dimension.low, dimension.high, prior=prior)

    trace = Trace(problem)
    optimizer = Optimizer(
        [dimension_of(d) for d in trace.space.values()],
        base_estimator="GP",
        n_initial_points=len(x_init),
        random_state=seed,
    )
    trace.design(x_init)
    optimizer.tell([[_plain(v) for v in p] for p in trace.points()], trace.f)
    while len(trace.rows) < n_trials:
        point = optimizer.ask()
        f, _ = trace.evaluate(point)
        optimizer.tell(point, f)
    return trace.rows


def nevergrad(problem: Any, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run NGOpt of Nevergrad on the unit cube from the best point of the design."""
    _quiet()
    import nevergrad as ng

    trace = Trace(problem)
    trace.design(x_init)
    # Its own start, the centre, would be the optimum of several test functions.
    best = trace.cube[int(np.argmin(trace.f))]
    array = ng.p.Array(init=best, lower=0.0, upper=1.0)
    optimizer = ng.optimizers.NGOpt(parametrization=array, budget=n_trials)
    optimizer.parametrization.random_state.seed(seed)
    for row, f in zip(trace.cube.copy(), trace.f.copy(), strict=True):
        optimizer.suggest(row)
        optimizer.tell(optimizer.ask(), f)
    while len(trace.rows) < n_trials:
        candidate = optimizer.ask()
        optimizer.tell(candidate, trace.evaluate_cube(candidate.value)[0])
    return trace.rows


def cma(problem: Any, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Run CMA-ES on the unit cube from the best point of the design."""
    import cma as package

    trace = Trace(problem)
    trace.design(x_init)
    options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9}
    best = trace.cube[int(np.argmin(trace.f))]
    strategy = package.CMAEvolutionStrategy(best, 0.25, options)
    while len(trace.rows) < n_trials:
        asked = strategy.ask()[: n_trials - len(trace.rows)]
        told = [trace.evaluate_cube(row)[0] for row in asked]
        if len(asked) == strategy.popsize:
            strategy.tell(asked, told)
    return trace.rows


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _quiet() -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


METHODS: dict[str, Method] = {
    "ax": ax,
    "botorch_logei": botorch_logei,
    "botorch_qlognei": botorch_qlognei,
    "cma": cma,
    "nevergrad": nevergrad,
    "optuna_gp": optuna_gp,
    "pfnbo": pfnbo,
    "pfnbo_network": pfnbo_network,
    "random": random,
    "skopt": skopt,
}
CONSTRAINED = (
    "ax",
    "botorch_logei",
    "optuna_gp",
    "pfnbo",
    "pfnbo_network",
    "random",
)
