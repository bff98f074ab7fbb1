import hashlib
import json
import os
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save as serialize

from pfnbo import checkpoint, shipped
from pfnbo.cli import main
from pfnbo.errors import CheckpointError

CONFIG = {
    "model": {"width": 8, "heads": [1, 2], "name": "rows", "scale": 0.1, "tie": None},
    "sizes": {"n": 64, "d": 5},
    "tasks_seen": 500_000,
}
SCORES = {"nll_gap": 0.0125, "by_d": {"2": 0.01}}


def make_params(dtype=jnp.float32):
    w, b = jax.random.split(jax.random.key(0))
    return {
        "cell": {
            "w": jax.random.normal(w, (3, 4), dtype),
            "scalar": jnp.ones((), dtype),
        },
        "head": {"out": {"b": jax.random.normal(b, (5,), dtype)}},
        "none": jnp.zeros((0, 2), dtype),
    }


@pytest.fixture
def folder(tmp_path):
    checkpoint.save(tmp_path / "net", make_params(), CONFIG, scores=SCORES)
    return tmp_path / "net"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Make a folder of shipped checkpoints with two of them."""
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path)
    for name in ("gp_fixed", "engineering"):
        path = tmp_path / "_checkpoints" / name
        checkpoint.save(path, make_params(), CONFIG, scores=SCORES)
    (tmp_path / "_checkpoints" / "README.md").write_text("no checkpoint")
    return tmp_path / "_checkpoints"


def edit_config(folder, change):
    facts = json.loads((folder / "config.json").read_text())
    change(facts)
    (folder / "config.json").write_text(json.dumps(facts))


def put_params(folder, data):
    """Replace the parameter file, and claim its bytes and hash."""
    (folder / "params.safetensors").write_bytes(data)
    claim = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit_config(folder, lambda facts: facts["params"].update(claim))


def assert_same(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("of", [str, Path])
def test_load_returns_what_was_saved(tmp_path, dtype, of):
    checkpoint.save(tmp_path / "net", make_params(dtype), CONFIG, scores=SCORES)
    found = checkpoint.load(of(tmp_path / "net"))
    assert_same(found.params, make_params(dtype))
    assert (found.config, found.scores) == (CONFIG, SCORES)


@pytest.mark.parametrize("store", ["float16", "bfloat16"])
def test_stored_in_halves_it_loads_as_rounded_float32(tmp_path, store):
    params = {"w": jax.random.normal(jax.random.key(1), (100, 100))}
    checkpoint.save(tmp_path / "net", params, CONFIG, store=store)
    assert (tmp_path / "net" / "params.safetensors").stat().st_size < 21_000
    rounded = params["w"].astype(store).astype(jnp.float32)
    assert_same(checkpoint.load(tmp_path / "net").params, {"w": rounded})


def test_a_transposed_view_keeps_its_values(tmp_path):
    params = {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    checkpoint.save(tmp_path / "net", params, CONFIG)
    assert_same(checkpoint.load(tmp_path / "net").params, params)


def test_texts_are_kept_verbatim_and_the_recipe_does_not_run(tmp_path):
    recipe = "raise SystemExit('ran')  # \u00e4\r\n"
    checkpoint.save(tmp_path / "net", make_params(), CONFIG, recipe=recipe, readme="")
    assert (tmp_path / "net" / "recipe.py").read_bytes() == recipe.encode()
    assert (tmp_path / "net" / "README.md").read_bytes() == b""
    checkpoint.load(tmp_path / "net")


def test_config_tells_licence_versions_and_hash(folder):
    facts = json.loads((folder / "config.json").read_text())
    data = (folder / "params.safetensors").read_bytes()
    assert facts["format"] == 1
    assert facts["licence"] == "Apache-2.0"
    assert set(facts["versions"]) == {"pfnbo", "jax", "numpy", "safetensors"}
    assert facts["params"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert json.loads((folder / "eval.json").read_text()) == SCORES


@pytest.mark.parametrize("file", ["params.safetensors", "config.json", "eval.json"])
def test_missing_file(folder, file):
    (folder / file).unlink()
    with pytest.raises(CheckpointError, match=f"{file} is missing"):
        checkpoint.load(folder)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_parameters(folder, keep):
    data = (folder / "params.safetensors").read_bytes()
    (folder / "params.safetensors").write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match="cut short, damaged or foreign"):
        checkpoint.load(folder)


@pytest.mark.parametrize("position", [0, 50, -1])
def test_flipped_bit_of_the_parameters(folder, position):
    data = bytearray((folder / "params.safetensors").read_bytes())
    data[position] ^= 1
    (folder / "params.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="cut short, damaged or foreign"):
        checkpoint.load(folder)


@pytest.mark.parametrize("file", ["config.json", "eval.json"])
@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_broken_json(folder, file, text):
    (folder / file).write_bytes(text)
    with pytest.raises(CheckpointError, match=file):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "name", ["format", "licence", "versions", "params", "model", "sizes", "tasks_seen"]
)
def test_missing_field_of_the_configuration(folder, name):
    edit_config(folder, lambda facts: facts.pop(name))
    with pytest.raises(CheckpointError, match=f"'{name}' is None, wanted"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "array", [3, {}, {"shape": [1], "dtype": "object", "stored": "float32"}]
)
def test_odd_claim_about_an_array(folder, array):
    edit_config(folder, lambda facts: facts["params"]["arrays"].update(none=array))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda t: t.pop("none"), "do not name the same arrays: \\['none'\\]"),
        (lambda t: t.update(x=np.ones(1)), "do not name the same arrays: \\['x'\\]"),
        (lambda t: t.update(none=np.ones(2, np.float32)), "'none' is"),
        (lambda t: t.update(none=np.ones((0, 2), np.int32)), "'none' is"),
    ],
)
def test_foreign_arrays_with_a_right_hash(folder, change, words):
    tensors = dict(checkpoint._flat(make_params()))
    change(tensors)
    put_params(folder, serialize(tensors))
    with pytest.raises(CheckpointError, match=words):
        checkpoint.load(folder)


def test_an_array_that_is_also_a_group(folder):
    tensors = {name: np.ones(1, np.float32) for name in ("a", "a.b")}
    claim = {"shape": [1], "dtype": "float32", "stored": "float32"}
    edit_config(
        folder, lambda f: f["params"].update(arrays=dict.fromkeys(tensors, claim))
    )
    put_params(folder, serialize(tensors))
    with pytest.raises(CheckpointError, match="both arrays and groups"):
        checkpoint.load(folder)


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"\xff" * 100])
def test_another_format_with_a_right_hash(folder, data):
    put_params(folder, data)
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        checkpoint.load(folder)


def test_newer_format(folder):
    edit_config(folder, lambda facts: facts.update(format=2))
    with pytest.raises(CheckpointError, match="pip install -U pfnbo"):
        checkpoint.load(folder)


def test_too_large(folder):
    os.truncate(folder / "params.safetensors", checkpoint.MAX_BYTES + 1)  # sparse
    with pytest.raises(CheckpointError, match="at most"):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", ["net.pt", "net.pkl", "net.PTH"])
def test_pickled_file_is_refused_unread(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CheckpointError, match="unpickling runs any code"):
        checkpoint.load(tmp_path / name)


def test_a_file_is_no_folder(folder):
    with pytest.raises(CheckpointError, match="give its folder"):
        checkpoint.load(folder / "params.safetensors")


def test_unknown_name_offers_the_nearest(shelf):
    with pytest.raises(CheckpointError, match="did you mean 'engineering'"):
        checkpoint.load("enginering")
    with pytest.raises(CheckpointError, match="no checkpoint or folder 'zzz'"):
        checkpoint.load("zzz")


def test_shipped_checkpoints_are_listed_with_scores_and_load_by_name(shelf):
    assert checkpoint.names() == {"engineering": SCORES, "gp_fixed": SCORES}
    assert_same(checkpoint.load("gp_fixed").params, make_params())


def test_every_shipped_checkpoint_loads():
    for name in checkpoint.names():
        checkpoint.load(name)


def test_a_killed_save_leaves_the_old_checkpoint(folder, monkeypatch):
    def die(path, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "_write", die)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(folder, {"w": jnp.ones(1)}, CONFIG)
    assert_same(checkpoint.load(folder).params, make_params())
    assert [path.name for path in folder.parent.iterdir()] == ["net"]


def test_killed_between_the_renames_the_old_one_is_found_and_replaced(folder):
    folder.rename(folder.parent / "net.old")
    assert_same(checkpoint.load(folder).params, make_params())
    checkpoint.save(folder, {"w": jnp.ones(1)}, CONFIG)
    assert_same(checkpoint.load(folder).params, {"w": jnp.ones(1)})
    assert [path.name for path in folder.parent.iterdir()] == ["net"]


def test_saving_again_replaces_every_file(folder):
    checkpoint.save(folder, {"w": jnp.ones(1)}, CONFIG, recipe="1")
    checkpoint.save(folder, {"w": jnp.zeros(1)}, CONFIG)
    assert not (folder / "recipe.py").exists()
    assert checkpoint.load(folder).scores == {}


def test_a_folder_with_other_files_is_not_replaced(folder):
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="other things than a checkpoint"):
        checkpoint.save(folder, make_params(), CONFIG)
    assert (folder / "thesis.txt").exists()


@pytest.mark.parametrize(
    "params, words",
    [
        ({}, "is empty"),
        ({"a": {}}, "'a.' is empty"),
        ({"a.b": np.ones(1, np.float32)}, "without dots"),
        ({0: np.ones(1, np.float32)}, "has the key 0"),
        ({"a": np.ones(1)}, "'a' is float64"),
        ({"a": np.array(["x"], object)}, "'a' is object"),
        ({"a": np.array([np.nan], np.float32)}, "not finite"),
        ({"a": np.array([1e9], np.float32)}, "not finite as float16"),
    ],
)
def test_parameters_that_cannot_be_kept(tmp_path, params, words):
    with pytest.raises(CheckpointError, match=words):
        checkpoint.save(tmp_path / "net", params, CONFIG, store="float16")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change, words",
    [
        ({"model": {"heads": (1, 2)}}, "lists instead of tuples"),
        ({"model": {1: 2}}, "strings as keys"),
        ({"model": {"rate": float("nan")}}, "plain JSON"),
        ({"model": {"w": np.ones(1)}}, "plain JSON"),
        ({"tasks_seen": 1.5}, "'tasks_seen' is 1.5, wanted int"),
        ({"more": 1}, "config has the fields"),
    ],
)
def test_configuration_that_cannot_be_kept(tmp_path, change, words):
    with pytest.raises(CheckpointError, match=words):
        checkpoint.save(tmp_path / "net", make_params(), CONFIG | change)
    assert not any(tmp_path.iterdir())


def test_unknown_store(tmp_path):
    with pytest.raises(CheckpointError, match="store is 'int8'"):
        checkpoint.save(tmp_path / "net", make_params(), CONFIG, store="int8")


def test_command_lists_and_shows(shelf, capsys):
    assert main(["checkpoints"]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["checkpoint", "MB", "tasks", "seen", "scores"]
    assert first.split()[:5] == ["engineering", "0.00", "500,000", "nll_gap", "0.0125,"]
    assert second.split()[0] == "gp_fixed"
    assert main(["checkpoints", "gp_fixed"]) == 0
    out = capsys.readouterr().out
    assert 'model       {"width": 8' in out
    assert "Apache-2.0" in out


def test_command_on_an_unknown_name_is_one_line(shelf, capsys):
    assert main(["checkpoints", "gp_fix"]) == 2
    assert "did you mean 'gp_fixed'" in capsys.readouterr().err


def test_scores_are_kept_with_a_checkpoint_and_with_nothing_else(tmp_path):
    with pytest.raises(CheckpointError):
        checkpoint.rescore(tmp_path, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []
    copy = shutil.copytree(checkpoint.find("gp_fixed"), tmp_path / "net")
    checkpoint.rescore(copy, {"loss": 1.0})
    assert checkpoint.load(copy).scores == {"loss": 1.0}
    assert {path.name for path in tmp_path.iterdir()} == {"net"}
