"""``SqlCollector``: rows of a query, from the ledger's watermark.

Theory of operation. The query compares with its watermark and orders by it. Each row has to be
above the one before: that proves the order, so that the last row read is the greatest one, and
whatever is above it comes with the next run. Rows that are equal in all columns of the watermark
are refused, because a run that ends between them could not tell which of them it has read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterhouse.connectors.folders import AllowedFolders
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.sql.database import Database, library
from meterhouse.connectors.sql.value import json_value, raw_text
from meterhouse.connectors.sql.watermark import Mark, Watermark
from meterhouse.core.json_text import JsonValue, Record, has_half_pair, json_text
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.secret import Credentials
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import Collected, Collecting, InputError, ReadChunk, Unreadable

#: The part of its position: there is one query.
PART = "query"
ROWS_MAX = 50_000
_RAW_CHARS_MAX = 10_000


def open_collector(
    settings: Mapping[str, JsonValue],
    credentials: Credentials | None,
    *,
    guard: Guard,
    folders: AllowedFolders,
) -> SqlCollector:
    """Return a collector of a query; nothing is connected yet."""
    library()
    return SqlCollector(settings, Database(settings, credentials, guard=guard, folders=folders))


@dataclass(slots=True)
class _Reached:
    """The last row that was read, and how many rows were read before, by all runs."""

    watermark: Watermark
    taken: int = 0

    def position(self, columns: Sequence[str]) -> dict[str, JsonValue]:
        marks = [mark.to_json() for mark in self.watermark.marks]
        return {PART: {"columns": list(columns), "watermark": marks, "taken": self.taken}}


class SqlCollector:
    """Reads a query; a ``Collector``."""

    def __init__(self, settings: Mapping[str, JsonValue], database: Database) -> None:
        self._settings = settings
        self._columns: list[str] = settings["columns"]
        self._database = database
        self._connection: Any = None
        self._result: Any = None

    # ------------------------------------------------------------ reading

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        """Yield the rows above the watermark."""
        sa = library()
        reached = self._start(wanted.positions.get(PART))
        self._connection = self._database.connect()
        try:
            yield from self._read(reached, wanted)
        except MeterhouseError:
            raise
        # A driver may refuse a value before it is asked anything.
        except (sa.exc.SQLAlchemyError, OSError, OverflowError, ValueError) as error:
            raise self._database.failed(error) from error
        finally:
            # A transaction that stays open would keep the database from cleaning up.
            self.close()

    def _start(self, kept: JsonValue) -> _Reached:
        if kept is None:
            return _Reached(Watermark.of(self._settings["start"]))
        if kept["columns"] != self._columns:
            was, now = ", ".join(kept["columns"]), ", ".join(self._columns)
            text = f"was read by {was} until now, and the node says {now}"
            hint = (
                "`meterhouse stream position reset STREAM --node NODE` lets the next run begin at "
                "watermark.start: set it to where the last run ended"
            )
            raise self._database.failed(text, hint=hint)
        return _Reached(Watermark(tuple(map(Mark.read, kept["watermark"]))), kept["taken"])

    def _read(self, reached: _Reached, wanted: Collecting) -> Iterator[Collected]:
        size = min(ROWS_MAX, wanted.chunk_records, wanted.records_max)
        result = self._result = self._asked(reached, min(self._settings["fetchSize"], size))
        names = self._names(result)
        room = wanted.records_max
        source = -1
        held: list[Sequence[Any]] = []
        for row in result:
            held.append(row)
            room -= 1
            if len(held) == size or not room:
                source = wanted.number(self._database.source) if source < 0 else source
                yield self._collected(held, names, reached, source)
                held = []
            if not room:
                return
        if held:
            source = wanted.number(self._database.source) if source < 0 else source
            yield self._collected(held, names, reached, source)

    def _asked(self, reached: _Reached, fetched: int) -> Any:
        """Send the query. Rows come in parts of so many, wherever the driver can do that."""
        named = ["watermark", *(f"watermark_{n}" for n in range(2, len(self._columns) + 1))]
        values = dict(zip(named, map(self._bound, reached.watermark.values), strict=True))
        text = library().text(self._settings["query"])
        return self._connection.execution_options(yield_per=fetched).execute(text, values)

    def _bound(self, value: object) -> object:
        # SQLite has no decimals; those of a document are the only ones that come here.
        return float(value) if "file" in self._settings and isinstance(value, Decimal) else value

    def _names(self, result: Any) -> list[str]:
        names = list(result.keys())
        for name in names:
            if names.count(name) > 1:
                text = f"the query has two columns {name}"
                raise self._failed(text, hint="Give one of them another name, with AS")
        for name in self._columns:
            if name not in names:
                text = f"the query has no column {name}, which is one of its watermark"
                raise self._failed(text, hint=f"It has {', '.join(names)}")
        return names

    def _collected(
        self, rows: Sequence[Sequence[Any]], names: list[str], reached: _Reached, source: int
    ) -> Collected:
        """Make records of rows, and move the watermark on."""
        records: list[Record] = []
        origins = []
        unreadable: list[Unreadable] = []
        places = [names.index(column) for column in self._columns]
        for row in rows:
            offset = reached.taken
            self._advance(reached, [row[place] for place in places])
            record, problem = _record(names, row)
            if problem:
                raw = json_text(record | _raw(names, row, record))
                unreadable.append(Unreadable(offset, raw, problem, record))
            else:
                records.append(record)
                origins.append((source, offset))
        batch = UsageBatch.from_rows(records, origins)
        return Collected(ReadChunk(batch, unreadable), source, reached.position(self._columns))

    # ------------------------------------------------------------ the order of rows

    def _advance(self, reached: _Reached, values: Sequence[Any]) -> None:
        last = reached.watermark
        try:
            mark = Watermark.of(values)
        except ValueError as error:
            text = f"row {reached.taken + 1}: the watermark ({', '.join(self._columns)}) {error}"
            raise self._failed(text, hint="Leave such rows out of the query") from error
        if mark.like(last):
            self._check_order(last.values, mark.values, reached)
        elif reached.taken:
            text = f"the watermark has another type in row {reached.taken + 1}: {mark} after {last}"
            raise self._failed(text, hint="Let the query cast it to one type")
        reached.watermark = mark
        reached.taken += 1

    def _check_order(self, last: Any, mark: Any, reached: _Reached) -> None:
        if mark > last:
            return
        columns = ", ".join(self._columns)
        shown = ", ".join(map(str, mark))
        if mark == last:
            text = f"two rows have the same watermark ({columns}): {shown}"
            hint = "Compare with >, and name more columns in watermark.tie until rows are unique"
        else:
            before = ", ".join(map(str, last))
            text = f"row {reached.taken + 1} has the watermark {shown}, below {before}"
            hint = (
                f"Let the query compare with > and end with ORDER BY {columns}; "
                'for texts, both with COLLATE "C" or the like'
            )
        raise self._failed(text, hint=hint)

    def _failed(self, text: str, *, hint: str) -> InputError:
        return self._database.failed(text, hint=hint)

    # ------------------------------------------------------------ afterwards

    def acknowledge(self) -> Mapping[str, JsonValue]:
        """Tell nobody: a database does not know its readers."""
        return {}

    def close(self) -> None:
        """Let go of the connection."""
        held = (self._result, self._connection)
        self._result = self._connection = None
        for open_one in filter(None, held):
            with suppress(library().exc.SQLAlchemyError):
                open_one.close()


def _record(names: Sequence[str], row: Sequence[Any]) -> tuple[Record, str]:
    """Return what of a row is JSON, NULLs left out, and what is wrong with the rest."""
    record: Record = {}
    problems = []
    for name, value in zip(names, row, strict=True):
        if value is None:
            continue
        try:
            if isinstance(value, str) and has_half_pair(value):
                raise ValueError("holds half of a surrogate pair, which is no character")
            record[name] = json_value(value)
        except ValueError as error:
            problems.append(f"column {name} {error}")
    return record, "; ".join(problems)


def _raw(names: Sequence[str], row: Sequence[Any], record: Record) -> Record:
    """Return the columns that are not in the record, as texts."""
    return {
        name: raw_text(value)[:_RAW_CHARS_MAX]
        for name, value in zip(names, row, strict=True)
        if value is not None and name not in record
    }
