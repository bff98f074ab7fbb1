import math

import numpy as np
import pytest

from pfnbo import Optimizer, optimize
from pfnbo.errors import SettingError
from pfnbo.views import objective_slope, objective_views


def _bowl(x):
    return 1e6 * float(np.sum((x - 0.3) ** 2))


def test_a_run_stops_when_nothing_more_is_expected():
    result = optimize(_bowl, [(0, 1)] * 2, 60, seed=0, min_improvement=1e2)
    assert result.stop_reason == "min_improvement"
    assert result.nfev < 30 and result.fun < 1e4


def test_a_run_goes_on_as_long_as_more_is_expected():
    result = optimize(_bowl, [(0, 1)] * 2, 8, seed=0, min_improvement=0.0)
    assert result.stop_reason == "n_trials"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_expected_improvement_has_the_unit_of_the_objective(sign):
    expected = []
    for unit in (1.0, 1e3):
        study = Optimizer([(0, 1)], seed=0, n_initial=3, maximize=sign < 0)
        for x in (0.0, 0.2, 0.5, 0.9, 1.0):
            study.tell([x], sign * unit * (math.sin(6 * x) + x))
        assert study.expected_improvement() == math.inf
        study.ask()
        expected.append(study.expected_improvement())
    assert expected[1] == pytest.approx(1e3 * expected[0], rel=0.01)
    assert 0 < expected[0] < 2


def test_nothing_is_expected_of_nothing():
    study = Optimizer([(0, 1)], seed=0)
    study.ask()
    assert study.expected_improvement() == math.inf


@pytest.mark.parametrize("view", range(4))
def test_slopes_of_the_objective_are_those_of_its_views(view):
    f = 3 + 100 * np.exp(np.linspace(0, 4, 4001))
    z = objective_views(f).z[view]
    slope = np.gradient(z, f)
    for at in (100, 2000, 3900):
        assert objective_slope(f, view, at) == pytest.approx(slope[at], rel=1e-3)


@pytest.mark.parametrize("least", [-1, "a", math.nan])
def test_an_improvement_is_a_number_that_is_not_negative(least):
    with pytest.raises(SettingError, match="min_improvement"):
        optimize(_bowl, [(0, 1)], 5, min_improvement=least)
