"""The file of results: what a crash can and can't do to it."""

import json
from pathlib import Path

import numpy as np
import pytest

from pfnbo.bench.results import Appender, Run, line, load
from pfnbo.errors import BenchError

ROOT = Path(__file__).parents[2]


def make_run(seed, method="random", f=(1.0, np.nan, 1 / 3)):
    f = np.array(f)
    cpu = np.array([0, 0.25, np.nan])
    violation = np.array([0, np.nan, 2.5])
    told = 12.5, "d", {"jax": "1"}, [0.5, "steel", 3]
    return Run("p", method, seed, 1, f, violation, cpu, cpu, *told)


def write(path, *runs):
    with Appender(path) as file:
        for run in runs:
            file.append(run)


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "new" / "r.jsonl"
    write(path, make_run(0), make_run(1))
    first, second = load([path]).values()
    assert line(first) == line(make_run(0))
    assert second.key == ("p", "random", 1)
    assert first.versions == {"jax": "1"} and first.memory == 12.5
    np.testing.assert_array_equal(first.feasible, [True, False, False])
    assert first.best == [0.5, "steel", 3]
    falling = make_run(0, f=(3.0, 2.0, 1.0))
    falling.violation[:] = 0
    assert falling.first(3).best == falling.best and not falling.first(2).best
    assert first.first(1).best == first.best  # found at once, and nothing better later


def test_runs_of_before_all_facts_were_kept_are_read(tmp_path):
    told = json.loads(line(make_run(0)))
    del told["best"], told["machine"]
    (tmp_path / "r.jsonl").write_text(json.dumps(told) + "\n")
    (run,) = load([tmp_path / "r.jsonl"]).values()
    assert run.f[0] == 1.0 and not run.best


def test_a_line_torn_anywhere_costs_that_run_only(tmp_path):
    path = tmp_path / "r.jsonl"
    write(path, make_run(0), make_run(1))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for cut in (start, start + 1, len(whole) - 20, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert [run.seed for run in load([path]).values()] == [0]
        write(path, make_run(1))
        assert path.read_bytes() == whole


def test_a_file_of_one_torn_line_is_empty(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(line(make_run(0)).encode()[:-1])
    assert load([path]) == {}
    write(path, make_run(0))
    assert len(load([path])) == 1


def test_the_last_run_of_a_key_counts(tmp_path):
    path = tmp_path / "r.jsonl"
    write(path, make_run(0), make_run(0, f=(3.0, 2.0, 1.0)))
    assert load([path])["p", "random", 0].f[-1] == 1.0


def test_different_runs_of_one_key_in_two_files_are_refused(tmp_path):
    one, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write(one, make_run(0), make_run(1))
    write(other, make_run(1), make_run(2))
    assert len(load([tmp_path])) == 3  # a copy does no harm
    write(other, make_run(0, f=(3.0, 2.0, 1.0)))
    with pytest.raises(BenchError, match=r"a.jsonl and .*b.jsonl .* seed 0: name one"):
        load([one, other])
    worse = make_run(2)
    worse.violation[0] = 1.0
    write(tmp_path / "c.jsonl", worse)
    with pytest.raises(BenchError, match="of 3 and 3 evaluations.* seed 2"):
        load([other, tmp_path / "c.jsonl"])


def test_two_writers_do_not_mix(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "r.jsonl"
    with Appender(path), pytest.raises(BenchError, match="another process"):
        Appender(path)
    write(path, make_run(0))


def test_damage_in_the_middle_names_the_line(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(line(make_run(0)) + '{"problem": 1}\n' + line(make_run(1)))
    with pytest.raises(BenchError, match="line 2 is no run"):
        load([path])


def test_a_missing_file_says_what_to_type(tmp_path):
    with pytest.raises(BenchError, match="pfnbo bench"):
        load([tmp_path / "none.jsonl"])


def test_rows_of_a_csv_file_are_runs(tmp_path):
    text = "problem,method,seed,trial,f,violation,cpu\n"
    text += "p,ax,3,1,5.0,1.0,0.0\np,ax,3,2,4.0,0.0,0.5\np,ax,3,4,1.0,0.0,0.5\n"
    (tmp_path / "old.csv").write_text(text)
    (run,) = load([tmp_path]).values()
    assert (run.key, run.initial, run.trials) == (("p", "ax", 3), 1, 2)
    np.testing.assert_array_equal(run.incumbents, [np.inf, 4.0])
    (tmp_path / "old.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BenchError, match="wanted the columns"):
        load([tmp_path])


def test_kept_comparisons_stay_readable():
    runs = load([ROOT / "experiments/compare/peers.csv"])
    assert len({run.method for run in runs.values()}) == 8
    assert {run.initial for run in runs.values()} == {10}
