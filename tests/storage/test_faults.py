"""Whatever goes wrong, nothing is lost and no wrong result is returned in silence.

Here are the faults of arguments, objectives, names, scales, files and clocks. Cut and
changed bytes of a journal, and writes that fail, are in `test_journal`; pages of SQLite
and starts at once in `test_opening`; processes that die, shared and foreign studies in
`test_resume`; hanging and crashing evaluations in `tests/test_workers`; damaged
networks in `tests/test_checkpoint`; the cache of compiled programs in
`tests/test_compilation`.
"""

import os
import random
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from pfnbo import Float, Int, ObjectiveError, Optimizer, SettingError, optimize
from pfnbo.errors import SpaceError, StorageError
from pfnbo.storage import open_storage

FILES = ("study.journal", "study.db")
AT = 3  # the evaluation with a fault


def _sound(x):
    return (x["a"] - 0.3) ** 2 + x["b"], {"g": 0.2 - x["a"]}


def _run(path, fn=_sound, n_trials=6, **settings):
    settings = dict(n_constraints=["g"], n_initial=99, seed=0, storage=path) | settings
    return optimize(fn, {"a": (0.0, 1.0), "b": (0.0, 1.0)}, n_trials, **settings)


class _Once:
    """Gives or raises `fault` at one evaluation."""

    def __init__(self, fault):
        self.fault, self.count = fault, 0

    def __call__(self, x):
        self.count += 1
        if self.count != AT:
            return _sound(x)
        if isinstance(self.fault, BaseException):
            raise self.fault
        return self.fault


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("sound") / "study.journal")


def _never(x):
    raise AssertionError("evaluated")


INPUTS = {
    "inverted bounds": (dict(bounds={"a": (1.0, 0.0)}), SpaceError, "'a'.*(0.0, 1.0)"),
    "NaN bound": (dict(bounds={"a": (0.0, np.nan)}), SpaceError, "'a'"),
    "infinite bound": (dict(bounds={"a": (-np.inf, 0.0)}), SpaceError, "'a'"),
    "no parameter": (dict(bounds={}), SpaceError, "at least one"),
    "no name": (dict(bounds={"": (0.0, 1.0)}), SpaceError, "non-empty"),
    "no bounds": (dict(bounds=None), SettingError, "bounds are missing"),
    "same name twice": (dict(n_constraints=["g", "g"]), SettingError, "n_constraints"),
    "negative budget": (dict(n_trials=-1), SettingError, "n_trials is -1"),
    "part of an evaluation": (dict(n_trials=2.5), SettingError, "n_trials is 2.5"),
    "another package's name": (dict(n_calls=3), TypeError, "use n_trials"),
    "no such file type": (dict(storage="study.csv"), SettingError, "study.journal"),
    "no such folder": (
        dict(storage="/none/s.journal"),
        StorageError,
        "/none/s.journal",
    ),
    "no file can be there": (dict(storage="/proc/s.db"), StorageError, "/proc/s.db"),
    "a name that is none": (dict(name=3), SettingError, "name is 3"),
}


@pytest.mark.parametrize("fault", INPUTS)
def test_arguments_without_meaning_are_refused_before_anything_is_done(tmp_path, fault):
    given, kind, told = INPUTS[fault]
    path = tmp_path / "study.journal"
    settings = dict(bounds={"a": (0.0, 1.0)}, n_trials=3, storage=path) | given
    with pytest.raises(kind, match=told.replace("(", r"\(").replace(")", r"\)")):
        optimize(_never, **settings)
    assert not path.exists() or b"param" not in path.read_bytes()


def test_no_budget_is_an_empty_result(tmp_path):
    result = _run(tmp_path / "study.journal", _never, n_trials=0)
    assert result.nfev == 0 and result.x is None and not result.success


REFUSED = [None, "1.0", 1j, True, [1.0, 2.0], np.ones((2, 2)), {}, (1, 2, 3), [[1], 2]]
WRONG = [(1.0, [1.0, 2.0]), (1.0, {"h": 1.0}), (1.0, ["1"])]
FAILED = [np.nan, np.inf, -np.inf, (np.nan, [0.0]), np.float32(np.inf)]


@pytest.mark.parametrize("fault", REFUSED + WRONG, ids=repr)
def test_results_without_meaning_end_the_run_and_cost_nothing(tmp_path, fault, sound):
    path = tmp_path / "study.journal"
    with pytest.raises((ObjectiveError, ValueError)) as caught:
        _run(path, _Once(fault))
    assert caught.value.result.nfev == AT - 1
    resumed = _run(path)
    assert resumed.x_iters == sound.x_iters
    np.testing.assert_array_equal(resumed.func_vals, sound.func_vals)


@pytest.mark.parametrize("fault", FAILED, ids=repr)
def test_results_that_are_no_number_are_failed_trials(tmp_path, fault, sound):
    fault = fault if isinstance(fault, tuple) else (fault, [0.0])
    path = tmp_path / "study.journal"
    _run(path, _Once(fault), n_trials=4)
    result = _run(path)
    assert result.x_iters == sound.x_iters and result.n_failed == 1
    assert result.errors[AT - 1].startswith("objective was")
    assert np.isfinite(result.fun) and result.success


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "fault", [ValueError("ü\n" * 2000), MemoryError(), OSError(28)]
)
def test_exceptions_are_stored_before_they_are_passed_on(tmp_path, file, fault, sound):
    with pytest.raises(type(fault)):
        _run(tmp_path / file, _Once(fault))
    result = _run(tmp_path / file)
    assert result.x_iters == sound.x_iters and result.n_failed == 1
    assert result.errors[AT - 1] == f"{type(fault).__name__}: {fault}"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "name", ["größe", "a b\n\tc", "x" * 10_000, "'; DROP TABLE trials; --", "{x}", "🙂"]
)
def test_any_name_goes_there_and_back(tmp_path, file, name):
    def study():
        settings = dict(n_constraints=[name], storage=tmp_path / file, name=name)
        return Optimizer({name: (0.0, 1.0)}, **settings)

    study().tell({name: 0.1}, 1.0, {name: -1.0})
    [x] = study().result().x_iters
    assert x == {name: 0.1} and study().result().constraint_names == (name,)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "value", [5e-324, 1e-300, -1e300, 1 / 3, -0.0, 2.0**-1074, 1e12 + 1e-4]
)
def test_any_value_goes_there_and_back(tmp_path, file, value):
    def study():
        return Optimizer([(-1e15, 1e15)], n_constraints=1, storage=tmp_path / file)

    study().tell([1e15 / 3], value, [-value])
    result = study().result()
    assert result.func_vals[0] == value and result.constr[0, 0] == -value


@pytest.mark.parametrize(
    "low, high, step",
    [
        (1e-12, 2e-12, None),
        (1e-12, 2e-12, 1e-13),
        (-1e15, 1e15, None),
        (-1e15, 1e15, 1e14),
        (1e12, 1e12 + 1, None),
        (0.0, 5e-320, None),
        (0.1, 1.0, 0.3 / 2),
        (3.0, 3.0, None),
    ],
)
def test_points_of_any_scale_stay_themselves(tmp_path, low, high, step):
    space, points = {"x": Float(low, high, step=step)}, []
    path = tmp_path / "study.journal"
    fn = lambda x: points.append(x["x"]) or 1.0  # noqa: E731
    for n in (3, 5):
        result = optimize(fn, space, n, n_initial=99, seed=0, storage=path)
    assert [x["x"] for x in result.x_iters] == pytest.approx(points, rel=1e-12)
    assert len(set(points)) == len(points) == (1 if low == high else 5)


@pytest.mark.parametrize("file", FILES)
def test_a_full_disk_loses_nothing_earlier(tmp_path, file, sound):
    path = tmp_path / file
    _run(path, n_trials=2)
    files = [p for p in tmp_path.iterdir() if p.name.startswith(file)]
    size = max(p.stat().st_size for p in files)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 600, hard))
    try:
        with pytest.raises(StorageError, match="can't be .*written.*still there"):
            _run(path, n_trials=500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    result = _run(path, n_trials=max(6, _stored(path) + 1))
    assert result.x_iters[:6] == sound.x_iters
    np.testing.assert_array_equal(result.func_vals[:6], sound.func_vals)


UNITS = {"tiny": (2.0**-990, 0.0), "huge": (2.0**1000, 0.0), "far": (1.0, 2.0**40)}


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_a_value_does_not_matter(tmp_path, unit):
    def fn(x, scale=1.0, offset=0.0):
        value = round(64 * _sound(x)[0]) / 64  # exact beside any offset
        return value * scale + offset, {"g": (0.2 - x["a"]) * scale}

    settings = dict(n_trials=7, n_initial=4)
    plain = _run(tmp_path / "plain.journal", fn, **settings)
    scale, offset = UNITS[unit]
    moved = lambda x: fn(x, scale, offset)  # noqa: E731
    result = _run(tmp_path / "moved.journal", moved, **settings)
    if offset == 0:
        assert result.x_iters == plain.x_iters
    np.testing.assert_array_equal(
        (result.func_vals[:4] - offset) / scale, plain.func_vals[:4]
    )
    assert np.isfinite(result.fun) and result.success


def test_an_interrupt_between_evaluations_changes_nothing(tmp_path, monkeypatch):
    from pfnbo.model import Model

    settings = dict(n_initial=3, n_trials=5)
    whole = _run(tmp_path / "whole.journal", **settings)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    path = tmp_path / "study.journal"
    with monkeypatch.context() as patch:
        patch.setattr(Model, "fit", interrupted)
        stopped = _run(path, **settings)
    assert stopped.stop_reason == "interrupted" and stopped.nfev == 3
    assert _run(path, **settings).x_iters == whole.x_iters


def test_a_clock_that_goes_back_loses_nothing(tmp_path, sound, monkeypatch):
    import datetime

    class Back(datetime.datetime):
        hours = 0

        @classmethod
        def now(cls, tz=None):
            cls.hours += 1
            return super().now(tz) - datetime.timedelta(hours=cls.hours)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("optuna"):
            if getattr(module, "datetime", None) is datetime.datetime:
                monkeypatch.setattr(module, "datetime", Back)
    path = tmp_path / "study.journal"
    _run(path, n_trials=4)
    assert Back.hours > 0
    result = _run(path)
    assert sorted(map(str, result.x_iters)) == sorted(map(str, sound.x_iters))
    assert result.fun == sound.fun


LOCKED = """
import os, sys
from pathlib import Path
from pfnbo.storage.locks import locked
with locked(Path(sys.argv[1]), "a+"), locked(Path(sys.argv[1] + ".lock"), "a"):
    os.kill(os.getpid(), 9)
"""


def test_the_lock_of_a_dead_process_is_free(tmp_path, sound):
    path = tmp_path / "study.journal"
    _run(path, n_trials=2)
    subprocess.run([sys.executable, "-c", LOCKED, str(path)])
    assert _run(path).x_iters == sound.x_iters


def test_a_study_of_the_first_version_is_read(tmp_path):
    kept, path = Path(__file__).with_name("version_1.journal"), tmp_path / "s.journal"
    path.write_bytes(kept.read_bytes())
    study = Optimizer(
        {"a": (0.0, 1.0), "n": Int(1, 9)},
        n_constraints=["g"],
        storage=path,
    )
    result = study.result()
    assert result.nfev == 4 and result.n_failed == 1 and study.seed == 0
    assert result.errors[1] == "ValueError: no mesh"
    assert np.isnan(result.constr[2, 0]) and result.x == {"a": 0.25, "n": 7}


def test_nothing_of_ours_is_pickled_or_evaluated():
    root = Path(optimize.__code__.co_filename).parent
    words = re.compile(r"pickle\.load|import pickle|(?<![.\w])(eval|exec)\(")
    for file in root.rglob("*.py"):
        assert not words.search(file.read_text()), file


def _stored(path):
    storage = open_storage(path)
    return len(storage.get_all_trials(storage.get_all_studies()[0]._study_id))


def test_a_torn_record_costs_that_record(tmp_path, sound):
    path = tmp_path / "study.journal"
    _run(path, n_trials=4)
    os.truncate(path, path.stat().st_size - 12)
    with pytest.warns(UserWarning, match="unfinished record"):
        result = _run(path)
    assert sorted(map(str, result.x_iters)) == sorted(map(str, sound.x_iters))
    assert result.success and result.nfev == 6


def test_a_damaged_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "study.journal"
    _run(path, n_trials=4)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises(StorageError, match="damaged in record .* is the last good one"):
        _run(path)
    assert path.read_bytes() == damaged


def test_studies_of_others_are_refused(tmp_path):
    storage = open_storage(tmp_path / "study.journal")
    study = optuna.create_study(storage=storage, study_name="study")
    study.tell(study.ask(), 1.0)
    with pytest.raises(SettingError, match="made by another program"):
        _run(storage)


def test_studies_of_another_format_are_refused(tmp_path):
    path = tmp_path / "study.journal"
    _run(path, n_trials=1)
    storage = open_storage(path)
    [study] = storage.get_all_studies()
    newer = study.user_attrs["pfnbo"] | {"format": 2}
    storage.set_study_user_attr(study._study_id, "pfnbo", newer)
    with pytest.raises(StorageError, match="format 2, this pfnbo reads 1"):
        _run(path)


def test_trials_on_other_machines_are_waited_for(tmp_path):
    path = tmp_path / "study.journal"
    by_hand = Optimizer(
        {"a": (0.0, 1.0), "b": (0.0, 1.0)}, n_constraints=["g"], storage=path
    )
    [x] = by_hand.ask()
    storage = open_storage(path)
    storage.set_trial_system_attr(0, "pfnbo:owner", ["another machine", 1, "1", 0])
    with pytest.warns(UserWarning, match=r"trials \[0\] .* run on other machines"):
        result = _run(path, n_trials=3)
    assert result.nfev == 2 and x not in result.x_iters


KILLED = """
import sys
from pfnbo import optimize
def told(result):
    print(result.nfev, result.func_vals[-1], flush=True)
optimize(lambda x: x[0], [(0, 1)], 400, seed=0, n_initial=500, storage=sys.argv[1],
         callback=told)
"""


@pytest.mark.parametrize("file", FILES)
def test_what_was_told_before_a_kill_is_there(tmp_path, file):
    path, told = tmp_path / file, {}
    for round_ in range(2):
        job = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(random.Random(round_).randrange(5, 30)):
            number, value = job.stdout.readline().split()
            told[int(number)] = float(value)
        job.kill()
        for line in job.communicate()[0].splitlines(keepends=True):
            if line.endswith("\n"):
                told[int(line.split()[0])] = float(line.split()[1])
    result = Optimizer([(0, 1)], storage=path).result()
    assert len(told) > 9 and result.nfev >= len(told)
    for number, value in told.items():
        assert result.func_vals[number - 1] == value
    assert len(set(result.func_vals)) == result.nfev
