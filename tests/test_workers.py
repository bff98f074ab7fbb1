import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pfnbo import SettingError, optimize

MODULE = """
import os, subprocess, time

def fn(x):
    if x[0] > 0.75:
        child = subprocess.Popen(["sleep", "600"])
        open(os.environ["PIDS"], "a").write(f"{os.getpid()} {child.pid} ")
        time.sleep(600)
    if x[0] < 0.25:
        os.kill(os.getpid(), 11)
    return x[0], [x[0] - 0.6]

def broken(x):
    raise KeyError("nothing")

def odd(x):
    return lambda: x
"""


@pytest.fixture
def objective(tmp_path, monkeypatch):
    (tmp_path / "objective_elsewhere.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    import importlib

    return importlib.import_module("objective_elsewhere")


def _run(fn, n_trials=8, **settings):
    with ProcessPoolExecutor(2) as pool:
        settings = dict(executor=pool, evaluation_timeout=1.0, batch_size=2) | settings
        return optimize(fn, [(0.0, 1.0)], n_trials, seed=0, n_initial=99, **settings)


def test_hanging_and_dying_evaluations_fail_and_the_run_goes_on(objective, tmp_path):
    result = _run(objective.fn)
    assert result.nfev == 8 and result.stop_reason == "n_trials"
    for x, f, error in zip(
        result.x_iters, result.func_vals, result.errors, strict=True
    ):
        if x[0] > 0.75:
            assert error == "EvaluationError: took longer than 1 s and was ended"
        elif x[0] < 0.25:
            assert error == "EvaluationError: its process died with exit code -11"
        else:
            assert not error and f == x[0]
    assert result.n_failed == 4
    for pid in (tmp_path / "pids").read_text().split():
        assert _ended(int(pid))


def _ended(pid):
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # killed, and nobody has asked
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    "name, told", [("broken", "KeyError: 'nothing'"), ("odd", "TypeError: .* be sent")]
)
def test_exceptions_come_back(objective, name, told):
    result = _run(getattr(objective, name), n_trials=2, on_error="record")
    assert len(result.errors) == 2
    with pytest.raises((KeyError, TypeError)) as caught:
        _run(getattr(objective, name), n_trials=2)
    assert caught.match(told.partition(": ")[2])


def test_executors_that_cannot_end_an_evaluation_are_refused():
    def never(x):
        raise AssertionError("evaluated")

    with ThreadPoolExecutor(1) as pool:
        for executor in (pool, None):
            with pytest.raises(SettingError, match="executor=ProcessPoolExecutor"):
                _run(never, executor=executor)
    with pytest.raises(SettingError, match="at the top of a module"):
        _run(never)
    with pytest.raises(SettingError, match="evaluation_timeout"):
        _run(os.path.getsize, evaluation_timeout="1 s")


def test_a_process_pool(objective):
    with ProcessPoolExecutor(2, mp_context=_spawn()) as pool:
        result = optimize(
            objective.fn,
            [(0.3, 0.7)],
            6,
            seed=0,
            n_initial=99,
            executor=pool,
            batch_size=2,
        )
    assert sorted(result.func_vals) == sorted(x[0] for x in result.x_iters)
    assert len(np.unique(result.func_vals)) == 6 and result.n_failed == 0


def _spawn():
    import multiprocessing

    return multiprocessing.get_context("spawn")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("processes", [False, True])
def test_dask(processes):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=processes,
        dashboard_address=None,
    ) as cluster:
        with cluster.get_client() as client, client.get_executor() as executor:
            result = _run(
                lambda x: (x[0] - 0.5) ** 2, executor=executor, evaluation_timeout=None
            )
    assert result.nfev == 8 and result.n_failed == 0
