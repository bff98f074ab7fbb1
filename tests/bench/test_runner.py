"""The runner: shared designs, resumption, processes that die, methods that fail."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pfnbo
from pfnbo.bench import runner
from pfnbo.bench.methods import METHODS
from pfnbo.bench.results import load
from pfnbo.bench.runner import Plan
from pfnbo.bench.worker import execute
from pfnbo.cli import main
from pfnbo.errors import BenchError, ProblemError

COMMAND = [sys.executable, "-c", "from pfnbo.cli import main; exit(main())", "bench"]
OPTIONS = "--problems branin gomez3 --methods sobol scipy_de --seeds 3"
OPTIONS = [*OPTIONS.split(), "--trials", "40", "--workers", "2", "--quiet"]
SLOW = "import sys, time\ntime.sleep(1000)"


def outcome(run):
    """What a run found, without its times."""
    return run.f.tolist(), run.violation.tolist()


def test_killed_and_resumed_nothing_is_lost_or_doubled(tmp_path):
    path = tmp_path / "r.jsonl"
    command = [*COMMAND, str(path), *OPTIONS]
    held, delays = b"", iter(np.random.default_rng(0).uniform(0, 0.2, 3))
    for least in (1, 3, 6):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not path.exists() or path.read_bytes().count(b"\n") < least:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(next(delays))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = path.read_bytes()
        assert found.startswith(held)
        held = found[: found.rfind(b"\n") + 1]
        path.write_bytes(held + held[:50])  # as if killed while it wrote a line
    assert held.count(b"\n") < 12
    assert subprocess.run(command).returncode == 0
    after = path.read_bytes()
    assert after.startswith(held)
    assert after.count(b"\n") == len(load([path])) == 12
    again = load([path])["gomez3", "scipy_de", 2]
    assert outcome(again) == outcome(execute("gomez3", "scipy_de", 2, 40, 10))


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    assert main(["bench", str(tmp_path / "r.jsonl"), "--quiet"]) == 130
    assert "goes on" in capsys.readouterr().err


def test_a_worker_ends_with_its_input():
    job = f'{{"problem": "branin", "method": "a={sys.executable} -c \'{SLOW}\'", '
    job = job.replace("\n", "\\n") + '"seed": 0, "trials": 5, "initial": 2}\n'
    worker = subprocess.Popen(
        [sys.executable, "-m", "pfnbo.bench.worker"], stdin=subprocess.PIPE
    )
    worker.stdin.write(job.encode())
    worker.stdin.close()
    assert worker.wait(timeout=60) == 0


def test_all_methods_share_the_design_and_tell_what_they_cost(tmp_path):
    path = tmp_path / "r.jsonl"
    methods = ["random", "sobol", "cma:sigma=0.1"]
    plan = Plan(["townsend"], methods, [0, 1], trials=14, initial=6)
    assert runner.run(plan, path, progress=False) == []
    runs = load([path])
    for seed in (0, 1):
        designs = {tuple(runs["townsend", m, seed].f[:6]) for m in methods}
        assert len(designs) == 1
    assert runs["townsend", "sobol", 0].f[0] != runs["townsend", "sobol", 1].f[0]
    for run in runs.values():
        assert run.trials == 14 and run.initial == 6
        assert np.all(run.cpu[:6] == 0) and np.all(run.wall[6:] > 0)
        assert run.memory > 50  # MB: Python with JAX
        assert run.versions["numpy"] == np.__version__
        assert run.date.endswith("+00:00") and run.machine
        assert run.versions["pfnbo"].startswith(pfnbo.__version__)
    assert runner.missing(plan.jobs(), path) == []
    longer = Plan(["townsend"], ["sobol"], [0], trials=20, initial=6)
    assert len(runner.missing(longer.jobs(), path)) == 1
    other = Plan(["townsend"], ["sobol"], [0], trials=14, initial=7)
    with pytest.raises(BenchError, match="design of 6 and not 7: name another"):
        runner.missing(other.jobs(), path)


def test_a_method_that_fails_is_told_and_stops_no_other(tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    methods = ["mute=true", "dead=false", "sobol"]
    options = ["--problems", "gomez3", "--methods", *methods, "--seeds", "1"]
    assert main(["bench", str(path), *options, "--trials", "12", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert "failed: gomez3, mute, seed 0: 'true' gave no point" in err
    assert "failed: gomez3, dead, seed 0: " in err
    assert [run.method for run in load([path]).values()] == ["sobol"]


def test_a_process_that_dies_is_told(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    python.chmod(0o755)
    pool = runner._Pool(1, {"sobol": str(python)})
    with pool:
        jobs = Plan(["branin"], ["sobol"], [0]).jobs()
        ((_, what),) = pool.outcomes(jobs)
    assert what == "its process ended with code 3: broken"


@pytest.mark.parametrize(
    "changes, error, told",
    [
        (dict(methods=["cmaes"]), BenchError, "did you mean 'cma'"),
        (dict(methods=["cma:sgma=1"]), BenchError, "it has sigma"),
        (dict(methods=["sobol:sigma=1"]), BenchError, "it has none"),
        (dict(methods=["cma:sigma"]), BenchError, "wanted cma:key=value"),
        (dict(problems=["branni"]), ProblemError, "did you mean 'branin'"),
        (dict(trials=10), BenchError, "more trials"),
        (dict(pythons={"hebo": "/x"}), BenchError, "not run"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(changes, error, told):
    fields = dict(problems=["branin"], methods=["sobol"], seeds=[0], trials=20)
    with pytest.raises(error, match=told):
        Plan(**(fields | changes)).jobs()


def test_the_command_needs_a_file_and_lists_methods(tmp_path, capsys):
    assert main(["bench"]) == 2
    assert "pfnbo bench results.jsonl" in capsys.readouterr().err
    assert main(["bench", str(tmp_path / "r.csv"), "--quiet"]) == 2
    assert "r.jsonl" in capsys.readouterr().err
    assert main(["bench", "r.jsonl", "--python", "cma"]) == 2
    assert "METHOD=PATH" in capsys.readouterr().err
    assert main(["bench", "--list"]) == 0
    told = capsys.readouterr().out
    assert "scrambled Sobol" in told and "neural_linear" in told


def test_what_is_not_installed_is_refused_before_anything_runs(monkeypatch):
    lost = replace(METHODS["cma"], module="no_such_module")
    monkeypatch.setitem(METHODS, "cma", lost)
    fields = dict(problems=["branin"], methods=["cma:sigma=0.1"], seeds=[0])
    with pytest.raises(BenchError, match="pip install cma, or name an interpreter"):
        Plan(**fields).jobs()
    assert Plan(**fields, pythons={"cma:sigma=0.1": "/x"}).jobs()
    monkeypatch.setitem(runner.SETS, "simulated", tuple)
    with pytest.raises(BenchError, match=r"no simulator of 'simulated'"):
        Plan(["simulated"], ["sobol"], [0]).jobs()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_the_peak_of_the_parent_is_not_the_child_s():
    held = np.ones(60_000_000)  # 480 MB
    code = (
        "from pfnbo.bench import worker; worker._forget_peak(); print(worker._peak())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 10 < float(told.stdout) < 450 <= held.nbytes / 1e6


def test_sets_of_problems_are_names():
    problems = [job.problem for job in Plan(["all"], ["sobol"], [0]).jobs()]
    parts = Plan(["constrained", "unconstrained"], ["sobol"], [0]).jobs()
    assert sorted(problems) == sorted(job.problem for job in parts)
