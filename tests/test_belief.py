import jax
import numpy as np
import pytest
from scipy import stats

from pfnbo import Categorical, Float, Int, Optimizer, Space, optimize
from pfnbo.belief import believed
from pfnbo.errors import SettingError

SPACE = Space(
    {
        "load": Float(10.0, 1000.0, log=True),
        "width": (0.0, 4.0),
        "teeth": Int(10, 30),
        "steel": Categorical(["a", "b", "c"]),
        "gauge": Categorical([1, 2, 4], ordered=True),
    }
)


def _log_density(prior, **changes):
    home = dict(load=100.0, width=2.0, teeth=20, steel="a", gauge=2)
    row = SPACE.encode({**home, **changes})
    return float(believed(prior, SPACE).log_density(row))


def test_nothing_believed_says_nothing():
    assert _log_density({}) == pytest.approx(0, abs=1e-6)
    assert _log_density({}, width=0.1, steel="c") == _log_density({})


def test_numbers_are_normal_on_their_own_scale():
    prior = {"width": (1.0, 0.5)}
    expected = stats.norm.logpdf([2.0, 1.0], 1.0, 0.5)
    gap = _log_density(prior, width=2.0) - _log_density(prior, width=1.0)
    assert gap == pytest.approx(expected[0] - expected[1], rel=0.01)
    assert _log_density({"teeth": (12, 2)}, teeth=16) == pytest.approx(-2, rel=0.01)
    # A tenth of the load is a tenth in its logarithm.
    near = _log_density({"load": (100.0, 10.0)}, load=100.0 * np.exp(0.1))
    assert near == pytest.approx(-0.5, rel=0.01)


def test_choices_have_odds():
    prior = {"steel": {"a": 3, "b": 1}}
    assert _log_density(prior, steel="a") == pytest.approx(0, abs=1e-6)
    assert _log_density(prior, steel="b") == pytest.approx(np.log(1 / 3))
    assert np.log(1e-4) < _log_density(prior, steel="c") < np.log(1e-2)
    ordered = {"gauge": {4: 1}}
    assert _log_density(ordered, gauge=4) == pytest.approx(0, abs=1e-3)
    assert _log_density(ordered, gauge=2) < _log_density(ordered, gauge=4) - 2


def test_draws_follow_the_belief_and_stay_in_the_cube():
    belief = believed({"width": (3.0, 1.0), "steel": {"a": 3, "b": 1}}, SPACE)
    rows = SPACE.design(512, 0)
    drawn = belief.draw(rows, 1)
    width = drawn[:, SPACE.block("width")][:, 0]
    law = stats.truncnorm(-3, 1, loc=0.75, scale=0.25)
    assert stats.kstest(width, law.cdf).pvalue > 1e-3
    share = drawn[:, SPACE.block("steel")].mean(0)
    np.testing.assert_allclose(share, [0.75, 0.25, 0], atol=0.06)
    for name in ("load", "teeth", "gauge"):
        np.testing.assert_array_equal(
            drawn[:, SPACE.block(name)], rows[:, SPACE.block(name)]
        )


def test_half_of_the_design_is_drawn_from_the_belief():
    study = Optimizer([(0, 1)], prior={"x0": (0.9, 0.01)}, seed=0, n_initial=20)
    points = np.concatenate(study.ask(20))
    assert np.sum(np.abs(points - 0.9) < 0.05) == pytest.approx(10, abs=2)


def test_a_true_belief_helps_and_a_wrong_one_fades():
    def fn(x):
        return float(np.sum((x - 0.83) ** 2))

    bounds, best = [(0, 1)] * 4, {}
    for name, mean in (("true", 0.83), ("wrong", 0.1)):
        prior = {f"x{i}": (mean, 0.05) for i in range(4)}
        best[name] = optimize(fn, bounds, 24, prior=prior, seed=1, n_initial=6).fun
    assert best["true"] < 1e-2 and best["wrong"] < 1e-2


def test_the_weight_of_a_belief_moves_no_other_study():
    study = [Optimizer([(0, 1)] * 2, seed=3, n_initial=2, prior=p) for p in (None, {})]
    for point, value in (([0.1, 0.2], 1.0), ([0.7, 0.9], 0.3), ([0.5, 0.4], 0.6)):
        for each in study:
            each.tell(point, value)
    np.testing.assert_allclose(*(each.ask()[0] for each in study), atol=1e-3)


@pytest.mark.parametrize(
    "prior",
    [
        0.5,
        {"wdith": (1, 1)},
        {"width": 1.0},
        {"width": (1.0, 0.0)},
        {"width": (9.0, 1.0)},
        {"width": (1.0, np.nan)},
        {"width": ("a", 1.0)},
        {"steel": (1.0, 0.5)},
        {"steel": {"d": 1}},
        {"steel": {"a": 0}},
        {"steel": {"a": -1, "b": 2}},
    ],
)
def test_what_has_no_meaning_is_refused(prior):
    with pytest.raises(SettingError, match="prior|steel"):
        Optimizer(SPACE, prior=prior)


def test_a_belief_travels_as_an_argument():
    belief = believed({"width": (1.0, 0.5)}, SPACE)
    leaves, tree = jax.tree.flatten(belief)
    assert len(leaves) == 3 and jax.tree.unflatten(tree, leaves) == belief
