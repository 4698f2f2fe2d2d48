"""The forwarder of ``writers/sql``: rows of a table, a batch in one transaction.

A row has the idempotency key of its record in a unique column, and one whose key is there already
is left out: however often a batch is repeated, each record is there once. Where the database does
not take a batch because of what is in it, its records are added one by one, and those that it does
not take are refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from threading import Event, Timer
from typing import Any

from meterhouse.connectors.folders import AllowedFolders
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.sending import away, read_settings, record_of, unfit
from meterhouse.connectors.sql.database import library
from meterhouse.connectors.sql.target_table import TableUnfit, TargetTable
from meterhouse.connectors.sql.writable import WritableDatabase, cut
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.secret import Credentials
from meterhouse.streams.nodes.sql_writer import SqlWriterParams, read_sql_writer
from meterhouse.streams.ports import (
    Accepted,
    ForwardItem,
    Outcome,
    Refused,
    TryAgain,
)

_Row = dict[str, Any]
#: Classes of SQLSTATE that a record is to blame for: its values, and what constrains them.
_OWN_FAULT = ("22", "23")


def open_forwarder(
    settings: Mapping[str, JsonValue],
    credentials: Callable[[str], Credentials],
    *,
    guard: Guard,
    folders: AllowedFolders,
) -> SqlForwarder:
    """Return the forwarder of a lane; nothing is connected yet. Raises ``MeterhouseError``."""
    library()
    params = read_settings(settings, read_sql_writer)
    receiver = params.receiver
    who = receiver.credentials(credentials)
    database = WritableDatabase(receiver.access, who, guard=guard, folders=folders)
    return SqlForwarder(params, database)


class SqlForwarder:
    """Adds the records of one lane to a table."""

    def __init__(self, params: SqlWriterParams, database: WritableDatabase) -> None:
        self._params = params
        self._database = database
        self._ended = Event()
        self._connection: Any = None
        self._table: TargetTable | None = None

    @property
    def batch(self) -> int:
        """So many records are added in one transaction, at most."""
        return self._params.batch

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Add records in one transaction; one by one, where the database refuses them together."""
        try:
            with self._deadline():
                table = self._opened()
                rows = [_row(self._params, table, item) for item in items]
                good = [row for row in rows if isinstance(row, dict)]
                added = self._added(table, good)
                if isinstance(added, Refused) and len(good) > 1:
                    return self._one_by_one(table, rows)
        except MeterhouseError as error:
            return [away(error)]
        except TableUnfit as error:
            self._drop()
            return [away(self._database.said(error))]
        if isinstance(added, TryAgain):
            return [added]
        return [added if isinstance(row, dict) else row for row in rows]

    def close(self) -> None:
        """Let the connection go, and end whatever waits for it."""
        self._ended.set()
        if self._connection is not None:
            cut(self._connection)
        self._drop()

    # ------------------------------------------------------------ rows

    def _one_by_one(self, table: TargetTable, rows: Sequence[_Row | Refused]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for row in rows:
            outcomes.append(self._added(table, [row]) if isinstance(row, dict) else row)
            if isinstance(outcomes[-1], TryAgain):
                break
        return outcomes

    def _added(self, table: TargetTable, rows: Sequence[_Row]) -> Outcome:
        """Add rows in one transaction: all of them, or none."""
        sa = library()
        deadline = time.monotonic() + self._params.receiver.seconds
        while True:
            try:
                self._transaction(table, rows)
            except sa.exc.DBAPIError as error:
                if _is_busy(error) and not self._ended.is_set() and time.monotonic() < deadline:
                    continue
                return self._judged(error)
            except (sa.exc.SQLAlchemyError, OSError) as error:
                self._drop()
                return away(self._database.said(error))
            except (ValueError, OverflowError) as error:
                return unfit(error)  # The driver does not take a value at all.
            return Accepted()

    def _transaction(self, table: TargetTable, rows: Sequence[_Row]) -> None:
        connection = self._connection
        if connection is None or self._ended.is_set():
            raise OSError("was stopped")
        with connection.begin():
            for columns, alike in groupby(rows, key=lambda row: tuple(row)):
                many = [{f"p{n}": value for n, value in enumerate(row.values())} for row in alike]
                connection.execute(table.insert(columns), many)

    def _judged(self, error: Any) -> Outcome:
        sa = library()
        state = getattr(error.orig, "sqlstate", None) or ""
        own = isinstance(error, sa.exc.IntegrityError | sa.exc.DataError)
        text = self._database.said(error)
        if own or state.startswith(_OWN_FAULT):
            return Refused(text)
        self._drop()
        return away(text)

    # ------------------------------------------------------------ the connection

    def _opened(self) -> TargetTable:
        """Return the table; it is looked at once for each connection.

        Raises ``MeterhouseError``, ``TableUnfit``.
        """
        if self._connection is not None and self._table is not None:
            return self._table
        sa = library()
        self._connection = self._database.connect()
        params = self._params
        try:
            table = TargetTable(self._connection, params.table, key_column=params.key_column)
            self._connection.rollback()
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._drop()
            raise self._database.failed(getattr(error, "orig", None) or error) from error
        table.require([name for name, _ in params.columns or ()])
        self._table = table
        return table

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Cut the connection where the database does not answer in time."""

        def cut_it() -> None:
            if self._connection is not None:
                cut(self._connection)

        timer = Timer(self._params.receiver.seconds, cut_it)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _drop(self) -> None:
        connection, self._connection, self._table = self._connection, None, None
        if connection is not None:
            with suppress(Exception):  # What cannot be closed any more is gone.
                connection.close()


def _row(params: SqlWriterParams, table: TargetTable, item: ForwardItem) -> _Row | Refused:
    try:
        return table.row(item.key, params.row(record_of(item)))
    except ValueError as error:
        return unfit(error)


def _is_busy(error: Any) -> bool:
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
