"""Opens files and URLs as storages of Optuna, with what makes SQLite safe."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from pfnbo.errors import SettingError, StorageError
from pfnbo.storage.journal import SafeJournalBackend
from pfnbo.storage.locks import locked

DATABASES = (".db", ".sqlite", ".sqlite3")
BUSY = 60.0  # seconds to wait for other writers of an SQLite file


def opened(storage: Any) -> BaseStorage:
    """Return the storage that a file name, an Optuna URL or a storage stands for."""
    if isinstance(storage, BaseStorage):
        return storage
    path = _file(storage)
    if path is None and isinstance(storage, str):
        return optuna.storages.get_storage(storage)
    if path is not None and path.suffix == ".journal":
        return JournalStorage(SafeJournalBackend(path))
    if path is not None and (path.suffix in DATABASES or "://" in str(storage)):
        return _sqlite(path)
    raise SettingError(
        f"storage is {storage!r}: wanted a file such as 'study.journal' or 'study.db', "
        "an Optuna URL such as 'postgresql://...', or an Optuna storage."
    )


@contextmanager
def turn(storage: Any) -> Iterator[None]:
    """Keep the other processes on a file out; a server or an object knows no turns."""
    path = _file(storage)
    if path is None:
        yield
        return
    with locked(path.with_name(path.name + ".lock"), "a"):
        yield


def _file(storage: Any) -> Path | None:
    if isinstance(storage, str) and storage.startswith("sqlite:///"):
        return Path(storage.removeprefix("sqlite:///"))
    if isinstance(storage, Path) or (isinstance(storage, str) and "://" not in storage):
        return Path(storage)
    return None


def _sqlite(path: Path) -> RDBStorage:
    # Processes that make the tables at once would trip over each other.
    with turn(path):
        _prepare(path)
        return RDBStorage(
            f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": BUSY}}
        )


def _prepare(path: Path) -> None:
    """Check the pages of the file and let readers work beside a writer."""
    try:
        file = sqlite3.connect(path, timeout=BUSY)
        try:
            found = [row[0] for row in file.execute("PRAGMA integrity_check")]
            file.execute("PRAGMA journal_mode=WAL")
        finally:
            file.close()
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        raise StorageError(
            f"{path} is no sound SQLite file: {found[0]}. Nothing was changed: restore "
            f"a copy, or save what is left with sqlite3 {path} .recover."
        )
