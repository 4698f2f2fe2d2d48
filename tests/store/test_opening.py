import os
import subprocess
import sys
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from meterhouse.store import StoreError, open_ledger
from meterhouse.store.migration import APPLICATION_ID
from meterhouse.store.sql_text import migrations
from tests.store.factories import a_meter_type


def test_the_directory_and_the_file_are_made_for_their_owner_only(tmp_path: Path):
    directory = tmp_path / "a" / "b"
    open_ledger(directory).close()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_ledger_is_there_when_it_is_opened_again(tmp_path: Path):
    first = open_ledger(tmp_path)
    first.add_meter_types([a_meter_type()])
    first.close()
    second = open_ledger(tmp_path)
    assert len(second.meter_types().items) == 1
    second.close()


def test_migrations_lead_from_an_empty_file_to_the_newest_version(tmp_path: Path):
    ledger = open_ledger(tmp_path)
    newest = max(number for number, _ in migrations())
    assert ledger._database.value("PRAGMA user_version") == newest
    assert ledger._database.value("PRAGMA application_id") == APPLICATION_ID
    assert ledger._database.rows("PRAGMA foreign_key_check") == []
    assert ledger._database.value("PRAGMA integrity_check") == "ok"
    ledger.close()


def test_durability_is_not_traded_away(tmp_path: Path):
    ledger = open_ledger(tmp_path)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "mmap_size")
    values = [ledger._database.value(f"PRAGMA {name}") for name in pragmas]
    assert values == ["wal", 2, 1, 0]
    ledger.close()


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path):
    ledger = open_ledger(tmp_path)
    ledger._database.execute("PRAGMA user_version = 999")
    ledger.close()
    with pytest.raises(StoreError, match=r"has version 999, .* up to \d+\. Update"):
        open_ledger(tmp_path)


def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path, monkeypatch):
    open_ledger(tmp_path).close()
    wrong = "CREATE TABLE extra (a) STRICT;"
    newest = max(number for number, _ in migrations())
    known = [*migrations(), (newest + 1, "CREATE TABLE more (a INTEGER);\n" + wrong)]
    monkeypatch.setattr("meterhouse.store.migration.migrations", lambda: iter(known))
    with pytest.raises(sqlite3.OperationalError, match="missing datatype"):
        open_ledger(tmp_path)
    monkeypatch.undo()
    ledger = open_ledger(tmp_path)
    assert ledger._database.value("PRAGMA user_version") == newest
    assert ledger._database.value("SELECT count(*) FROM sqlite_schema WHERE name = 'more'") == 0
    ledger.close()


def test_another_programs_database_is_left_alone(tmp_path: Path):
    with sqlite3.connect(tmp_path / "ledger.sqlite") as other:
        other.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StoreError, match="is not a ledger of this program"):
        open_ledger(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "ledger.sqlite").write_text("not a database, but long enough" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        open_ledger(tmp_path)


def test_a_directory_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be used: .*--data DIR"):
        open_ledger(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_the_right_to_write_is_told(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be used"):
        open_ledger(tmp_path)
    tmp_path.chmod(0o700)


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(StoreError, match=r"too old for the ledger. .* 3.51.3 or newer"):
        open_ledger(tmp_path)


OPEN = """
import sys
from pathlib import Path
from meterhouse.store import open_ledger
sys.stdin.read()
ledger = open_ledger(Path(sys.argv[1]))
print(len(ledger.meter_types().items))
ledger.close()
"""


def test_several_processes_may_open_a_new_ledger_at_once(tmp_path: Path):
    command = [sys.executable, "-c", OPEN, str(tmp_path / "data")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    for child in children:
        child.stdin.close()
    for child in children:
        child.wait(30)
        assert (child.stdout.read(), child.stderr.read()) == ("0\n", "")
        child.stdout.close()
        child.stderr.close()
