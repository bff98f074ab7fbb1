"""The tables that `pfnbo.problems.tables` looks values up in, as arrays.

Each comes from the compact file that ships with pfnbo (`data/README.md` tells origins
and licences) or, given a path, from a file like those of its source. Such a file is
read at every call, since it may change. Nothing is unpickled.
"""

import csv
import functools
import gzip
import io
import itertools
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pfnbo.errors import ProblemError

DATA = Path(__file__).with_name("data")
AMINO_ACIDS = tuple("ACDEFGHIKLMNPQRSTVWY")
BASES = tuple("ACGT")
COMPLEMENT = str.maketrans("ACGT", "TGCA")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
IMAGES = ("cifar10", "cifar100", "ImageNet16-120")
RUNTIME = "observation-1"
ASTRASIM = ("actions_feasible.csv", "observations_feasible.csv")

DAMAGES = (zlib.error, zipfile.BadZipFile, csv.Error)

Name = str | Path


def gb1_fitness(path: Name | None = None) -> np.ndarray:
    """Return the fitness of every variant `(20, 20, 20, 20)`, NaN where not measured.

    Args:
        path: as of `tables.gb1`.

    Raises:
        ProblemError: when the file is missing or no such table.
    """
    if path is None:
        packed = _shipped("gb1")["fitness"]
        return np.where(packed < 0, np.nan, packed / 1e6)
    fitness = np.full((len(AMINO_ACIDS),) * 4, np.nan)
    wanted = "a head with variant and fitness, and lines such as VDGV,1.0"
    with _reading(path, "GB1", wanted):
        columns = {name.lower(): texts for name, texts in _columns(path).items()}
        variants = _column(columns, "variant", "variants")
        values = _numbers(_column(columns, "fitness"))
        for variant, value in zip(variants, values, strict=True):
            if len(variant) != fitness.ndim or not set(variant) <= set(AMINO_ACIDS):
                raise ValueError(f"got {variant!r}")
            fitness[*map(AMINO_ACIDS.index, variant)] = value
    return fitness


def tfbind8_scores(path: Name | None = None) -> np.ndarray:
    """Return the E-score of every DNA of eight bases, an axis for each.

    Args:
        path: as of `tables.tfbind8`.

    Raises:
        ProblemError: when the file is missing or no such table.
    """
    if path is None:
        return _both_strands(_shipped("tfbind8")["escore"])
    wanted = "8-mer and E-score, or escore_e5, of every DNA of eight bases"
    with _reading(path, "TFBind8", wanted):
        if Path(path).suffix == ".npz":
            return _both_strands(*_arrays(path, "escore_e5"))
        columns = _columns(path, "\t")
        words = _column(columns, "8-mer")
        scores = _numbers(_column(columns, "E-score"))
        known = dict(zip(words, scores, strict=True))
        # The column of the other strands may be missing, or have the same name.
        others = (word.translate(COMPLEMENT)[::-1] for word in words)
        known.update(zip(others, scores, strict=True))
        every = map("".join, itertools.product(BASES, repeat=8))
        return _finite([known.get(word, np.nan) for word in every]).reshape((4,) * 8)


def _both_strands(
    score: np.ndarray,  # (32896,), in units of 1e-5
) -> np.ndarray:
    """Return the scores of all DNAs, when one of each pair of strands has been told.

    The pairs are sorted by the strand that is the first in the alphabet.
    """
    words = np.indices((len(BASES),) * 8).reshape(8, -1).T
    place = 4 ** np.arange(7, -1, -1)
    own, other = words @ place, (3 - words[:, ::-1]) @ place
    pairs, pair = np.unique(np.minimum(own, other), return_inverse=True)
    if score.shape != pairs.shape:
        raise ValueError(f"{score.shape} scores and not {pairs.shape}")
    return _finite(score[pair] / 1e5).reshape((len(BASES),) * 8)


def nasbench201_accuracy(path: Name | None = None) -> np.ndarray:
    """Return accuracies in %, `(4, 5, 5, 5, 5, 5, 5)`, an axis for each edge.

    First those of `IMAGES` after 200 epochs, then of CIFAR-10 after 12.

    Args:
        path: as of `tables.nasbench201`.

    Raises:
        ProblemError: when the file is missing or no such table.
    """
    if path is None:
        return _shipped("nasbench201")["accuracy"] / 500
    accuracy = np.full((4, *(len(OPERATIONS),) * len(EDGES)), np.nan)
    wanted = "arrays ops, arch, datasets, val_acc, val_acc_12ep_cifar10 of all cells"
    with _reading(path, "NAS-Bench-201", wanted):
        ops, arch, images, runs, short = _arrays(
            path, "ops", "arch", "datasets", "val_acc", "val_acc_12ep_cifar10"
        )
        if sorted(ops) != sorted(OPERATIONS):
            raise ValueError(f"ops are {ops}")
        cells = np.array([OPERATIONS.index(op) for op in ops])[arch]
        order = [list(images).index(name) for name in IMAGES]
        # Some cells were trained twice and others three times.
        count = np.sum(np.isfinite(runs), axis=2)
        long = np.nansum(runs.astype(float), axis=2) / np.where(count, count, np.nan)
        accuracy[:, *cells.T] = [*long[:, order].T, short]
        return _finite(accuracy)


def xgboost_errors(
    task: int, path: Name | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the settings `(n, 6)` that were tried in a task and their errors `(n,)`.

    Args:
        task: its number.
        path: as of `tables.xgboost`.

    Raises:
        ProblemError: when the file is missing or no such table, or has no such task.
    """
    file = DATA / "xgboost.npz" if path is None else path
    with _reading(file, "XGBoost", "arrays x (tasks, n, 6), y (tasks, n), n (tasks,)"):
        if path is None:
            x, error, sizes = (_shipped("xgboost")[k] for k in ("x", "error", "n"))
        else:
            x, error, sizes = _arrays(path, "x", "y", "n")
        if x.shape != (*error.shape, 6) or sizes.shape != error.shape[:1]:
            raise ValueError(f"they are {x.shape}, {error.shape}, {sizes.shape}")
        if not 0 <= task < len(sizes):
            raise ProblemError(
                f"xgboost got task {task}: there are 0 to {len(sizes) - 1}."
            )
        n = sizes[task]
        if not 0 < n <= error.shape[1]:
            raise ValueError(f"n is {n} in task {task}")
        return _finite(x[task, :n]), _finite(error[task, :n])


def astrasim_designs(
    path: Name | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return what varies among the designs, `(n,)` numbers or words, and the runtimes.

    Args:
        path: as of `tables.astrasim`.

    Raises:
        ProblemError: when the file is missing or no such table.
    """
    file = Path(DATA / "astrasim.csv.gz" if path is None else path)
    with _reading(file, "AstraSim", f"a head with {RUNTIME} and columns that vary"):
        files = [file / part for part in ASTRASIM] if file.is_dir() else [file]
        columns = {k: v for part in files for k, v in _columns(part).items()}
        runtime = _numbers(_column(columns, RUNTIME))
        if len({len(texts) for texts in columns.values()}) > 1:
            raise ValueError(f"there are more or fewer than {len(runtime)} designs")
        # The number of links follows from the topology.
        designs = {
            name: _typed(texts)
            for name, texts in columns.items()
            if not name.startswith(("observation", "links"))
        }
        varied = {k: v for k, v in designs.items() if len(np.unique(v)) > 1}
        if not varied:
            raise ValueError("none varies")
        return varied, runtime


def _typed(texts: tuple[str, ...]) -> np.ndarray:
    """Return a column as numbers, or as words when it has some."""
    try:
        column = np.array(texts, dtype=float)
    except ValueError:
        return np.array(texts)
    return _finite(column)


@contextmanager
def _reading(path: Name, table: str, wanted: str) -> Iterator[None]:
    """Tell of a file that is missing or damaged, or has other contents."""
    try:
        yield
    except ProblemError:
        raise
    except (OSError, EOFError, RuntimeError, *DAMAGES) as error:
        raise ProblemError(f"{path} can't be read as a table: {error}.") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ProblemError(
            f"{path} is no table of {table}: wanted {wanted} ({error})."
        ) from error


@functools.cache
def _shipped(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a file that ships, which never changes."""
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


def _arrays(path: Name, *names: str) -> list[np.ndarray]:
    with open(path, "rb") as file:
        # NumPy would offer to unpickle anything else.
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no .npz")
        file.seek(0)
        arrays = np.load(file)
        return [arrays[name] for name in names]


def _columns(path: Name, delimiter: str = ",") -> dict[str, tuple[str, ...]]:
    """Return the columns of a file of text by the names in its head."""
    text = io.StringIO(_text(Path(path)), newline="")
    lines = [line for line in csv.reader(text, delimiter=delimiter) if line]
    if len(lines) < 2:
        raise ValueError("it is empty")
    head, *rows = lines
    for number, row in enumerate(rows, 1):
        if len(row) != len(head):
            raise ValueError(f"row {number} has {len(row)} words, the head {len(head)}")
    return dict(zip(head, zip(*rows, strict=True), strict=True))


def _column(columns: dict[str, tuple[str, ...]], *names: str) -> tuple[str, ...]:
    """Return the column with one of these names."""
    for name in names:
        if name in columns:
            return columns[name]
    raise ValueError(f"there is no column {names[0]}")


def _text(path: Path) -> str:
    """Return the text of a file that may be packed by gzip, or alone by zip."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as file:
            # macOS adds a folder of its own.
            (name,) = (n for n in file.namelist() if not n.startswith("__MACOSX"))
            content = file.read(name)
    return content.decode("utf-8-sig")


def _numbers(texts: tuple[str, ...]) -> np.ndarray:
    return _finite(np.array(texts, dtype=float))


def _finite(values: np.ndarray | list[float]) -> np.ndarray:
    missing = np.sum(~np.isfinite(values))
    if missing:
        raise ValueError(f"{missing:,} values are missing or not finite")
    return np.asarray(values, dtype=float)
