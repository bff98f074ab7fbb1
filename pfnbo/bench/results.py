"""The file of a comparison: one line of JSON per finished run, only appended to.

A line is a run: whole, or torn by a crash in the middle of writing it. A torn line is
cut off before the next run is appended, so nothing is lost or kept twice.
Comparisons kept as CSV, one evaluation per row, are read too.
"""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from pfnbo.bench.trace import Row
from pfnbo.errors import BenchError

Key = tuple[str, str, int]  # problem, method, seed


@dataclass(frozen=True, eq=False)
class Run:
    """One method on one problem with one seed."""

    problem: str
    method: str
    seed: int
    initial: int  # evaluations of the shared design
    f: np.ndarray  # (trials,) objective, NaN where the evaluation failed
    violation: np.ndarray  # (trials,) largest constraint, 0 where feasible
    cpu: np.ndarray  # (trials,) CPU seconds of each suggestion, NaN where not known
    wall: np.ndarray  # (trials,) seconds on the clock of the same
    memory: float = np.nan  # peak of the process until then, MB
    date: str = ""  # of its end, in UTC
    versions: dict[str, str] = field(default_factory=dict)
    best: Sequence[Any] = ()  # the best feasible design, empty where none is known
    machine: str = ""  # its processor

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.problem, self.method, self.seed

    @property
    def trials(self) -> int:
        """Number of evaluations."""
        return len(self.f)

    @property
    def feasible(self) -> np.ndarray:
        """Whether each evaluation satisfies every constraint, (trials,) bool."""
        return (self.violation == 0) & np.isfinite(self.f)

    @property
    def incumbents(self) -> np.ndarray:
        """Best feasible objective after each evaluation, infinite before one."""
        return np.minimum.accumulate(np.where(self.feasible, self.f, np.inf))

    @property
    def suggested(self) -> slice:
        """The evaluations that the method chose itself."""
        return slice(self.initial, None)

    def first(self, trials: int) -> "Run":
        """Return the same run with no more than that many evaluations."""
        cut = {c: getattr(self, c)[:trials] for c in COLUMNS}
        known = self.incumbents[:trials][-1:] == self.incumbents[-1:]
        best = self.best if np.all(known) else ()
        return Run(**{**self.__dict__, **cut, "best": best})


COLUMNS = "f", "violation", "cpu", "wall"


def columns(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Return the numbers of the rows of a run as one array for each field."""
    return {name: np.array([getattr(row, name) for row in rows]) for name in COLUMNS}


def line(run: Run) -> str:
    """Return a run as one line of JSON, with null for NaN."""
    told = asdict(run)
    for name in COLUMNS:
        told[name] = [_rounded(name, value) for value in told[name].tolist()]
    told["memory"] = _rounded("memory", run.memory)
    return json.dumps(told, allow_nan=False) + "\n"


def parse(text: str) -> Run:
    """Return the run that a line of JSON tells.

    Raises:
        ValueError, TypeError, KeyError: when it is none.
    """
    told = json.loads(text)
    for name in COLUMNS:
        told[name] = np.array(told[name], dtype=float)  # null becomes NaN
    told["memory"] = np.nan if told["memory"] is None else float(told["memory"])
    return Run(**told)


class Appender:
    """Writes runs to the end of a file that no other process writes to.

    Args:
        path: the file; its folder is made when missing.

    Raises:
        BenchError: when another process has it open for writing.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, take its lock and cut off what a crash left unfinished."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab+")
        _lock(self._file, path)
        self._file.truncate(_whole(self._file))

    def __enter__(self) -> "Appender":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which frees its lock."""
        self._file.close()

    def append(self, run: Run) -> None:
        """Write a run so that it is on the disk when this returns."""
        self._file.write(line(run).encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def load(paths: Iterable[str | Path]) -> dict[Key, Run]:
    """Return the runs of files and of all result files in folders.

    Of runs with the same key in a file the last one counts. A torn last line is left
    out.

    Raises:
        BenchError: when a file is missing or holds something else, or when two files
            have different runs with the same key.
    """
    runs: dict[Key, Run] = {}
    origin: dict[Key, Path] = {}
    for path in (file for given in paths for file in _files(Path(given))):
        own = {run.key: run for run in _read(path)}
        for key, run in own.items():
            if key in runs and not _alike(run, runs[key]):
                problem, method, seed = key
                sizes = f"{runs[key].trials} and {run.trials} evaluations"
                raise BenchError(
                    f"{origin[key]} and {path} have different runs, of {sizes}, of "
                    f"{method} on {problem} with seed {seed}: name one of the files."
                )
        runs |= own
        origin |= dict.fromkeys(own, path)
    return runs


def _alike(a: Run, b: Run) -> bool:
    values = ((getattr(a, c), getattr(b, c)) for c in ("f", "violation"))
    return all(np.array_equal(*pair, equal_nan=True) for pair in values)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix in (".jsonl", ".csv"))


def _read(path: Path) -> list[Run]:
    if not path.exists():
        raise BenchError(f"{path} does not exist: run `pfnbo bench {path}` first.")
    return _read_csv(path) if path.suffix == ".csv" else _read_lines(path)


def _read_lines(path: Path) -> list[Run]:
    *lines, _torn = path.read_bytes().split(b"\n")  # whole lines end in a newline
    runs = []
    for number, text in enumerate(lines, start=1):
        try:
            runs.append(parse(text.decode()))
        except (ValueError, TypeError, KeyError) as error:
            raise BenchError(
                f"{path}, line {number} is no run ({type(error).__name__}: {error}): "
                "wanted what `pfnbo bench` writes. Remove that line."
            ) from error
    return runs


def _read_csv(path: Path) -> list[Run]:
    rows: dict[Key, dict[int, Row]] = {}
    with path.open(newline="") as file:
        for told in csv.DictReader(file):
            try:
                key = told["problem"], told["method"], int(told["seed"])
                f, worst, cpu, wall = (float(told.get(c) or "nan") for c in COLUMNS)
                rows.setdefault(key, {})[int(told["trial"])] = Row(f, worst, cpu, wall)
            except (KeyError, ValueError, TypeError) as error:
                raise BenchError(
                    f"{path} has the row {told}: wanted the columns problem, method, "
                    "seed, trial, f, violation and cpu."
                ) from error
    return [_run(key, found) for key, found in rows.items()]


def _run(key: Key, found: dict[int, Row]) -> Run:
    """Return the unbroken beginning of a run; suggestions of 0 s are its design."""
    whole = [found[t] for t in range(1, len(found) + 1) if t in found]
    arrays = columns(whole)
    initial = int(np.argmax(np.append(arrays["cpu"] > 0, True)))
    return Run(*key, initial, **arrays)  # type: ignore[arg-type]


def _rounded(name: str, value: float) -> float | None:
    if np.isnan(value):
        return None
    return value if name in ("f", "violation") else round(value, 6)


def _whole(file: IO[bytes]) -> int:
    """Return the length of a file up to the end of its last whole line."""
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def _lock(file: Any, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise BenchError(
            f"another process writes to {path}: wait for it, or name another file."
        ) from error
