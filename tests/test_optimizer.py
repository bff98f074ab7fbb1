import jax
import numpy as np
import pytest

from pfnbo import (
    Categorical,
    Int,
    ObjectiveError,
    Optimizer,
    SettingError,
    SpaceError,
    TellError,
    model,
)
from pfnbo.observations import Observations

BOX = [(-1.0, 1.0), (-1.0, 1.0)]


def _bowl(x):
    return float((x[0] - 0.3) ** 2 + (x[1] + 0.2) ** 2)


def test_ask_and_tell_find_the_minimum():
    study = Optimizer(BOX, seed=0)
    for _ in range(14):
        (x,) = study.ask()
        study.tell(x, _bowl(x))
    result = study.result()
    assert result.success and result.fun < 1e-3 and result.nfev == 14
    assert _bowl(result.x) == result.fun and study.pending == []


def test_the_same_history_gives_the_same_proposal():
    points = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    asked = []
    for _ in range(2):
        study = Optimizer(BOX, seed=5, n_initial=1)
        for x in points:
            study.tell(x, _bowl(x))
        asked.append(study.ask()[0])
    np.testing.assert_array_equal(*asked)


def test_pending_points_keep_their_distance():
    study = Optimizer(BOX, seed=0, n_initial=4)
    for x in study.ask(4):
        study.tell(x, _bowl(x))
    points = study.ask(4)
    gaps = [np.abs(a - b).max() for i, a in enumerate(points) for b in points[:i]]
    assert min(gaps) > 1e-4


def test_pending_points_are_not_asked_again():
    study = Optimizer(BOX, seed=0, n_initial=4)
    for x in study.ask(4):
        study.tell(x, _bowl(x))
    points = study.ask(4)
    assert len(study.pending) == 4
    gaps = [np.abs(a - b).max() for i, a in enumerate(points) for b in points[:i]]
    assert min(gaps) > 0
    study.tell(points[2], 1.0)
    assert len(study.pending) == 3
    assert not any(np.array_equal(points[2], p) for p in study.pending)


def test_points_never_asked_for_may_be_told():
    study = Optimizer(BOX, seed=0)
    study.tell([0.1, 0.1], 3.0)
    assert study.result().nfev == 1
    study.tell([0.1, 0.1], 2.0)
    assert study.result().fun == 2.0


def test_told_points_count_towards_the_design():
    study = Optimizer(BOX, seed=0, n_initial=3)
    for x in ([0.1, 0.2], [0.3, 0.4], [0.5, 0.6]):
        study.tell(x, _bowl(x))
    study.ask()
    assert len(study.time_suggest) == 1


def test_failures_alone_do_not_end_the_design():
    study = Optimizer(BOX, seed=0, n_initial=2)
    for x in study.ask(4):
        study.tell(x, failed=True)
    study.ask()
    assert len(study.time_suggest) == 0


def test_points_are_told_in_any_order():
    study = Optimizer(BOX, seed=0, n_initial=9)
    points = study.ask(4)
    for told, number in enumerate((2, 0, 3, 1)):
        study.tell(points[number], _bowl(points[number]))
        left = [x for i, x in enumerate(points) if i not in (2, 0, 3, 1)[: told + 1]]
        np.testing.assert_array_equal(study.pending, left)
    np.testing.assert_array_equal(
        study.result().x_iters, [points[number] for number in (2, 0, 3, 1)]
    )


def test_queued_points_are_asked_first():
    study = Optimizer(BOX, seed=0)
    study.enqueue([[0.5, 0.25], [0.0, 0.0]])
    study.enqueue(None)
    np.testing.assert_array_equal(study.ask(3)[:2], [[0.5, 0.25], [0.0, 0.0]])
    with pytest.raises(SpaceError):
        study.enqueue([[2.0, 0.0]])


def test_constraints_may_be_learned_later_but_not_changed():
    study = Optimizer(BOX, seed=0)
    study.tell([0.1, 0.2], 1.0)
    study.expect_constraints(["stress"])
    study.tell([0.3, 0.4], 2.0, -1.0)
    np.testing.assert_array_equal(study.result().constr, [[np.nan], [-1.0]])
    with pytest.raises(SettingError, match="already"):
        study.expect_constraints(2)


@pytest.mark.parametrize("y", ["1", None, 1j, True, [1, 2], [], {}, {1}, [[1], [2, 3]]])
def test_objectives_that_are_no_number_are_refused(y):
    study = Optimizer(BOX)
    with pytest.raises(ObjectiveError, match="objective"):
        study.tell([0, 0], y)
    assert study.result().nfev == 0


@pytest.mark.parametrize("y", [1, np.float32(1), np.array([1.0]), np.array(1), [1]])
def test_anything_like_one_number_is_accepted(y):
    study = Optimizer(BOX)
    study.tell([0, 0], y)
    assert study.result().fun == 1.0


@pytest.mark.parametrize("y", [np.nan, np.inf, -np.inf])
def test_infinite_objectives_are_failures(y):
    study = Optimizer(BOX)
    study.tell([0, 0], y)
    result = study.result()
    assert not result.success and result.x is None and result.n_failed == 1
    assert "objective was" in result.errors[0]


def test_constraints_by_name_and_their_errors():
    study = Optimizer(BOX, n_constraints=["stress", "mass"])
    study.tell([0, 0], 1.0, {"mass": 2.0, "stress": -1.0})
    np.testing.assert_array_equal(study.result().constr, [[-1.0, 2.0]])
    for g in (None, [1.0], [1.0, 2.0, 3.0], {"stress": 1.0}):
        with pytest.raises(TellError):
            study.tell([0, 0], 1.0, g)
    with pytest.raises(ObjectiveError, match="constraint"):
        study.tell([0, 0], 1.0, [1.0, "high"])


def test_the_least_violation_is_reported_when_nothing_is_feasible():
    study = Optimizer(BOX, n_constraints=1)
    for x, g in ((0.0, 3.0), (0.5, 1.0), (0.7, np.inf), (0.9, np.nan)):
        study.tell([x, 0], -x, [g])
    result = study.result()
    assert not result.success and result.maxcv == 1.0 and result.x[0] == 0.5


@pytest.mark.parametrize("extreme", [np.inf, 1e300, -np.inf])
def test_extreme_constraints_do_not_stop_the_search(extreme):
    study = Optimizer(BOX, n_constraints=1, n_initial=4, seed=0)
    for i, x in enumerate(study.ask(4)):
        study.tell(x, _bowl(x), [extreme if i == 1 else x[0]])
    assert np.isfinite(study.ask()[0]).all()
    assert study.result().success


def test_points_outside_are_refused():
    with pytest.raises(SpaceError):
        Optimizer(BOX).tell([2, 0], 1.0)


@pytest.mark.parametrize(
    "settings",
    [
        dict(n_constraints=-1),
        dict(n_constraints=["a", "a"]),
        dict(n_constraints=True),
        dict(n_constraints=1.5),
        dict(n_constraints="stress"),
        dict(n_constraints=[1, 2]),
        dict(acquisition="entropy"),
        dict(trust_region="yes"),
        dict(surrogate="gp"),
        dict(maximize="yes"),
        dict(maximize=1),
        dict(seed=-1),
        dict(seed=1.5),
        dict(n_initial=0),
        dict(noise=-1.0),
        dict(noise="none"),
        dict(noise=np.nan),
    ],
)
def test_settings_without_meaning_are_refused(settings):
    with pytest.raises(SettingError):
        Optimizer(BOX, **settings)


def test_a_finite_space_is_asked_once_each():
    study = Optimizer({"a": Int(0, 2), "b": Categorical("uv")}, seed=0)
    points = study.ask(10)
    assert len(points) == 6 == len({tuple(p.values()) for p in points})
    assert study.ask() == []


def test_a_space_of_one_point_is_asked_once():
    study = Optimizer([(1, 1), (2, 2)])
    np.testing.assert_array_equal(study.ask(3), [[1, 2]])
    study.tell([1, 2], 0.0)
    assert study.ask() == [] and study.result().fun == 0.0


def test_an_empty_study_has_a_result():
    result = Optimizer(BOX).result()
    assert result.x is None and not result.success and result.nfev == 0
    assert len(result.incumbents()) == 0


def test_views_of_many_observations_are_chosen_by_some_of_them(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.uniform(size=(80, 2))
    f = np.exp(8 * np.sin(3 * rows[:, 0]) + rows[:, 1])
    seen = Observations(rows, f, rows[:, :1] - 0.5, rng.uniform(size=80) < 0.1)
    few = seen.spread(32)
    assert len(few.f) == 32 and few.f[0] == f[0] and few.f[-1] == f[-1]
    assert few.fails and seen.spread(80) is seen
    views = []
    for coarse in (128, 32):
        monkeypatch.setattr(model, "COARSE", coarse)
        with jax.enable_x64(True):
            fit = model.Model().fit(jax.random.key(0), seen)
        assert fit.posterior.x.shape[0] == 128 and len(fit.thresholds) == 2
        views.append(fit.view)
    assert views[0] > 0 and views[1] > 0  # a logarithm either way


def test_hyper_parameters_are_kept_until_there_is_a_tenth_more_data():
    rng = np.random.default_rng(0)
    points = rng.random((46, 2))

    def told(study, begin, end):
        for x in points[begin:end]:
            study.tell(x, np.sin(5 * x[0]) + x[1], x[0] - 0.5)
        study.ask()
        return study._fitted[1]

    study, other = (Optimizer([(0, 1)] * 2, seed=0, n_constraints=1) for _ in "ab")
    first, second, third = (told(study, a, b) for a, b in ((0, 42), (42, 43), (43, 46)))
    np.testing.assert_array_equal(second.posterior.theta, first.posterior.theta)
    np.testing.assert_array_equal(second.views, first.views)
    assert np.asarray(second.posterior.seen).sum() == 2 * 43
    assert not np.array_equal(third.posterior.theta, first.posterior.theta)
    # One that was stopped and taken up again knows nothing of the first fit.
    again = told(other, 0, 43)
    np.testing.assert_array_equal(again.posterior.theta, first.posterior.theta)
    np.testing.assert_array_equal(again.posterior.root, second.posterior.root)
    study.tell([0.5, 0.5], failed=True)  # one output more
    assert len(told(study, 0, 0).posterior.theta) == 3


@pytest.mark.parametrize(
    "news", ["a value far below all others", "another value of the same point"]
)
def test_news_is_learned_from_at_once(news):
    rng = np.random.default_rng(1)
    study = Optimizer([(0, 1)] * 2, seed=0)
    points = rng.random((42, 2))
    for x in points:
        study.tell(x, np.sin(5 * x[0]) + x[1])
    study.ask()
    first = study._fitted[1].posterior
    if news == "a value far below all others":
        study.tell([0.4, 0.6], -1e3)
    else:
        study.tell(points[0], np.sin(5 * points[0, 0]) + points[0, 1] + 0.5)
    study.ask()
    assert not np.array_equal(study._fitted[1].posterior.theta, first.theta)
