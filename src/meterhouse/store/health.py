"""How the ledger is: what it counts, whether it can be written, whether its file is sound."""

from __future__ import annotations

from pathlib import Path

from pysqlite3 import dbapi2 as sqlite3

from meterhouse.app.diagnosis import Finding, Grade, Tallies
from meterhouse.store.connection import SQLITE_MIN, Database, StoreError
from meterhouse.store.sql_text import migrations, queries

_SQL = queries("health")
#: The doctor reports so many faults of a broken file.
_FAULTS_MAX = 5
_FILE = "ledger.sqlite"


class HealthTable:
    """The part of the ledger that says how it is."""

    _database: Database

    def tallies(self) -> Tallies:
        """Count what operators watch."""
        with self._database.read():
            return Tallies(
                runs=dict(self._database.rows(_SQL["runs"])),
                suspended=dict(self._database.rows(_SQL["suspended"])),
                meters=self._database.value(_SQL["meters"]),
                meter_types=self._database.value(_SQL["meter_types"]),
                pending=self._database.value(_SQL["pending"]),
            )

    def check_writable(self) -> None:
        """Write something that changes nothing; raises ``StoreError`` where that is impossible."""
        with self._database.write():
            version = self._database.value("PRAGMA user_version")
            self._database.execute(f"PRAGMA user_version = {version}")


def examine(directory: Path) -> list[Finding]:
    """Examine the ledger of a data directory, without changing it."""
    findings = [_version()]
    path = directory / _FILE
    if not path.exists():
        message = "there is no ledger yet"
        findings.append(Finding("ledger", Grade.WARN, message, "the first command makes it"))
        return findings
    try:
        database = Database(path, busy_seconds=5.0)
    except StoreError as error:
        findings.append(Finding("ledger", Grade.FAIL, str(error.args[0]), error.hint))
        return findings
    try:
        findings += [_soundness(database), _migrations(database)]
    except StoreError as error:
        findings.append(Finding("ledger", Grade.FAIL, str(error.args[0]), error.hint))
    finally:
        database.close()
    return findings


def _version() -> Finding:
    needed = ".".join(map(str, SQLITE_MIN))
    if tuple(sqlite3.sqlite_version_info) < SQLITE_MIN:
        message = f"SQLite {sqlite3.sqlite_version} can corrupt the ledger"
        remedy = f"install a pysqlite3 with SQLite {needed} or newer"
        return Finding("sqlite", Grade.FAIL, message, remedy)
    return Finding("sqlite", Grade.OK, f"SQLite {sqlite3.sqlite_version}")


def _soundness(database: Database) -> Finding:
    with database.read():
        faults = [row[0] for row in database.rows(f"PRAGMA quick_check({_FAULTS_MAX})")]
    if faults == ["ok"]:
        return Finding("ledger", Grade.OK, "sound")
    remedy = "stop every process that uses it, and put the ledger back from a backup"
    return Finding("ledger", Grade.FAIL, "; ".join(map(str, faults)), remedy)


def _migrations(database: Database) -> Finding:
    newest = max(number for number, _ in migrations())
    with database.read():
        version = database.value("PRAGMA user_version")
    if version == newest:
        return Finding("migrations", Grade.OK, f"version {version}")
    if version < newest:
        message = f"version {version}, and this program brings it to {newest}"
        return Finding("migrations", Grade.WARN, message, "the next command does so by itself")
    message = f"version {version}, and this program knows versions up to {newest}"
    return Finding("migrations", Grade.FAIL, message, "update the program")
