import numpy as np
import pytest

from pfnbo import Optimizer
from pfnbo.errors import SettingError
from pfnbo.flukes import labels

RNG = np.random.default_rng(0)
ROWS = np.sort(RNG.uniform(size=(40, 1)), axis=0)


def test_without_flukes_a_failure_is_sure():
    failed = ROWS[:, 0] > 0.8
    np.testing.assert_array_equal(labels(ROWS, failed, 0.0), np.where(failed, 1, -1))


def test_nothing_failed_is_all_sound():
    np.testing.assert_array_equal(labels(ROWS, np.zeros(40, bool), 0.2), -1)


def test_a_failure_among_successes_is_a_fluke_and_one_among_its_like_is_not():
    failed = ROWS[:, 0] > 0.8
    failed[12] = True
    label = labels(ROWS, failed, 0.1)
    assert label[12] < -0.5
    assert np.all(label[ROWS[:, 0] > 0.85] > 0.8)
    assert np.all(label[~failed] == -1)


def test_a_failure_that_nothing_is_near_has_the_odds_of_the_rate():
    rows = np.array([[0.0], [100.0]])
    for rate in (0.05, 0.3):
        label = labels(rows, np.array([True, False]), rate)
        # The mean of the others pulls a little towards success.
        assert 0 < label[0] < (1 - rate) / (1 + rate)


def test_more_flukes_make_failures_say_less():
    failed = np.abs(ROWS[:, 0] - 0.5) < 0.06
    rare, often = (labels(ROWS, failed, rate) for rate in (0.01, 0.4))
    assert np.all(often[failed] < rare[failed])


def test_the_order_of_the_points_does_not_matter():
    failed = ROWS[:, 0] > 0.8
    order = RNG.permutation(40)
    np.testing.assert_allclose(
        labels(ROWS[order], failed[order], 0.1), labels(ROWS, failed, 0.1)[order]
    )


@pytest.mark.parametrize("rate, again", [(0.0, False), (0.2, True)])
def test_a_fluke_may_be_tried_again(rate, again):
    study = Optimizer([(0.0, 1.0)], seed=0, n_initial=2, flip_rate=rate)
    for x in np.linspace(0, 1, 9):
        study.tell([x], (x - 0.45) ** 2)
    study.tell([0.45], failed="licence server")
    assert (abs(float(study.ask()[0][0]) - 0.45) < 1e-3) == again


@pytest.mark.parametrize("rate", [-0.1, 1.0, np.nan, "a"])
def test_a_rate_is_a_chance(rate):
    with pytest.raises(SettingError, match="flip_rate"):
        Optimizer([(0, 1)], flip_rate=rate)
