"""Locks of files, which the system gives up for a process that dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pfnbo.errors import StorageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def locked(path: Path, mode: str) -> Iterator[IO[bytes]]:
    """Open a file unbuffered and keep every other caller out until it is closed.

    Args:
        path: the file.
        mode: of `open`, without the "b".

    Raises:
        StorageError: when the file can't be opened or the system has no such locks.
    """
    if fcntl is None:
        raise StorageError(
            f"{path} can't be locked on this system: use a server, such as "
            "storage='postgresql://...'."
        )
    try:
        file = open(path, mode + "b", buffering=0)
    except OSError as error:
        raise StorageError(f"{path} can't be opened: {error.strerror}.") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
