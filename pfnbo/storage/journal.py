"""A journal file that survives torn writes, full disks and crowds of processes.

The first line names the format. Each record is a line of its own: length and checksum
in hexadecimal, then JSON. The checksum goes on from that of the record before, so that
one that is missing, doubled or moved is noticed too.
"""

import io
import json
import os
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from optuna.storages.journal import BaseJournalBackend

from pfnbo.errors import StorageError
from pfnbo.storage.locks import locked

HEADER = b"pfnbo-journal 1\n"
PREFIX = 18  # "00000000 00000000 ": length and checksum


class SafeJournalBackend(BaseJournalBackend):
    """A file for Optuna's `JournalStorage` that never loses a finished record.

    A record is on disk when `append_logs` returns. What a crash leaves of an
    unfinished one is cut off, with a warning, when the file is next opened or written;
    a damaged record before the end is refused and nothing is changed.

    Args:
        path: the file, made when it is missing.

    Raises:
        StorageError: when the file is damaged, foreign or out of reach.
    """

    def __init__(self, path: str | Path) -> None:
        """Check every record and cut off an unfinished one."""
        self.path = Path(path)
        # Where each record begins, and the checksum of those before it.
        self._places = [(len(HEADER), 0)]
        with locked(self.path, "a+") as file:
            self._begin(file)
            self._mend(file)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Return the records from that number on; one being written is left out."""
        try:
            with open(self.path, "rb") as file:
                return iter(list(self._records(file, log_number_from)))
        except OSError as error:
            raise _unreachable(self.path, "read", error) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records and wait until they are on disk."""
        with locked(self.path, "a+") as file:
            for _ in self._records(file, len(self._places) - 1):
                pass  # what others have written since
            self._mend(file)
            start, checksum = self._places[-1]
            lines = []
            for log in logs:
                payload = json.dumps(log, separators=(",", ":")).encode()
                checksum = zlib.crc32(payload, checksum)
                lines.append(b"%08x %08x %s\n" % (len(payload), checksum, payload))
            self._write(file, start, b"".join(lines))

    def _begin(self, file: IO[bytes]) -> None:
        file.seek(0)
        first = file.read(len(HEADER))
        if first == HEADER:
            return
        if not HEADER.startswith(first):
            raise StorageError(
                f"{self.path} is no journal of pfnbo, or one of another version: it "
                f"begins with {first!r}, wanted {HEADER!r}. Give another name."
            )
        file.truncate(0)
        self._write(file, 0, HEADER)

    def _records(self, file: IO[bytes], number: int) -> Iterator[dict[str, Any]]:
        """Yield the records from `number` on and remember where they begin."""
        number = min(number, len(self._places) - 1)
        start, checksum = self._places[number]
        file.seek(start)
        for line in io.BytesIO(file.read()):
            if not line.endswith(b"\n"):
                if _unfinished(line):
                    return
                raise self._damaged(number)
            payload = line[PREFIX:-1]
            checksum = zlib.crc32(payload, checksum)
            if line[:PREFIX] != b"%08x %08x " % (len(payload), checksum):
                raise self._damaged(number)
            start, number = start + len(line), number + 1
            if number == len(self._places):
                self._places.append((start, checksum))
            yield json.loads(payload)

    def _mend(self, file: IO[bytes]) -> None:
        """Cut off what follows the last whole record; call under the lock."""
        for _ in self._records(file, len(self._places) - 1):
            pass
        end = self._places[-1][0]
        torn = file.seek(0, os.SEEK_END) - end
        if torn <= 0:
            return
        file.truncate(end)
        warnings.warn(
            f"{self.path} ended in {torn} bytes of an unfinished record, as a crash "
            f"leaves it: they are cut off, and its {len(self._places) - 1} whole "
            "records are kept.",
            stacklevel=4,
        )

    def _write(self, file: IO[bytes], start: int, data: bytes) -> None:
        """Append everything or nothing."""
        try:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(start)
            raise _unreachable(self.path, "written", error) from error

    def _damaged(self, number: int) -> StorageError:
        last = f"record {number} is the last good one" if number else "none is good"
        return StorageError(
            f"{self.path} is damaged in record {number + 1}: {last}, at byte "
            f"{self._places[number][0]}. Nothing was changed: restore a copy, or cut "
            "the file there and lose what follows."
        )


def _unfinished(line: bytes) -> bool:
    """Return whether a line without an end may be the beginning of a record."""
    try:
        length = int(line[:8], 16)
    except ValueError:  # shorter, or blocks that the disk never wrote
        return len(line) < PREFIX or not line.strip(b"\0")
    return len(line) <= PREFIX + length


def _unreachable(path: Path, what: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path} can't be {what}: {error.strerror}. What was in it is still there: "
        "type the same call again when this is put right."
    )
