import errno
import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("optuna")

from optuna.storages import JournalStorage
from optuna.testing.pytest_storages import StorageTestCase

from pfnbo.errors import StorageError
from pfnbo.storage.journal import HEADER, SafeJournalBackend

LOGS = [{"op": i, "text": "größe\n" * i} for i in range(4)]


class TestConformance(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        return JournalStorage(SafeJournalBackend(tmp_path / "study.journal"))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "study.journal"
    backend = SafeJournalBackend(path)
    for log in LOGS:
        backend.append_logs([log])
    return path


def _read(path):
    return list(SafeJournalBackend(path).read_logs(0))


def test_records_come_back_from_any_number_on(path):
    backend = SafeJournalBackend(path)
    for number in (0, 2, 4, 9):
        assert list(backend.read_logs(number)) == LOGS[number:]


@pytest.mark.filterwarnings("ignore:.*unfinished record")
def test_a_file_cut_at_any_byte_keeps_its_whole_records_and_goes_on(path):
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")][1:]
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = LOGS[: sum(end <= size for end in ends)]
        assert _read(path) == whole
        SafeJournalBackend(path).append_logs([{"op": "new"}])
        assert _read(path) == [*whole, {"op": "new"}]


def test_a_torn_tail_is_reported_by_whom_it_meets(path):
    open_before = SafeJournalBackend(path)
    with open(path, "ab") as file:
        file.write(b"000000")
    assert list(open_before.read_logs(0)) == LOGS  # it may be being written
    with pytest.warns(UserWarning, match="6 bytes .* its 4 whole records are kept"):
        open_before.append_logs([{"op": "new"}])
    with open(path, "ab") as file:
        file.write(b"\0" * 100)
    with pytest.warns(UserWarning, match="100 bytes"):
        assert _read(path) == [*LOGS, {"op": "new"}]


@pytest.mark.filterwarnings("error")
def test_no_changed_byte_goes_unnoticed_and_none_is_overwritten(path):
    data = path.read_bytes()
    for at in range(len(data)):
        for flip in (0x01, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= flip
            path.write_bytes(damaged)
            with pytest.raises((StorageError, UserWarning)):
                SafeJournalBackend(path)
            if at < len(data) - 1:  # the last end may be that of a torn write
                assert path.read_bytes() == damaged


@pytest.mark.parametrize("order", [[0, 2, 3], [0, 1, 1, 2, 3], [0, 2, 1, 3]])
def test_missing_doubled_and_moved_records_are_refused(path, order):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(HEADER + b"".join(lines[1 + i] for i in order))
    with pytest.raises(StorageError, match="damaged in record 2|in record 3"):
        SafeJournalBackend(path)


def test_the_last_good_record_is_named(path):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"op", b"oq")
    path.write_bytes(b"".join(lines))
    at = len(b"".join(lines[:3]))
    with pytest.raises(StorageError, match=f"record 3: record 2 .* at byte {at}"):
        SafeJournalBackend(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b'{"op_code": 0}\n', b"pfnbo-j 2"])
def test_foreign_files_are_refused_and_kept(tmp_path, content):
    path = tmp_path / "study.journal"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="no journal of pfnbo"):
        SafeJournalBackend(path)
    assert path.read_bytes() == content


def test_folders_and_missing_folders_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "study.journal"):
        with pytest.raises(StorageError, match=r"can't be opened: .*directory"):
            SafeJournalBackend(path)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_failed_write_loses_nothing_and_may_be_repeated(
    path, monkeypatch, fault, step
):
    backend = SafeJournalBackend(path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(os, "fsync", _raise(fault))
        else:
            limited(patch, fault)
        with pytest.raises(StorageError, match=f"written: {os.strerror(fault)}"):
            backend.append_logs([{"op": "x" * 100}])
    assert path.read_bytes() == before
    backend.append_logs([{"op": "new"}])
    assert list(backend.read_logs(0)) == _read(path) == [*LOGS, {"op": "new"}]


def _raise(fault):
    def raises(*_):
        raise OSError(fault, os.strerror(fault))

    return raises


def limited(patch, fault):
    """Let files take ten bytes of what is written, and then no more."""
    from pfnbo.storage import journal

    class Limited:
        def __init__(self, file):
            self.file, self.left = file, 10

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            if not self.left:
                _raise(fault)()
            self.left -= (size := self.file.write(data[: self.left]))
            return size

    lock = journal.locked

    class Locked:
        def __init__(self, path, mode):
            self.lock = lock(path, mode)

        def __enter__(self):
            return Limited(self.lock.__enter__())

        def __exit__(self, *error):
            return self.lock.__exit__(*error)

    patch.setattr(journal, "locked", Locked)


APPEND = """
import sys
from pfnbo.storage.journal import SafeJournalBackend
backend = SafeJournalBackend(sys.argv[1])
for i in range(50):
    backend.append_logs([{"worker": int(sys.argv[2]), "i": i}])
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "study.journal"
    command = [sys.executable, "-c", APPEND, str(path)]
    jobs = [subprocess.Popen([*command, str(worker)]) for worker in range(3)]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    logs = _read(path)
    for worker in range(3):
        mine = [log["i"] for log in logs if log["worker"] == worker]
        assert mine == list(range(50))


def test_records_are_json(path):
    payloads = [line[18:] for line in path.read_bytes().splitlines()[1:]]
    assert [json.loads(payload) for payload in payloads] == LOGS
