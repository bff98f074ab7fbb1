"""Problems of several fidelities and robust ones."""

import numpy as np
import pytest

from pfnbo import problems
from pfnbo.errors import ProblemError
from pfnbo.problems import robust
from pfnbo.problems.problem import Nature

CORRELATIONS = {  # of each cheaper level with the truest, published or by definition
    "bohachevsky_fidelity": (0.86,),
    "branin_fidelity": (0.16,),
    "forrester_fidelity": (0.736, 0.937, 0.946),
    "forrester_misleading": (-1.0,),
    "paciorek_fidelity": (0.40,),
}
LEVELS = [n for n in problems.names() if len(problems.get(n).costs) > 1]


@pytest.mark.parametrize("name", CORRELATIONS)
def test_correlations_of_the_levels(name):
    problem = problems.get(name)
    unit = np.random.default_rng(0).random((3000, problem.dim))
    dims = problem.space.values()
    points = [[d.at(u) for d, u in zip(dims, row, strict=True)] for row in unit]
    f = [[problem(x, k) for x in points] for k in range(len(problem.costs))]
    np.testing.assert_allclose(np.corrcoef(f)[-1][:-1], CORRELATIONS[name], atol=0.03)


@pytest.mark.parametrize("name", LEVELS)
def test_levels_have_rising_costs_and_the_last_is_the_problem(name):
    problem = problems.get(name)
    assert problem.costs[-1] == 1 and list(problem.costs) == sorted(problem.costs)
    top = len(problem.costs) - 1
    f, g = problem.evaluate(problem.x_star, top)
    assert f == problem.evaluate(problem.x_star)[0]
    cheap_f, cheap_g = problem.evaluate(problem.x_star, 0)
    assert cheap_g.shape == g.shape
    assert np.any(np.append(cheap_g, cheap_f) != np.append(g, f))


@pytest.mark.parametrize("fidelity", [-1, 2, 0.5, "low"])
def test_an_unknown_fidelity_is_refused(fidelity):
    with pytest.raises(ProblemError, match="branin_fidelity got fidelity .* 0 to 1"):
        problems.get("branin_fidelity")([0, 0], fidelity)


def test_a_problem_of_one_fidelity_has_level_0():
    branin = problems.get("branin")
    assert branin([1, 2], 0) == branin([1, 2])


@pytest.mark.parametrize(
    "name, level, want",
    [("mean", 0, 0.6), ("worst", 0, 3), ("var", 0.6, 0), ("var", 0.7, 1)]
    + [("cvar", 0.5, 1.2), ("cvar", 0.9, 3)],
)
def test_risks_by_hand(name, level, want):
    weights = np.array([0.1, 0.3, 0.5, 0.1])
    nature = Nature(lambda x, w: 0.0, np.zeros((4, 1)), weights, name, level)
    assert robust.risk(np.array([3.0, 1, 0, 0]), nature) == pytest.approx(want)


@pytest.mark.parametrize("name", problems.suite("robust"))
def test_the_risk_is_that_of_the_outcomes(name):
    problem = problems.get(name)
    nature = problem.nature
    assert nature.weights.shape == (len(nature.outcomes),)
    assert np.sum(nature.weights) == pytest.approx(1)
    values = [nature.fn(problem.x_star, w) for w in nature.outcomes]
    assert min(values) <= problem.f_star <= max(values) + 1e-9


def test_the_nominal_optimum_is_not_robust():
    problem = problems.get("bertsimas_worst")
    nominal = (2.815, 4.011)
    assert problem.nature.fn(np.array(nominal), np.zeros(2)) < -20.8
    assert problem(nominal) > problem.f_star + 28
