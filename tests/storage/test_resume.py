import json
import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from pfnbo import Categorical, Float, Int, Optimizer, SettingError, Space, optimize
from pfnbo.errors import StorageError

FILES = ("study.journal", "study.db")
BOX = {
    "x": (-5.0, 10.0),
    "rate": Float(1e-6, 1.0, log=True),
    "step": Float(0.1, 1.0, step=0.3),
    "n": Int(1, 9),
    "größe\n": Categorical([(1, 2), "a", None, 3.5]),
}


def _fn(x):
    if x["n"] == 4:
        raise RuntimeError("diverged")
    f = (x["x"] - 1) ** 2 + np.log10(x["rate"]) ** 2 + x["step"]
    return f, {"limit": x["x"] - 3, "other": np.nan if x["n"] == 5 else -1 / 3}


def _run(storage=None, n_trials=10, fn=_fn, **settings):
    return optimize(
        fn,
        BOX,
        n_trials,
        seed=0,
        n_initial=6,
        on_error="record",
        storage=storage,
        **settings,
    )


@pytest.fixture(scope="module")
def uninterrupted():
    return _run()


def _same(one, other):
    assert one.x_iters == other.x_iters and one.errors == other.errors
    np.testing.assert_array_equal(one.func_vals, other.func_vals)
    np.testing.assert_array_equal(one.constr, other.constr)
    assert one.constraint_names == other.constraint_names
    assert one.x == other.x and one.stop_reason == other.stop_reason


@pytest.mark.parametrize("file", FILES)
def test_a_run_in_parts_is_the_run_without_a_break(tmp_path, file, uninterrupted):
    for n in (1, 7, 8):
        assert _run(tmp_path / file, n).nfev == n
    _same(_run(str(tmp_path / file)), uninterrupted)
    again = _run(tmp_path / file, fn=lambda x: 1 / 0)
    _same(again, uninterrupted)


@pytest.mark.parametrize("file", FILES)
def test_optuna_reads_what_was_stored(tmp_path, file, uninterrupted):
    from pfnbo.storage import open_storage

    points = []
    _run(tmp_path / file, name="beam", fn=lambda x: points.append(x) or _fn(x))
    study = optuna.load_study(study_name="beam", storage=open_storage(tmp_path / file))
    assert len(study.trials) == 10
    best = min(uninterrupted.func_vals[uninterrupted.feasible])
    assert study.best_value == best
    for trial, x, error in zip(study.trials, points, uninterrupted.errors, strict=True):
        kept = dict(trial.params)
        assert kept.pop("größe\n") in (x["größe\n"], repr(x["größe\n"]))
        assert kept == {name: x[name] for name in kept} and len(kept) == 4
        assert trial.user_attrs.get("error", "") == error
        assert (trial.state.name == "FAIL") == bool(error)
        if not error:
            assert trial.constraints["limit"] == x["x"] - 3
            assert (trial.constraints["other"] == np.inf) == (x["n"] == 5)


def test_the_dashboard_reads_what_was_stored(tmp_path):
    serializer = pytest.importorskip("optuna_dashboard._serializer")
    from pfnbo.storage import open_storage

    _run(tmp_path / "study.journal", n_trials=3)
    storage = open_storage(tmp_path / "study.journal")
    [study] = storage.get_all_studies()
    trials = storage.get_all_trials(study._study_id)
    shown = [serializer.serialize_frozen_trial(study._study_id, t, {}) for t in trials]
    assert [len(t["params"]) for t in shown] == [5] * 3
    json.dumps(shown)


CHILD = """
import os, sys
from pfnbo import optimize
path, where, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
count = 0

def fn(x):
    global count
    count += 1
    if where == "within" and count == at:
        os.kill(os.getpid(), 9)
    return (x[0] - 1) ** 2 + x[1], x[0] - 3

def between(result):
    if where == "between" and count == at:
        os.kill(os.getpid(), 9)

result = optimize(fn, [(-5, 10), (0, 5)], 7, seed=0, n_initial=7, storage=path,
                  callback=between)
print(count, [list(x) for x in result.x_iters], list(result.func_vals))
"""


def _child(*args):
    command = [sys.executable, "-c", CHILD, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True)


def test_killed_processes_lose_nothing(tmp_path):
    whole = _child(tmp_path / "whole.db", "never", 0).stdout.split(maxsplit=1)[1]
    for file, where in [("a.journal", "within"), ("b.db", "between")]:
        killed = _child(tmp_path / file, where, 3)
        assert killed.returncode == -signal.SIGKILL
        resumed = _child(tmp_path / file, "never", 0)
        count, told = resumed.stdout.split(maxsplit=1)
        assert told == whole, resumed.stderr
        assert len(whole) > 100 and int(count) == (5 if where == "within" else 4)


def test_two_processes_share_a_study(tmp_path):
    path = tmp_path / "study.db"
    command = [sys.executable, "-c", CHILD, str(path), "never", "0"]
    pipe = subprocess.PIPE
    jobs = [
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)
    ]
    told = [job.communicate() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], told
    assert sum(int(out.split()[0]) for out, _ in told) == 7
    result = Optimizer([(-5, 10), (0, 5)], n_constraints=1, storage=path).result()
    assert result.nfev == 7 == len(np.unique(np.array(result.x_iters), axis=0))


def test_constraints_that_another_worker_has_named_are_taken_over(tmp_path):
    from pfnbo.storage.ledger import Ledger

    first, second = (Optimizer([(0, 1)], seed=0) for _ in range(2))
    for study in (first, second):
        study.attach(Ledger(tmp_path / "s.journal", "s"))
    first.expect_constraints(["g"])
    first.tell([0.5], 1.0, [2.0])
    second.ask()
    second.tell([0.25], 1.0, [3.0])
    assert second.result().constr.ravel().tolist() == [2.0, 3.0]
    late = Optimizer([(0, 1)], storage=tmp_path / "s.journal", name="s")
    with pytest.raises(SettingError, match="has the constraints"):
        late.expect_constraints(["h"])


def test_a_crowd_on_one_file_shares_points_and_count(tmp_path):
    from threading import Thread

    def work():
        while asked := study().ask():
            study().tell(asked[0], 1.0)

    def study():
        from pfnbo.storage.ledger import Ledger

        optimizer = Optimizer([(0.0, 1.0)], n_initial=100, seed=0)
        optimizer.attach(Ledger(tmp_path / "study.journal", "s", limit=20))
        return optimizer

    crowd = [Thread(target=work) for _ in range(4)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    points = [float(x[0]) for x in study().result().x_iters]
    assert len(points) == len(set(points)) == 20


def _alike(points, others):
    rows, wanted = ([Space(BOX).encode(x) for x in list_] for list_ in (points, others))
    np.testing.assert_allclose(rows, wanted, atol=1e-12)


def test_ask_and_tell_in_processes_that_end(tmp_path):
    def study():
        return Optimizer(BOX, n_constraints=["g"], storage=tmp_path / "s.db")

    asked = [study().ask()[0] for _ in range(3)]
    _alike(study().pending, asked)
    assert len({x["x"] for x in asked}) == 3
    study().tell(asked[1], 1.0, [2.0])
    study().tell(asked[0], failed="broke")
    study().tell(asked[0] | {"x": 0.25}, 3.0, [np.nan])
    _alike(study().pending, asked[2:])
    result = study().result()
    _alike(result.x_iters, [asked[1], asked[0], asked[0] | {"x": 0.25}])
    assert result.errors == ["", "broke", ""] and result.constr[0] == 2


def test_first_points_and_history_come_once(tmp_path):
    seen = []

    def fn(x):
        seen.append(x[0])
        return x[0]

    def run(n):
        history = ([[0.5]], [0.5])
        path = tmp_path / "s.journal"
        return optimize(
            fn, [(0, 1)], n, x0=[[0.1], [0.2]], history=history, storage=path
        )

    run(1)
    result = run(3)
    assert seen[:2] == [0.1, 0.2] and len(seen) == 3
    assert result.x_iters[0] == 0.5 and result.nfev == 4


@pytest.mark.parametrize(
    "changed, told",
    [
        (dict(bounds=[(0, 2)]), "'x0' is .*1.0.* there and .*2.0.* here"),
        (dict(bounds=[(0, 1), (0, 1)]), "'x1' is None there"),
        (dict(bounds={"y": (0, 1)}), "'x0' is .* there and None here"),
        (dict(maximize=True), "maximize=False"),
        (dict(n_constraints=["b"]), r"constraints \['a'\], not \['b'\]"),
    ],
)
def test_another_study_under_the_same_name_is_refused(tmp_path, changed, told):
    path = tmp_path / "study.journal"
    settings = dict(bounds=[(0, 1)], n_constraints=["a"])
    Optimizer(**settings, storage=path).tell([0.5], 1.0, [0.0])
    with pytest.raises(SettingError, match=f"(?s){told}.*another name="):
        Optimizer(**(settings | changed), storage=path)
    Optimizer(**(settings | changed), storage=path, name="another")


def test_overwritten_values_are_noticed(tmp_path):
    path = tmp_path / "study.db"
    _run(path, n_trials=4)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE trial_values SET value = value + 1 WHERE trial_id = 2")
    file.close()
    with pytest.raises(StorageError, match="trial 1 .* not what was written"):
        _run(path)


def test_an_interrupted_evaluation_is_the_next_one(tmp_path):
    def interrupted(x):
        raise KeyboardInterrupt

    path, asked = tmp_path / "s.journal", []
    optimize(interrupted, [(0, 1)], 2, seed=0, storage=path)
    optimize(lambda x: asked.append(x[0]) or x[0], [(0, 1)], 2, seed=0, storage=path)
    free = optimize(lambda x: x[0], [(0, 1)], 2, seed=0)
    assert asked == [x[0] for x in free.x_iters]


def test_a_full_disk_tells_the_value_and_the_run_goes_on_later(tmp_path, monkeypatch):
    path = tmp_path / "s.journal"

    def full(*_):
        raise OSError(28, os.strerror(28))

    def fn(x):
        monkeypatch.setattr(os, "fsync", full)
        return 0.125

    with pytest.raises(StorageError, match="No space left") as caught:
        optimize(fn, [(0, 1)], 2, seed=0, storage=path)
    assert "gave f=0.125" in caught.value.__notes__[0]
    monkeypatch.undo()
    assert optimize(lambda x: x[0], [(0, 1)], 2, seed=0, storage=path).nfev == 2
