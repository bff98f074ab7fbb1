"""Problems of several fidelities and robust ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from pfnbo import problems
from pfnbo.errors import ProblemError
from pfnbo.problems import robust
from pfnbo.problems.problem import Nature

# Of each cheaper level with the truest: from other formulas, on 400,000 points.
CORRELATIONS = {
    "bohachevsky_fidelity": (0.856,),
    "booth_fidelity": (0.926,),
    "borehole_fidelity": (1.0,),
    "branin_adjustable0": (0.992,),
    "branin_adjustable40": (0.688,),
    "branin_adjustable50": (0.101,),
    "branin_adjustable60": (-0.509,),
    "branin_adjustable100": (-0.925,),
    "branin_augmented": (0.739, 0.913, 0.977),
    "branin_fidelity": (0.159,),
    "branin_three_levels": (0.294, 0.171),
    "branin_unrelated": (0.0,),
    "currin_fidelity": (0.997,),
    "forrester_fidelity": (0.736, 0.937, 0.946),
    "forrester_jump": (0.941,),
    "forrester_misleading": (-1.0,),
    "hartmann6_fidelity": (0.911,),
    "hartmann_adjustable0": (0.195,),
    "hartmann_adjustable20": (0.843,),
    "hartmann_adjustable50": (0.861,),
    "hartmann_adjustable70": (0.587,),
    "hartmann_adjustable100": (-0.027,),
    "heterogeneous_fidelity": (0.865,),
    "himmelblau_fidelity": (0.762,),
    "paciorek_fidelity": (0.391,),
    "six_hump_camel_fidelity": (0.739,),
    "wing_weight_fidelity": (0.997, 0.998, 0.998),
}
# Values at one random design each, from a separate transcription of the formulas.
VALUES = json.loads(Path(__file__).with_name("values.json").read_text())
LEVELS = [n for n in problems.names() if len(problems.get(n).costs) > 1]


@pytest.mark.parametrize("name", CORRELATIONS)
def test_correlations_of_the_levels(name):
    problem = problems.get(name)
    unit = np.random.default_rng(0).random((3000, problem.dim))
    dims = problem.space.values()
    points = [[d.at(u) for d, u in zip(dims, row, strict=True)] for row in unit]
    f = [[problem(x, k) for x in points] for k in range(len(problem.costs))]
    want = np.array(CORRELATIONS[name])
    error = np.abs(np.corrcoef(f)[-1][:-1] - want)
    assert np.all(error <= np.minimum(0.03, 0.04 * (1 - want**2) + 0.002))


@pytest.mark.parametrize("name", [n for n in VALUES if "levels" in VALUES[n]])
def test_every_level_of_a_separate_transcription(name):
    problem, values = problems.get(name), VALUES[name]
    f = [problem(values["x"], level) for level in range(len(problem.costs))]
    np.testing.assert_allclose(f, values["levels"], rtol=1e-10)


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentage_beyond_the_ends_is_refused(percent):
    with pytest.raises(ProblemError, match=f"got {percent}: wanted a percentage"):
        problems.hartmann_adjustable(percent)


def test_the_levels_of_branin_agree_at_its_optima():
    problem = problems.branin_adjustable(100)
    for x in ((-np.pi, 12.275), (np.pi, 2.275), (3 * np.pi, 2.475)):
        assert problem(x, 0) == pytest.approx(problem(x), rel=1e-12)


def test_the_waves_have_the_moments_of_branin():
    g = (np.arange(200) + 0.5) / 200 * 15
    points = [(a, b) for a in g - 5 for b in g]
    cheap, true = (
        [problems.get("branin_unrelated")(x, k) for x in points] for k in (0, 1)
    )
    assert np.mean(cheap) == pytest.approx(np.mean(true), rel=0.01)
    assert np.std(cheap) == pytest.approx(np.std(true), rel=0.01)


@pytest.mark.parametrize("name", ["borehole_fidelity", "wing_weight_fidelity"])
def test_monotone_formulas_are_least_in_a_corner(name):
    problem = problems.get(name)
    low, high = problem.bounds.T
    free = (low < problem.x_star) & (problem.x_star < high)  # the sweep, which is even
    rng = np.random.default_rng(2)
    for x in low + (high - low) * rng.random((100, problem.dim)):
        steps = np.where(free, 0, np.sign(problem.x_star - x)) * 1e-3 * (high - low)
        for step in np.diag(steps)[~free]:
            assert problem(np.clip(x + step, low, high)) < problem(x)


def test_the_jump_moves_the_optimum():
    problem = problems.get("forrester_jump")
    assert problem((0.5,)) == pytest.approx(np.sin(2), rel=1e-12)
    assert problem((np.nextafter(0.5, 1),)) == pytest.approx(np.sin(2) + 10)
    assert problem((0.757248757845,)) == pytest.approx(10 - 6.02074005577)


def test_branin_augmented_has_its_least_value_at_every_level():
    problem = problems.get("branin_augmented")
    for level, s in ((1, 0.5), (2, 0.75)):
        x = np.pi, 2.275 - 0.1 * (1 - s) * np.pi**2
        assert problem(x, level) == pytest.approx(problem.f_star, rel=1e-9)


@pytest.mark.parametrize("name", LEVELS)
def test_levels_have_rising_costs_and_the_last_is_the_problem(name):
    problem = problems.get(name)
    assert problem.costs[-1] == 1 and list(problem.costs) == sorted(problem.costs)
    top = len(problem.costs) - 1
    f, g = problem.evaluate(problem.x_star, top)
    assert f == problem.evaluate(problem.x_star)[0]
    assert problem.evaluate(problem.x_star, 0)[1].shape == g.shape
    centre = [d.at(0.4) for d in problem.space.values()]
    # On the floor of its valley the levels of this one agree.
    agrees = name.startswith("branin_adjustable")
    for x in [centre] if agrees else [centre, problem.x_star]:
        (f, g), (cheap_f, cheap_g) = (problem.evaluate(x, k) for k in (top, 0))
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
    values = np.array([nature.fn(problem.x_star, w) for w in nature.outcomes])
    below = [nature.weights @ (values <= v) for v in values]
    beyond = [nature.weights @ np.maximum(values - v, 0) for v in values]
    risks = {
        "mean": nature.weights @ values,
        "worst": max(values),
        "var": min(values[np.array(below) >= nature.level - 1e-12]),
        # Rockafellar & Uryasev 2000: the least of these.
        "cvar": min(values + np.array(beyond) / (1 - nature.level)),
    }
    assert problem.f_star == pytest.approx(risks[nature.risk], rel=1e-9)


def test_the_nominal_optimum_of_the_camel_is_not_robust():
    problem = problems.get("six_hump_camel_var")
    nominal = problems.get("six_hump_camel").x_star
    assert problem(nominal) > problem.f_star + 0.1
    assert problem(-problem.x_star) == pytest.approx(problem.f_star)
    # Where the designs missed end outside, they are at the bounds.
    at_corner = problem.nature.fn(np.array([3.0, 2.0]), np.ones(2))
    assert at_corner == problems.get("six_hump_camel")((3, 2))


def test_branin_cvar_is_at_a_kink():
    # The floor of the valley, 5.1/(4 pi^2) x^2 - 5 x/pi + 6, is half-way between the
    # outcomes 9 and 10 of x2.
    problem = problems.get("branin_cvar")
    slope, curve = 5 / np.pi, 5.1 / (4 * np.pi**2)
    middle = np.mean(problem.nature.outcomes[8:10]) - 6
    x = (slope - np.sqrt(slope**2 + 4 * curve * middle)) / (2 * curve)
    assert problem.x_star[0] == pytest.approx(x, rel=1e-13)


def test_the_nominal_optimum_is_not_robust():
    problem = problems.get("bertsimas_worst")
    nominal = (2.815, 4.011)
    assert problem.nature.fn(np.array(nominal), np.zeros(2)) < -20.8
    assert problem(nominal) > problem.f_star + 28
