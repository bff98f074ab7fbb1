from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from pfnbo.acquisition.improvement import ACQUISITIONS, Goal, ei, log_feasibility
from pfnbo.predictive import Normal

THRESHOLDS = np.array([0.3, -0.8])
BEST = 0.6
LOC, SCALE = np.array([0.2, 0.1, -1.0]), np.array([0.9, 0.5, 0.7])
X = jnp.zeros(2)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@dataclass(frozen=True)
class _Fixed:
    """Marginals that the tests choose; the objective rises with the first column."""

    loc: np.ndarray
    scale: np.ndarray

    def predict(self, x):
        rise = jnp.zeros(len(self.loc)).at[0].set(x[0])
        return Normal(jnp.asarray(self.loc) + rise, jnp.asarray(self.scale))


POSTERIOR = _Fixed(LOC, SCALE)


def _goal(best=BEST, found=True, thresholds=THRESHOLDS):
    return Goal(jnp.asarray(best), jnp.asarray(found), jnp.asarray(thresholds))


def _gains(loc, scale, best):
    z = (loc - best) / scale
    return {
        "ei": np.log(scale * (z * norm.cdf(z) + norm.pdf(z))),
        "pi": norm.logcdf(z),
        "ucb": loc + norm.ppf(0.977) * scale,
    }


FEASIBILITY = norm.logcdf((THRESHOLDS - LOC[1:]) / SCALE[1:]).sum()


def test_feasibility_is_a_product_of_probabilities():
    got = log_feasibility(POSTERIOR.predict(X), jnp.asarray(THRESHOLDS))
    assert float(got) == pytest.approx(FEASIBILITY)
    none = log_feasibility(Normal(jnp.zeros(1), jnp.ones(1)), jnp.zeros(0))
    assert float(none) == 0


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
@pytest.mark.parametrize("best", [-1.0, 0.6, 2.0])
def test_scores_equal_their_closed_forms(name, best):
    got = ACQUISITIONS[name](_goal(best), POSTERIOR, X)
    expected = _gains(LOC[0], SCALE[0], best)[name] + FEASIBILITY
    assert float(got) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["ei", "pi"])
def test_scores_equal_monte_carlo(name):
    draws = np.random.default_rng(0).normal(LOC, SCALE, (400_000, 3))
    holds = np.all(draws[:, 1:] <= THRESHOLDS, axis=1)
    gain = np.maximum(draws[:, 0] - BEST, 0)
    gain = (gain if name == "ei" else gain > 0) * holds
    error = gain.std() / gain.mean() / np.sqrt(len(draws))
    got = float(ACQUISITIONS[name](_goal(), POSTERIOR, X))
    assert got == pytest.approx(np.log(gain.mean()), abs=5 * error)


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
def test_without_an_incumbent_feasibility_alone_counts(name):
    fn = ACQUISITIONS[name]
    goal = _goal(np.nan if name != "ucb" else 0.0, found=False)
    for x in (X, X + 5):
        assert float(fn(goal, POSTERIOR, x)) == pytest.approx(FEASIBILITY)


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
def test_without_constraints_the_gain_alone_counts(name):
    alone = _Fixed(LOC[:1], SCALE[:1])
    got = ACQUISITIONS[name](_goal(thresholds=np.zeros(0)), alone, X)
    assert float(got) == pytest.approx(_gains(LOC[0], SCALE[0], BEST)[name])


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
def test_units_of_the_outputs_move_no_maximum(name):
    def scores(shift, scale):
        fn = ACQUISITIONS[name]
        moved = _Fixed(shift + scale * LOC, scale * SCALE)
        goal = _goal(shift + scale * BEST, thresholds=shift + scale * THRESHOLDS)
        return [float(fn(goal, moved, scale * X + x)) for x in (0.0, scale)]

    (a, b), (c, d) = scores(0.0, 1.0), scores(3.0, 2.0)
    # EI and the quantile have the unit of the objective, a probability has none.
    if name == "ucb":
        assert d - c == pytest.approx(2 * (b - a))
    else:
        assert d - c == pytest.approx(b - a)


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hopeless_points_keep_a_score_and_a_slope(name, dtype):
    posterior = _Fixed(LOC.astype(dtype), np.array([1e-3, 1e-2, 1e-2], dtype))
    goal = jax.tree.map(lambda a: a.astype(dtype), _goal(best=5.0))
    goal = Goal(goal.best, jnp.asarray(True), goal.thresholds - 10)

    def score(x):
        return ACQUISITIONS[name](goal, posterior, x)

    value, slope = jax.value_and_grad(score)(jnp.zeros(2, dtype))
    assert np.isfinite(value) and value < -1e4
    assert np.isfinite(slope).all() and slope[0] > 0 and slope[1] == 0


def test_improvement_upwards_is_better():
    scores = [float(ei(_goal(), POSTERIOR, X + t)) for t in np.linspace(-3, 3, 7)]
    assert np.all(np.diff(scores) > 0)
    tighter = _goal(thresholds=THRESHOLDS - 0.1)
    assert ei(tighter, POSTERIOR, X) < ei(_goal(), POSTERIOR, X)
