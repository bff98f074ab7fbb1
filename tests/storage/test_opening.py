import sqlite3
import subprocess
import sys

import pytest

optuna = pytest.importorskip("optuna")

from optuna.testing.pytest_storages import StorageTestCase

from pfnbo.errors import SettingError, StorageError
from pfnbo.storage import open_storage


class TestConformance(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        storage = open_storage(tmp_path / "study.db")
        yield storage
        storage.engine.dispose()


def test_sqlite_files_are_opened_with_a_log_and_patience(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/study.db")
    with storage.engine.connect() as connection:
        pragma = connection.exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar() == "wal"
        assert pragma("PRAGMA busy_timeout").scalar() == 60_000
    storage.engine.dispose()


@pytest.mark.parametrize("content", [b"no database" * 100, b"\xff" * 4096])
def test_files_that_are_no_database_are_refused_and_kept(tmp_path, content):
    path = tmp_path / "study.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="no sound SQLite file.*not a database"):
        open_storage(path)
    assert path.read_bytes() == content


def test_damaged_pages_are_refused(tmp_path):
    path = tmp_path / "study.db"
    storage = open_storage(path)
    storage.engine.dispose()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StorageError, match="no sound SQLite file"):
        open_storage(path)


def test_other_storages_pass(tmp_path):
    memory = optuna.storages.InMemoryStorage()
    assert open_storage(memory) is memory
    for given in ("study.json", "study", 3, None, "db"):
        with pytest.raises(SettingError, match=r"study\.journal"):
            open_storage(given)


CREATE = """
import sys
from pfnbo.storage import open_storage
from optuna.study import create_study
study = create_study(storage=open_storage(sys.argv[1]), study_name="s",
                     load_if_exists=True)
for _ in range(5):
    study.tell(study.ask(), 1.0)
"""


@pytest.mark.parametrize("file", ["study.db", "study.journal"])
def test_processes_that_start_at_once_all_work(tmp_path, file):
    path = str(tmp_path / file)
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, path], stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for job in jobs:
        error = job.communicate()[1]
        assert job.returncode == 0, error
    storage = open_storage(path)
    trials = optuna.load_study(study_name="s", storage=storage).trials
    assert [t.number for t in trials] == list(range(20))
    assert all(t.value == 1.0 for t in trials)
    if file == "study.db":
        storage.engine.dispose()


def test_without_optuna_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pfnbo\[storage\]'"):
        open_storage("study.db")
