"""Checkpoints: the folder that keeps a trained network, without pickle or code.

NAME/
├── params.safetensors   the arrays, under dotted names
├── config.json          what the arrays are, and what they were trained for
├── eval.json            scores
├── recipe.py            the recipe, verbatim; never run here     (optional)
└── README.md            for people                               (optional)
"""

import difflib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as serialize

from pfnbo import shipped
from pfnbo.errors import CheckpointError

FORMAT = 1
LICENCE = "Apache-2.0"
MAX_BYTES = 2**30  # a file is read whole, so a hostile one must not fill the memory
PARAMS, CONFIG, EVAL = "params.safetensors", "config.json", "eval.json"
RECIPE, README = "recipe.py", "README.md"
FILES = {PARAMS, CONFIG, EVAL, RECIPE, README}
TAGS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}  # of safetensors
DTYPES = tuple(TAGS.values())
PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")
USER_FIELDS = {"model": dict, "sizes": dict, "tasks_seen": int}
FIELDS = USER_FIELDS | {
    "format": int,
    "licence": str,
    "versions": dict,
    "params": dict,
}


@dataclass(frozen=True)
class Checkpoint:
    """A trained network: its parameters, its configuration and its scores."""

    params: dict[str, Any]  # nested dicts of arrays
    config: dict[str, Any]  # "model", "sizes", "tasks_seen"
    scores: dict[str, Any]


def save(
    folder: str | Path,
    params: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    scores: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    readme: str | None = None,
    store: str | None = None,
) -> None:
    """Write a checkpoint folder; the old one stays until the new one is whole.

    Args:
        folder: where to; its parents are made.
        params: nested dicts of float32, bfloat16 or float16 arrays.
        config: plain JSON values: "model" (a dict: the network's configuration),
            "sizes" (a dict: what it was trained for), "tasks_seen" (a whole number).
        scores: plain JSON values.
        recipe: the text of the recipe file.
        readme: the text of the README.
        store: "bfloat16" or "float16" keeps float32 arrays on disk with half the
            bytes; they load as float32.

    Raises:
        CheckpointError: when something can't be kept, or the folder holds other files.
    """
    folder = Path(os.path.abspath(folder))
    data, arrays = _packed(params, store)
    packages = ("pfnbo", "jax", "numpy", "safetensors")
    facts = {
        "format": FORMAT,
        "licence": LICENCE,
        "versions": {name: version(name) for name in packages},
        **_user_config(config),
        "params": {"sha256": _sha256(data), "bytes": len(data), "arrays": arrays},
    }
    files = {
        PARAMS: data,
        CONFIG: _json("config", facts),
        EVAL: _json("scores", dict(scores or {})),
    }
    texts = {RECIPE: recipe, README: readme}
    files |= {name: text.encode() for name, text in texts.items() if text is not None}
    _replace(folder, files)


def rescore(name_or_path: str | Path, scores: Mapping[str, Any]) -> None:
    """Keep other scores, plain JSON values, with a checkpoint.

    Raises:
        CheckpointError: when there is none.
    """
    folder = find(name_or_path).resolve()
    read_config(folder)
    # Beside the folder: a file left over in it would be taken for a stranger's.
    part = folder.with_name(f".{folder.name}.part")
    _write(part, _json("scores", dict(scores)))
    os.replace(part, folder / EVAL)


def load(name_or_path: str | Path) -> Checkpoint:
    """Return a shipped checkpoint by name, or the one in a folder, checked throughout.

    Nothing is unpickled and the recipe is not run.

    Raises:
        CheckpointError: when there is none, or its files are not what they claim.
    """
    folder = find(name_or_path)
    facts = read_config(folder)
    params = _unpacked(folder / PARAMS, facts["params"])
    config = {field: facts[field] for field in USER_FIELDS}
    return Checkpoint(params, config, _read_json(folder / EVAL))


def names() -> dict[str, dict[str, Any]]:
    """Return the scores of every shipped checkpoint by its name, sorted."""
    return {name: _read_json(find(name) / EVAL) for name in _shipped_names()}


def find(name_or_path: str | Path) -> Path:
    """Return the folder of a shipped checkpoint, or the given one if it exists."""
    if name_or_path in (known := _shipped_names()):
        return shipped.folder("checkpoints") / name_or_path
    path = Path(name_or_path)
    if path.suffix.lower() in PICKLED and not path.is_dir():
        raise CheckpointError(
            f"{path} looks pickled, and unpickling runs any code: pfnbo loads folders "
            "that pfnbo.checkpoint.save wrote."
        )
    for folder in (path, _backup(path)):
        if folder.is_dir():
            return folder
    if path.is_file():
        raise CheckpointError(f"{path} is a file: give its folder, {path.parent}.")
    close = difflib.get_close_matches(str(name_or_path), known)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise CheckpointError(
        f"no checkpoint or folder {str(name_or_path)!r}: {hint}"
        "(`pfnbo checkpoints` lists the shipped ones)"
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Return the whole of `config.json`, with every field of the right type."""
    path = folder / CONFIG
    facts = _read_json(path)
    newer = facts.get("format")
    if isinstance(newer, int) and newer > FORMAT:
        raise CheckpointError(
            f"{path} has format {newer}, this pfnbo reads {FORMAT}: "
            "pip install -U pfnbo."
        )
    _check_fields(path, facts, FIELDS)
    _check_fields(path, facts["params"], {"sha256": str, "bytes": int, "arrays": dict})
    for name, array in facts["params"]["arrays"].items():
        if not isinstance(array, dict):
            raise CheckpointError(
                f"{path}: array {name!r} is {array!r}, not an object."
            )
        _check_fields(path, array, {"shape": list, "dtype": str, "stored": str})
        if not {array["dtype"], array["stored"]} <= set(DTYPES):
            raise CheckpointError(
                f"{path}: the dtypes of {name!r} must be in {DTYPES}."
            )
    return facts


def _check_fields(path: Path, facts: dict, fields: Mapping[str, type]) -> None:
    for name, kind in fields.items():
        value = facts.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CheckpointError(
                f"{path}: {name!r} is {value!r}, wanted {kind.__name__}."
            )


def _shipped_names() -> list[str]:
    return sorted(
        p.parent.name for p in shipped.folder("checkpoints").glob("*/" + CONFIG)
    )


def _user_config(config: Mapping[str, Any]) -> dict[str, Any]:
    if set(config) != set(USER_FIELDS):
        raise CheckpointError(
            f"config has the fields {sorted(config)}: wanted {sorted(USER_FIELDS)}."
        )
    _check_fields(Path("config"), dict(config), USER_FIELDS)
    return dict(config)


def _json(name: str, value: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{name} must be plain JSON values: {error}.") from error
    if json.loads(text) != value:
        raise CheckpointError(
            f"{name} does not come back from JSON as it was: "
            "use lists instead of tuples, and strings as keys."
        )
    return text.encode() + b"\n"


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: the checkpoint is incomplete.")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise CheckpointError(f"{path} has {size} bytes: at most {MAX_BYTES} are read.")
    return path.read_bytes()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path))
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is one
        raise CheckpointError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds {value!r}: wanted a JSON object.")
    return value


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _packed(params: Mapping[str, Any], store: str | None) -> tuple[bytes, dict]:
    """Return the bytes of the parameter file, and what each array in it is."""
    if store not in (None, "bfloat16", "float16"):
        raise CheckpointError(
            f"store is {store!r}: wanted None, 'bfloat16' or 'float16'."
        )
    tensors, arrays = {}, {}
    for name, array in sorted(_flat(params), key=lambda pair: pair[0]):
        stored = _stored(name, array, store)
        tensors[name] = stored
        arrays[name] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "stored": str(stored.dtype),
        }
    return serialize(tensors), arrays


def _stored(name: str, array: np.ndarray, store: str | None) -> np.ndarray:
    if str(array.dtype) not in DTYPES:
        raise CheckpointError(
            f"params {name!r} is {array.dtype}: wanted one of {DTYPES}."
        )
    if store and array.dtype == np.float32:
        with np.errstate(over="ignore"):
            array = array.astype(jnp.dtype(store))
    if not np.isfinite(array.astype(np.float32)).all():
        raise CheckpointError(f"params {name!r} is not finite as {array.dtype}.")
    return np.require(array, requirements="C")  # what safetensors writes as it lies


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not params:
        raise CheckpointError(f"params {prefix!r} is empty: leave it out.")
    for key, value in params.items():
        if not isinstance(key, str) or not key or "." in key:
            raise CheckpointError(
                f"params {prefix!r} has the key {key!r}: wanted a string without dots."
            )
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, np.asarray(value)


def _unpacked(path: Path, claim: dict[str, Any]) -> dict[str, Any]:
    """Return the nested parameters, if the file is what the configuration claims."""
    data = _read(path)
    if len(data) != claim["bytes"] or _sha256(data) != claim["sha256"]:
        raise CheckpointError(
            f"{path} has {len(data)} bytes of another hash than the {claim['bytes']} "
            "that were saved: it is cut short, damaged or foreign. Copy it again."
        )
    try:
        tensors = dict(deserialize(data))
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}.") from error
    _check_arrays(path, tensors, claim["arrays"])
    params: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *parents, leaf = name.split(".")
        inner = params
        for parent in parents:
            inner = inner.setdefault(parent, {})
        array = np.frombuffer(tensor["data"], jnp.dtype(TAGS[tensor["dtype"]]))
        array = array.reshape(tensor["shape"])
        inner[leaf] = jnp.asarray(array, dtype=claim["arrays"][name]["dtype"])
    return params


def _check_arrays(path: Path, tensors: dict, arrays: dict[str, Any]) -> None:
    if odd := sorted(tensors.keys() ^ arrays.keys()):
        raise CheckpointError(
            f"{path} and {CONFIG} do not name the same arrays: {odd}."
        )
    inner = {name[:i] for name in tensors for i, c in enumerate(name) if c == "."}
    if clash := sorted(inner & tensors.keys()):
        raise CheckpointError(f"{path}: {clash} are both arrays and groups of arrays.")
    for name, tensor in tensors.items():
        dtype = TAGS.get(tensor["dtype"], tensor["dtype"])
        found = (list(tensor["shape"]), dtype)
        wanted = (arrays[name]["shape"], arrays[name]["stored"])
        if found != wanted:
            raise CheckpointError(
                f"{path}: {name!r} is {found}, {CONFIG} says {wanted}."
            )


def _backup(folder: Path) -> Path:
    return folder.parent / (folder.name + ".old")


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder with these files in the place of an older checkpoint.

    A folder can't be renamed onto a full one, so that the old one steps aside first;
    killed between the two renames, it is found there by `find`.
    """
    if folder.is_file() or (
        folder.is_dir() and not {path.name for path in folder.iterdir()} <= FILES
    ):
        raise CheckpointError(f"{folder} holds other things than a checkpoint.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    backup = _backup(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".saving-") as new:
        whole = Path(new) / folder.name
        whole.mkdir()
        for name, data in files.items():
            _write(whole / name, data)
        if folder.is_dir():
            shutil.rmtree(backup, ignore_errors=True)
            folder.rename(backup)
        whole.rename(folder)
        shutil.rmtree(backup, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a rename must not overtake the data
