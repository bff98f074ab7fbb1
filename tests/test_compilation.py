"""The compilation cache; processes of its own, since its switch is global."""

import os
import subprocess
import sys

import jax
import pytest

from pfnbo.compilation import VARIABLE, enable_compilation_cache

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
