import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pfnbo import (
    Categorical,
    Int,
    ObjectiveError,
    Result,
    SettingError,
    SpaceError,
    TellError,
    optimize,
)

BOX = [(-5.0, 10.0), (0.0, 15.0)]


def _branin(x):
    a = x[1] - 5.1 / (4 * np.pi**2) * x[0] ** 2 + 5 / np.pi * x[0] - 6
    return a**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x[0]) + 10


def _run(fn=_branin, bounds=BOX, n_trials=7, **settings):
    settings = dict(seed=0, n_initial=4) | settings
    return optimize(fn, bounds, n_trials, **settings)


class _Faulty:
    """Returns `value`, or raises it, at one evaluation and Branin elsewhere."""

    def __init__(self, value, at=2):
        self.value, self.at, self.count = value, at, 0

    def __call__(self, x):
        self.count += 1
        if self.count != self.at + 1:
            return _branin(x)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def test_branin_is_solved_in_25_trials():
    result = optimize(_branin, BOX, 25, seed=1)
    assert result.success and result.fun - 0.397887 < 0.5
    assert result.nfev == 25 and result.stop_reason == "n_trials"
    assert result.fun == _branin(result.x) == result.incumbents()[-1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_infinite_values_are_failed_trials(value):
    result = _run(_Faulty(value))
    assert result.success and result.nfev == 7 and result.n_failed == 1
    assert np.isnan(result.func_vals[2]) and not result.feasible[2]


@pytest.mark.parametrize(
    "value", [None, "1.0", True, 1j, [1.0, 2.0], np.ones(3), {}, {"g": 1}, (1, 2, 3)]
)
def test_unusable_values_raise_and_keep_the_result(value):
    with pytest.raises(ObjectiveError) as caught:
        _run(_Faulty(value))
    assert caught.value.result.nfev == 2


def test_an_exception_keeps_the_result():
    with pytest.raises(ZeroDivisionError) as caught:
        _run(_Faulty(ZeroDivisionError("mesh")))
    result = caught.value.result
    assert result.nfev == 3 and result.n_failed == 1 and result.stop_reason == "error"
    assert result.errors[2] == "ZeroDivisionError: mesh"


@pytest.mark.parametrize("at", [0, 2, 5])
def test_a_recorded_exception_does_not_end_the_run(at):
    result = _run(_Faulty(ZeroDivisionError("mesh"), at), on_error="record")
    assert result.success and result.nfev == 7
    assert result.errors[at] == "ZeroDivisionError: mesh"


def test_failures_everywhere_end_without_success():
    result = _run(lambda x: np.nan, n_trials=6)
    assert not result.success and result.x is None and result.n_failed == 6
    assert "no evaluation succeeded" in result.message


def test_a_failed_region_is_avoided():
    def fn(x):
        if x[0] > 2.5:
            raise RuntimeError("diverged")
        return (x[0] - 1) ** 2 + (x[1] - 5) ** 2

    result = _run(fn, n_trials=16, on_error="record")
    later = np.array(result.x_iters)[6:, 0]
    assert result.success and result.fun < 1.0
    assert np.mean(later > 2.5) <= 0.5


def test_pairs_and_dicts_give_constraints():
    a = _run(lambda x: (_branin(x), x[0] - 2.0))
    b = _run(lambda x: {"f": _branin(x), "g": {"left": x[0] - 2.0}})
    np.testing.assert_array_equal(a.x_iters, b.x_iters)
    assert a.constraint_names == ("g0",) and b.constraint_names == ("left",)
    assert a.success and a.x[0] <= 2 and a.maxcv == 0


def test_a_failure_before_the_first_constraint_is_kept():
    def fn(x):
        fn.count += 1
        if fn.count == 1:
            raise RuntimeError("licence")
        return _branin(x), x[0] - 2.0

    fn.count = 0
    result = _run(fn, on_error="record", n_trials=4)
    assert result.constr.shape == (4, 1) and result.errors[0].endswith("licence")


def test_a_nan_before_the_first_constraint_is_kept():
    def fn(x):
        fn.count += 1
        return np.nan if fn.count == 1 else (_branin(x), x[0] - 2.0)

    fn.count = 0
    result = _run(fn, n_trials=4)
    assert result.constr.shape == (4, 1) and result.n_failed == 1


def test_constraints_of_changing_number_are_refused():
    def fn(x):
        fn.count += 1
        return _branin(x), np.zeros(fn.count)

    fn.count = 0
    with pytest.raises(TellError) as caught:
        _run(fn)
    assert caught.value.result.nfev == 1


def test_an_unknown_constraint_value_is_not_feasible():
    def fn(x):
        fn.count += 1
        return _branin(x), [np.nan if fn.count == 3 else -1.0]

    fn.count = 0
    result = _run(fn)
    assert result.success and not result.feasible[2] and result.feasible.sum() == 6
    assert np.isfinite(result.func_vals[2]) and result.n_failed == 0


def test_nothing_feasible_gives_the_least_violation():
    result = _run(lambda x: (_branin(x), x[0] + 10.0))
    assert not result.success and result.status == 1
    assert result.maxcv == result.constr.min() and not result.feasible.any()
    assert np.isnan(result.incumbents()).all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_trials(n):
    result = _run(n_trials=n)
    assert result.nfev == n and result.success == (n > 0)


def test_one_dimension():
    result = _run(lambda x: (x[0] - 0.3) ** 2, [(0, 1)], 10)
    assert result.fun < 1e-3


def test_thirty_dimensions():
    result = _run(lambda x: float(np.sum(x**2)), [(-1, 1)] * 30, 12, n_initial=8)
    assert result.success and result.nfev == 12
    assert len(np.unique(np.array(result.x_iters), axis=0)) == 12


@pytest.mark.parametrize("value", [0.0, 5.0, -1e12])
def test_constant_objectives(value):
    result = _run(lambda x: value)
    assert result.fun == value
    assert len(np.unique(np.array(result.x_iters), axis=0)) == 7


def test_an_interrupt_returns_what_is_known():
    result = _run(_Faulty(KeyboardInterrupt(), 5))
    assert result.nfev == 5 and not result.success and result.status == 2
    assert result.stop_reason == "interrupted" and np.isfinite(result.fun)


def test_timeout():
    def slow(x):
        time.sleep(0.02)
        return 1.0

    result = _run(slow, n_trials=500, n_initial=500, timeout=0.1)
    assert 1 <= result.nfev < 20 and result.stop_reason == "timeout"


def test_target_stops_in_both_directions():
    a = _run(lambda x: x[0], target=1e9)
    b = _run(lambda x: x[0], target=-1e9, maximize=True)
    assert a.nfev == b.nfev == 1 and a.stop_reason == "target"
    assert _run(lambda x: (x[0], 1.0), n_trials=4, target=1e9).nfev == 4


def test_callback_sees_the_run_and_stops_it():
    seen = []

    def callback(result):
        seen.append(result.nfev)
        return len(seen) == 3

    assert _run(callback=callback).stop_reason == "callback" and seen == [1, 2, 3]

    def stop(result):
        raise StopIteration

    assert _run(callback=stop).nfev == 1


def test_maximize_is_minimising_the_negative():
    a = _run(lambda x: -_branin(x), maximize=True)
    b = _run()
    np.testing.assert_array_equal(a.x_iters, b.x_iters)
    assert a.fun == -b.fun
    np.testing.assert_array_equal(a.incumbents(), -b.incumbents())


def test_the_same_seed_gives_the_same_run():
    a, b, c = _run(), _run(), _run(seed=1)
    np.testing.assert_array_equal(a.x_iters, b.x_iters)
    assert not np.array_equal(a.x_iters, c.x_iters)


def test_powers_of_two_do_not_change_the_run():
    a, b = _run(n_trials=9), _run(lambda x: _branin(x) * 2.0**-40, n_trials=9)
    np.testing.assert_array_equal(a.x_iters, b.x_iters)


def test_tiny_units_do_not_change_the_run():
    a, b = _run(), _run(lambda x: _branin(x) * 1e-12 + 3e-11)
    np.testing.assert_allclose(a.x_iters, b.x_iters, atol=0.05)


def test_a_finite_space_is_exhausted_without_repeats():
    bounds = {"a": Int(0, 3), "b": Categorical(("u", "v", "w"))}
    result = _run(lambda x: x["a"] + len(x["b"]), bounds, 50)
    points = {(x["a"], x["b"]) for x in result.x_iters}
    assert result.nfev == len(points) == 12 and result.stop_reason == "exhausted"


@pytest.mark.parametrize("batch", [1, 2])
def test_executor(batch):
    lock, at_once, most = threading.Lock(), [0], [0]

    def fn(x):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.02)
        with lock:
            at_once[0] -= 1
        return _branin(x)

    with ThreadPoolExecutor(2) as pool:
        result = _run(fn, n_trials=9, batch_size=batch, executor=pool)
    assert result.nfev == 9 and most[0] == batch
    assert len(np.unique(np.array(result.x_iters), axis=0)) == 9


def test_executor_with_constraints_and_failures():
    def fn(x):
        if x[0] > 6:
            raise RuntimeError("diverged")
        return _branin(x), x[0] - 2.0

    with ThreadPoolExecutor(2) as pool:
        result = _run(fn, batch_size=2, executor=pool, on_error="record")
    assert result.nfev == 7 and result.constr.shape == (7, 1)


def test_first_points_come_first():
    result = _run(x0=[[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(result.x_iters[:2], [[1, 2], [3, 4]])
    single = _run(x0=[1.0, 2.0], n_trials=1)
    np.testing.assert_array_equal(single.x_iters, [[1, 2]])
    with pytest.raises(SpaceError):
        _run(x0=[[100.0, 2.0]])


@pytest.mark.parametrize(
    "x0, bounds",
    [
        ([1.0, 2.0], BOX),
        (np.array([1.0, 2.0]), BOX),
        ([[1.0, 2.0]], BOX),
        ({"x0": 1.0, "x1": 2.0}, BOX),
        ({"x0": 1.0, "x1": 2.0}, dict(zip(("x0", "x1"), BOX, strict=True))),
    ],
)
def test_one_first_point_in_any_form(x0, bounds):
    result = _run(lambda x: 0.0, bounds, 1, x0=x0)
    assert list(result._named(result.x).values()) == [1.0, 2.0]


def test_one_first_point_of_mixed_types():
    bounds = {"a": Int(0, 3), "b": Categorical(("u", "v"))}
    assert _run(lambda x: 0.0, bounds, 1, x0=[2, "v"]).x == {"a": 2, "b": "v"}


@pytest.mark.parametrize("x0", [None, [], ()])
def test_no_first_point_in_any_form(x0):
    a, b = _run(x0=x0, n_trials=2), _run(n_trials=2)
    np.testing.assert_array_equal(a.x_iters, b.x_iters)


@pytest.mark.parametrize("x0", [5, "ab", [1.0, 2.0, 3.0], [[1.0], [1.0, 2.0]]])
def test_first_points_without_meaning_are_refused(x0):
    with pytest.raises(SpaceError, match="wanted"):
        _run(_Faulty(SystemExit(), 0), x0=x0)


def test_suggestion_times_leave_out_the_design():
    assert len(_run(n_trials=4).time_suggest) == 0
    assert len(_run(n_trials=6, x0=[1.0, 2.0]).time_suggest) == 2


def test_history_replaces_the_design():
    points = np.random.default_rng(0).uniform(0, 5, (4, 2))
    result = _run(history=(points, [_branin(x) for x in points]), n_trials=1)
    assert len(result.time_suggest) == 1


X4 = np.random.default_rng(1).uniform(0, 5, (4, 2))


@pytest.mark.parametrize(
    "history",
    [
        3,
        (X4,),
        (X4, 3.0),
        {"X": X4, "y": X4[:, 0]},
        (X4, X4[:3, 0]),
        (X4, X4[:, 0], X4[:3]),
        (X4, X4[:, 0], [[1.0], [1.0, 2.0], [1.0], [1.0]]),
        (X4, X4[:, 0], X4, X4),
    ],
)
def test_history_without_meaning_is_refused(history):
    with pytest.raises(SettingError, match="history .* wanted"):
        _run(_Faulty(SystemExit(), 0), history=history)


def test_history_of_ragged_points_is_refused():
    with pytest.raises(SpaceError, match="wanted 2"):
        _run(history=([[1.0, 2.0], [1.0]], [1.0, 2.0]))


def test_history_is_learned_and_not_evaluated():
    first = _run()
    again = _run(history=first, n_trials=1)
    assert again.nfev == 8
    np.testing.assert_array_equal(again.x_iters[:7], first.x_iters)
    pairs = _run(history=(first.x_iters, first.func_vals), n_trials=1)
    np.testing.assert_array_equal(pairs.x_iters, again.x_iters)
    x, y = np.array(first.x_iters), first.func_vals
    triple = _run(
        lambda x: (_branin(x), x[0] - 2.0),
        history=(x, y, x[:, :1] - 2.0),
        n_trials=1,
    )
    assert triple.constr.shape == (8, 1) and triple.n_failed == 0


def test_a_function_that_writes_into_its_point_does_no_harm():
    def fn(x):
        value = _branin(x)
        x[:] = 7.0
        return value

    np.testing.assert_array_equal(_run(fn, n_trials=4).x_iters, _run().x_iters[:4])


@pytest.mark.parametrize(
    "fn, bounds",
    [
        (lambda x: (_branin(x), [x[0] - 2, np.nan]), BOX),
        (lambda x: (_branin(x), [np.inf, np.inf]), BOX),
        (lambda x: float("nan"), BOX),
        (lambda x: float(x["a"]), {"a": Int(0, 9)}),
        (lambda x: float("nan"), {"a": Int(0, 9)}),
    ],
)
def test_saving_and_loading(tmp_path, fn, bounds):
    result = _run(fn, bounds, 4)
    result.save(tmp_path / "run.json")
    loaded = Result.load(tmp_path / "run.json")
    assert set(loaded) == set(result)
    for name, value in result.items():
        np.testing.assert_equal(loaded[name], value)
    assert _run(fn, bounds, 0, history=loaded).nfev == 4


def test_wrong_names_are_answered_with_the_right_one():
    with pytest.raises(TypeError, match="n_calls.*n_trials"):
        _run(n_calls=5)
    with pytest.raises(TypeError, match="batchsize.*batch_size"):
        _run(batchsize=5)


@pytest.mark.parametrize(
    "settings",
    [
        dict(n_trials=-1),
        dict(n_trials=1.5),
        dict(n_trials=True),
        dict(batch_size=0),
        dict(on_error="ignore"),
        dict(acquisition="entropy"),
        dict(acquisition=["ei"]),
        dict(fn=3),
        dict(bounds=None),
        dict(n_constraints="stress"),
        dict(timeout="soon"),
        dict(timeout=-1.0),
        dict(timeout=np.nan),
        dict(target="low"),
        dict(target=np.nan),
        dict(target=True),
        dict(executor=4),
        dict(callback=True),
        dict(progress="yes"),
    ],
)
def test_settings_without_meaning_are_refused_before_any_evaluation(settings):
    name = next(iter(settings))
    with pytest.raises(SettingError, match=f"{name} (is|are) "):
        _run(**dict(fn=_Faulty(SystemExit(), 0)) | settings)
