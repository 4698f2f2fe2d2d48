"""One connection to the ledger's file: its settings, its transactions and its errors.

Knows SQLite and nothing of metering. Every statement runs inside ``read`` or ``write``; what goes
wrong in the world leaves them as a ``StoreError``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite3

from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem

#: Older versions can corrupt a database in WAL mode when two connections meet at a checkpoint.
SQLITE_MIN = (3, 51, 3)
PAGE_BYTES = 8192
#: A commit of hundreds of megabytes goes through the log in pieces of this size.
CACHE_KIB = 64 * 1024
#: The log file gives back what is beyond this after a large commit.
LOG_BYTES_MAX = 256 * 1024 * 1024
#: How long a statement waits for the commit of another process.
BUSY_SECONDS = 120.0

Row = tuple[Any, ...]
#: Values by position (`?`) or by name (`:name`).
Values = Sequence[Any] | Mapping[str, Any]
IntegrityError: type[Exception] = sqlite3.IntegrityError
#: A value would be larger than a gigabyte.
TooBigError: type[Exception] = sqlite3.DataError

_REMEDIES = {
    "SQLITE_FULL": "Make room on the disk and repeat the command; nothing was changed",
    "SQLITE_IOERR": "Check the disk and repeat the command; nothing was changed",
    "SQLITE_NOMEM": "Free some memory and repeat the command; nothing was changed",
    "SQLITE_TOOBIG": "One meter or record may not hold more than a gigabyte",
    "SQLITE_BUSY": "Another process is writing; repeat the command",
    "SQLITE_LOCKED": "Another process is writing; repeat the command",
    "SQLITE_PROTOCOL": "Another process is writing; repeat the command",
    "SQLITE_PERM": "Give this user the right to write there, or use another directory",
    "SQLITE_READONLY": "Give this user the right to write there, or use another directory",
    "SQLITE_CANTOPEN": "Give this user the right to write there, or use another directory",
    "SQLITE_NOTADB": "Use another directory, or put the ledger back from a backup",
    "SQLITE_CORRUPT": "Put the ledger back from a backup",
}


#: What programs may want to tell apart; everything else is ``store_failed``.
_CODES = {
    "SQLITE_FULL": "disk_full",
    "SQLITE_BUSY": "ledger_busy",
    "SQLITE_LOCKED": "ledger_busy",
    "SQLITE_PROTOCOL": "ledger_busy",
}


class StoreError(MeterhouseError):
    """The ledger cannot be read or written; what was begun is undone."""

    code = "store_failed"


class Database:
    """One connection. ``path`` appears in messages."""

    def __init__(
        self, path: Path, *, cache_kib: int = CACHE_KIB, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self.path = path
        self._writing = False
        with _errors_of(path):
            # One thread at a time uses it, and not always the one that has opened it.
            self._connection = sqlite3.connect(
                str(path),
                timeout=busy_seconds,
                isolation_level=None,
                cached_statements=256,
                check_same_thread=False,
            )
            try:
                self._set_up(cache_kib)
            except BaseException:
                self._connection.close()
                raise

    def _set_up(self, cache_kib: int) -> None:
        # Takes effect in an empty file only.
        self.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = FULL")
        self.execute("PRAGMA foreign_keys = ON")
        self.execute(f"PRAGMA cache_size = -{cache_kib}")
        self.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_MAX}")

    def close(self) -> None:
        """Close; an open transaction is undone."""
        self._connection.close()

    def execute(self, sql: str, values: Values = ()) -> Any:
        """Run one statement and return its cursor."""
        return self._connection.execute(sql, values)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row; returns how many rows changed."""
        return self._connection.executemany(sql, rows).rowcount

    def execute_script(self, sql: str) -> None:
        """Run several statements; the caller holds the transaction."""
        for statement in _statements(sql):
            self.execute(statement)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows."""
        return self._connection.execute(sql, values).fetchall()

    def only_row(self, sql: str, values: Values = ()) -> Row:
        """Return the row of a query that always has one."""
        row = self.row(sql, values)
        assert row is not None
        return row

    def row(self, sql: str, values: Values = ()) -> Row | None:
        """Return the first row."""
        return self._connection.execute(sql, values).fetchone()

    def value(self, sql: str, values: Values = ()) -> Any:
        """Return the first value of the first row; ``None`` where there is none."""
        row = self.row(sql, values)
        return None if row is None else row[0]

    @contextmanager
    def read(self) -> Iterator[None]:
        """See one state of the ledger throughout the block."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """Write everything in the block or nothing of it. Inside another one, it is part of it."""
        if self._writing:
            yield
            return
        self._writing = True
        try:
            with self._transaction("BEGIN IMMEDIATE"):
                yield
        finally:
            self._writing = False

    def begin_snapshot(self) -> None:
        """Keep seeing the ledger as it is now, until ``close``."""
        with _errors_of(self.path):
            self.execute("BEGIN")
            # The snapshot is taken by the first read.
            self.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the driver's errors into a ``StoreError``."""
        with _errors_of(self.path):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with _errors_of(self.path):
            self.execute(begin)
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                # Some errors, a full disk among them, have undone the transaction already.
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise


def storable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: half a surrogate pair is written as its escape.

    JSON needs none of this, it comes with such escapes.

    >>> storable("a\ud800")
    'a\\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def path_value(path: str) -> str | bytes:
    """Return a path as stored: names of files may be no UTF-8 at all, then as bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape")
    return path


def path_from_value(value: str | bytes) -> str:
    r"""Return a stored path.

    >>> path_from_value(path_value("a\udcff")) == "a\udcff"
    True
    """
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def check_version() -> None:
    """Refuse a SQLite that may corrupt the ledger."""
    if tuple(sqlite3.sqlite_version_info) < SQLITE_MIN:
        needed = ".".join(map(str, SQLITE_MIN))
        message = f"SQLite {sqlite3.sqlite_version} is too old for the ledger"
        raise StoreError(message, hint=f"Install a pysqlite3 with SQLite {needed} or newer")


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        problem = Problem("", f"{error.object!r} has half of a character", "Write it as UTF-8")
        raise DefinitionError([problem], what="A text") from None
    except sqlite3.IntegrityError as error:
        # Whoever expects one catches it inside the transaction.
        raise AssertionError(f"a rule of the ledger is broken: {error}") from error
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        primary = "_".join(name.split("_")[:2])
        if (remedy := _REMEDIES.get(primary)) is None:
            raise  # a statement of ours is wrong
        code = _CODES.get(primary, "")
        raise StoreError(f"The ledger {path}: {error}", hint=remedy, code=code) from error


def _statements(sql: str) -> Iterator[str]:
    pending = ""
    for line in sql.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
