from dataclasses import replace

import numpy as np
import pytest

from pfnbo import Optimizer, SettingError, SpaceError, optimize
from pfnbo.model import _spaced
from pfnbo.observations import Observations

BOX = [(0.0, 1.0)] * 3


def _task(shift, level=0.0):
    def fn(x):
        z = np.asarray(x) - shift
        return level + float(np.sum((z - 0.4) ** 2) + 0.3 * np.sin(9 * z[0]))

    return fn


@pytest.fixture(scope="module")
def earlier():
    return optimize(_task(0.0), BOX, 24, seed=0)


def _observations(n, columns=2):
    rng = np.random.default_rng(n)
    rows = rng.uniform(size=(n, columns))
    return Observations(rows, rows[:, 0], rows[:, :1], np.zeros(n, bool))


def test_two_tasks_are_told_apart_by_a_column():
    new, old = _observations(3), _observations(5)
    both = Observations(new.rows, new.f, new.g, new.failed, earlier=old).joined()
    np.testing.assert_array_equal(both.rows[:, 2], [0] * 3 + [1] * 5)
    np.testing.assert_array_equal(both.rows[3:, :2], old.rows)
    np.testing.assert_array_equal(both.f, [*new.f, *old.f])
    assert both.g.shape == (8, 1) and both.earlier is None
    assert new.joined() is new


@pytest.mark.parametrize(
    "n, first", [(1, 1), (19, 19), (21, 20), (22, 22), (45, 42), (46, 46), (123, 113)]
)
def test_hyper_parameters_are_learned_from_the_first_of_them(n, first):
    seen = replace(_observations(n), allowed=np.arange(n) > 0)
    assert len(seen.settled.f) == first == len(seen.settled.violation)
    assert (seen.settled is seen) == (n == first)


def test_they_are_learned_from_all_where_an_output_has_news():
    seen, n = _observations(45), np.arange(45)
    assert len(seen.settled.f) == 42
    assert replace(seen, failed=n == 43).settled.fails
    late = replace(seen, g=np.where(n < 30, np.nan, 1.0)[:, None])
    assert len(late.settled.f) == 45
    never = replace(seen, g=np.full((45, 1), np.nan))
    assert len(never.settled.f) == 42


@pytest.mark.parametrize("n", [0, 3, 8])
def test_room_is_left_after_the_later_task(n):
    seen = _observations(8)
    data = _spaced(seen.rows, seen.f[None], n, 32, ())
    kept = np.r_[:n, 32 - 8 + n : 32]
    np.testing.assert_array_equal(data.x[kept], seen.rows)
    np.testing.assert_array_equal(np.flatnonzero(data.seen[0]), kept)


@pytest.mark.parametrize("shift, level", [(0.0, 0.0), (0.05, 7.0)])
def test_a_task_like_an_earlier_one_is_solved_sooner(earlier, shift, level):
    fn, best = _task(shift, level), optimize(_task(shift, level), BOX, 40, seed=3).fun
    warm = optimize(fn, BOX, 10, seed=1, warm_start=earlier)
    cold = optimize(fn, BOX, 10, seed=1)
    assert warm.fun - best < 0.05
    assert warm.fun - best < 0.5 * (cold.fun - best)
    assert warm.nfev == 10
    np.testing.assert_allclose(warm.x_iters[0], earlier.x)


def test_batches_and_constraints_go_with_an_earlier_task(earlier):
    study = Optimizer(BOX, n_constraints=["g"], warm_start=earlier, seed=0)
    fn = _task(0.05)
    for _ in range(4):
        for x in study.ask(3):
            study.tell(x, fn(x), [0.35 - x[1]])
    result = study.result()
    assert result.success and result.x[1] >= 0.35 and result.nfev == 12
    assert len(np.unique(np.round(result.x_iters, 6), axis=0)) == 12
    study.ask()
    assert np.isfinite(study.expected_improvement())


def test_a_large_value_is_carried_over_where_that_is_sought():
    old = optimize(lambda x: -_task(0.0)(x), BOX, 16, seed=0, maximize=True)
    study = Optimizer(BOX, warm_start=old, maximize=True, seed=0)
    for _ in range(5):
        x = study.ask()[0]
        study.tell(x, -_task(0.02)(x))
    assert study.result().fun > old.fun - 0.1


def test_an_earlier_task_fits_or_is_refused(earlier):
    with pytest.raises(SettingError, match="Result"):
        Optimizer(BOX, warm_start=[1, 2])
    with pytest.raises(SettingError, match="maximize"):
        Optimizer(BOX, warm_start=earlier, maximize=True)
    with pytest.raises(SpaceError):
        Optimizer([(0.0, 0.1)] * 3, warm_start=earlier)


def test_an_earlier_task_of_nothing_changes_nothing():
    nothing = Optimizer(BOX, seed=0).result()
    a, b = Optimizer(BOX, seed=0), Optimizer(BOX, seed=0, warm_start=nothing)
    np.testing.assert_array_equal(a.ask(3), b.ask(3))
