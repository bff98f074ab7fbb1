"""Problems as other optimisers see them: the same values, found by their own means."""

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint, differential_evolution

from pfnbo import Categorical, Int, problems
from pfnbo.errors import SpaceError
from pfnbo.problems.interfaces import _unindexed, bounds
from pfnbo.space import Space

MIXED = ("pressure_vessel", "gear_train", "stepped_cantilever_mixed", "speed_reducer")
WORDS = "tfbind8"


def test_scipy_solves_a_problem_by_its_callables():
    problem = problems.get("gomez3")
    found = differential_evolution(
        problem.objective,
        problem.bounds,
        constraints=NonlinearConstraint(problem.limits, -np.inf, 0),
        rng=0,
        maxiter=60,
    )
    assert found.fun == pytest.approx(problem.f_star, abs=1e-4)


def test_words_have_no_bounds():
    space = Space({"n": Int(1, 3), "fluid": Categorical(("air", "water"))})
    with pytest.raises(SpaceError, match="fluid"):
        bounds(space)
    assert problems.get("branin").bounds.tolist() == [[-5, 10], [0, 15]]


@pytest.mark.parametrize("name", [*MIXED, WORDS])
def test_optuna_meets_every_legal_value(name):
    optuna = pytest.importorskip("optuna")
    problem = problems.get(name)
    shape = problem.as_optuna()
    best = problem.point(problem.x_star.tolist())
    for key, distribution in shape.search_space.items():
        assert distribution._contains(distribution.to_internal_repr(best[key]))
    assert shape.evaluate(best) == pytest.approx(problem.f_star)
    assert tuple(shape.evaluate_constraints(best)) == problem.constraints
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=shape.directions, sampler=optuna.samplers.RandomSampler(0)
    )
    study.optimize(shape, n_trials=3)
    for trial in study.trials:
        f, g = problem.evaluate(trial.params)
        assert trial.value == f
        assert shape.constraints_func(trial) == g.tolist()
        assert list(trial.constraints.values()) == g.tolist()


def test_pymoo_solves_a_continuous_problem():
    pytest.importorskip("pymoo")
    from pymoo.algorithms.soo.nonconvex.de import DE
    from pymoo.optimize import minimize

    problem = problems.get("gomez3")
    found = minimize(problem.as_pymoo(), DE(pop_size=20), ("n_gen", 60), seed=0)
    assert found.F[0] == pytest.approx(problem.f_star, abs=1e-2)
    assert found.CV[0] == 0


@pytest.mark.parametrize("name", [*MIXED, WORDS])
def test_pymoo_meets_legal_values_only(name):
    pytest.importorskip("pymoo")
    from pymoo.core.mixed import MixedVariableGA
    from pymoo.optimize import minimize

    problem = problems.get(name)
    found = minimize(
        problem.as_pymoo(), MixedVariableGA(pop_size=6), ("n_gen", 2), seed=0
    )
    seen = [dict(point.X) for point in found.pop]
    f = [point.F[0] for point in found.pop]
    points = [_unindexed(problem.space, x) for x in seen]
    for point in points:
        problem.space.encode(point)  # raises where it is not legal
    np.testing.assert_allclose([problem.objective(p) for p in points], f)
