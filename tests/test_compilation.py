"""The compilation cache, in processes of its own, and the room for programs."""

import os
import subprocess
import sys

import jax
import pytest

from pfnbo import compilation, optimize
from pfnbo.compilation import VARIABLE, enable_compilation_cache, make_room_for_programs

RUN = """
from pfnbo import optimize
f = lambda x: (x[0] - 0.3) ** 2
print(optimize(f, [(0, 1)], n_trials=4, n_initial=3, seed=0, progress=False).x)
"""


def _run(folder) -> str:
    env = {**os.environ, VARIABLE: str(folder)}
    return subprocess.check_output([sys.executable, "-c", RUN], env=env, text=True)


def test_damaged_entries_are_compiled_again(tmp_path):
    first = _run(tmp_path)
    entries = [path for path in tmp_path.iterdir() if path.name.endswith("-cache")]
    assert len(entries) >= 2
    entries[0].write_bytes(b"")
    for path in entries[1:]:
        path.write_bytes(path.read_bytes()[:1000])
    assert _run(tmp_path) == first


@pytest.mark.parametrize("wish", ["off", "0", "file/below"])
def test_no_cache_where_it_is_unwanted_or_impossible(wish, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, wish)
    before = jax.config.values["jax_compilation_cache_dir"]
    enable_compilation_cache()
    assert jax.config.values["jax_compilation_cache_dir"] == before


@pytest.mark.skipif(not compilation.REGIONS.exists(), reason="needs Linux")
@pytest.mark.parametrize(("limit", "held"), [("100", 0), ("1000000000", 1), ("?", 1)])
def test_programs_are_forgotten_before_the_process_has_no_room(
    limit, held, tmp_path, monkeypatch
):
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(compilation, "REGIONS", tmp_path / "limit")
    program = jax.jit(lambda x: x + 1)
    assert program(1) == 2
    make_room_for_programs()
    assert program._cache_size() == held
    assert program(2) == 3


@pytest.mark.skipif(not compilation.REGIONS.exists(), reason="needs Linux")
def test_a_search_makes_room_and_ends_as_it_would_without(tmp_path, monkeypatch):
    def search():
        return optimize(
            lambda x: (x[0] - 0.3) ** 2,
            [(0, 1)],
            n_trials=5,
            n_initial=3,
            seed=0,
            progress=False,
        )

    kept = jax.jit(lambda x: x + 1)
    kept(1)
    before = search()
    assert kept._cache_size() == 1
    (tmp_path / "limit").write_text("100")
    monkeypatch.setattr(compilation, "REGIONS", tmp_path / "limit")
    assert search().x == before.x
    assert kept._cache_size() == 0
