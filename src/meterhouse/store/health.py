"""How the ledger is: what it counts, whether it can be written, whether its file is sound."""

from __future__ import annotations

from pathlib import Path

from pysqlite3 import dbapi2 as sqlite3

from meterhouse.app.diagnosis import Finding, Grade, Tallies
from meterhouse.core.instant import Instant, instant_text
from meterhouse.store.connection import SQLITE_MIN, Database, StoreError
from meterhouse.store.sql_text import migrations, queries

_SQL = queries("health")
#: The doctor reports so many faults of a broken file.
_FAULTS_MAX = 5
#: ... and names so many streams or meter keys.
_SHOWN_MAX = 10
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
                pending_since=self._database.value(_SQL["oldest_pending"]),
                dead_letters=self._database.value(_SQL["dead_letters"]),
            )

    def check_writable(self) -> None:
        """Write something that changes nothing; raises ``StoreError`` where that is impossible."""
        with self._database.write():
            version = self._database.value("PRAGMA user_version")
            self._database.execute(f"PRAGMA user_version = {version}")


def examine(directory: Path, *, at: Instant) -> list[Finding]:
    """Examine the ledger of a data directory at an instant, without changing it."""
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
        if all(finding.grade is Grade.OK for finding in findings):
            findings += [_clocks(database, at), _meter_keys(database), _deliveries(database)]
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


def _clocks(database: Database, at: Instant) -> Finding:
    """Whether streams have run on a clock of the future: no schedule of theirs runs until then."""
    with database.read():
        ahead = database.rows(_SQL["future_clocks"], (at,))
    if not ahead:
        return Finding("run clocks", Grade.OK, "no stream is ahead of time")
    said = _some([f"{name!r} has run at {instant_text(last)}" for name, last in ahead])
    remedy = (
        "until then nothing of these streams runs, unless by hand with a later --at; "
        "to meter from now on, import them under another name, with new meters"
    )
    return Finding("run clocks", Grade.WARN, f"in the future: {said}", remedy)


def _meter_keys(database: Database) -> Finding:
    """Whether there are meters that no stream counts for."""
    with database.read():
        orphaned = database.rows(_SQL["orphaned_meters"])
    if not orphaned:
        return Finding("meter keys", Grade.OK, "each is of a stream")
    said = _some([f"{key} ({count:,})" for key, count in orphaned])
    remedy = (
        "`meterhouse meter list --meter-key KEY` shows the meters; give them the key of a stream "
        "by creating them anew, or delete them"
    )
    return Finding("meter keys", Grade.WARN, f"of no stream, with their meters: {said}", remedy)


def _deliveries(database: Database) -> Finding:
    """Whether receivers take what is delivered to them."""
    with database.read():
        stuck, dead = (database.value(_SQL[name]) for name in ("stuck", "dead_letters"))
    if not stuck and not dead:
        return Finding("deliveries", Grade.OK, "none is stuck, and there are no dead letters")
    said = f"{stuck:,} outputs are stuck, and there are {dead:,} dead letters"
    remedy = "`meterhouse delivery list` and `meterhouse dead-letter list` say why"
    return Finding("deliveries", Grade.WARN, said, remedy)


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN_MAX:,} more" if len(items) > _SHOWN_MAX else ""
    return ", ".join(items[:_SHOWN_MAX]) + more
