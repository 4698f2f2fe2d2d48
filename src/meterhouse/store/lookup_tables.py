"""The look-up tables: what is known of them and of their versions. Their rows lie elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from meterhouse.app.page import Page
from meterhouse.app.table_ports import TableDraft, TablePlace
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.engine.column import ColumnKind
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.lookup_table import LookupTable, TableVersion

_SQL = queries("lookup_tables")
_KIND = "look-up table"
_NUMBER_MAX = 2**63 - 1
_STREAMS_SHOWN_MAX = 5


class LookupTableTable(Recorder):
    """The part of the ledger that keeps look-up tables."""

    _database: Database

    def add_table_version(
        self, draft: TableDraft, publish: Callable[[TablePlace], None]
    ) -> TableVersion:
        """Add a version, and the table where there is none of its name."""
        with self._recorded("update", _KIND, name=draft.name) as note:
            table = _table(self._database, draft.name)
            if table is None:
                note.action = "create"
                values = (draft.id, draft.name, draft.at)
                no, id, number = self._database.value(_SQL["insert_table"], values), draft.id, 1
            else:
                no, id, number = table[0], table[1], _latest(self._database, table).number + 1
            note.id, note.detail["version"] = id, number
            columns = [[name, column.kind.value] for name, column in draft.columns.items()]
            values = (
                *(no, number, draft.sha256, draft.rows, json_text(columns)),
                *(json_text(list(draft.keys)), json_text(dict(draft.fields))),
                *(draft.at, storable(draft.by)),
            )
            self._database.execute(_SQL["insert_version"], values)
            publish((id, number))
        found = self.table_version(id, number)
        assert found is not None, "it was just written"
        return found

    def lookup_table(self, reference: str) -> LookupTable | None:
        """Find one by id or name, in this order."""
        with self._database.read():
            row = _table(self._database, reference)
            return None if row is None else _of_row(self._database, row)

    def lookup_tables(self, *, limit: int = 100, after: str | None = None) -> Page[LookupTable]:
        """List tables."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
            return page_of(rows, partial(_of_rows, self._database), limit=limit)

    def table_version(self, reference: str, number: int | None) -> TableVersion | None:
        """Return a version of a table: the latest, unless a number is given."""
        with self._database.read():
            return version_of(self._database, reference, number)

    def table_versions(
        self, table_id: str, *, limit: int = 100, after: str | None = None
    ) -> Page[TableVersion]:
        """List the versions of a table, newest first."""
        before = number_after(after, default=_NUMBER_MAX)
        with self._database.read():
            table = _table(self._database, table_id)
            if table is None:
                return Page([])
            rows = self._database.rows(_SQL["versions"], (table[0], before, limit + 1))
            return page_of(
                rows, lambda some: [_version(table, row[:-1]) for row in some], limit=limit
            )

    def streams_of_table(self, name: str) -> Sequence[str]:
        """Return the names of the streams that look things up in it."""
        with self._database.read():
            return [stream for (stream,) in self._database.rows(_SQL["streams"], {"name": name})]

    def delete_lookup_table(self, id: str, check: Callable[[LookupTable], None]) -> None:
        """Delete with its versions; refused while streams use it."""
        with self._recorded("delete", _KIND, id) as note:
            row = _table(self._database, id)
            if row is None:
                hint = "`table list` shows those that exist"
                raise NotFoundError(f"There is no look-up table {id!r}", hint=hint)
            table = _of_row(self._database, row)
            check(table)
            note.detail["name"] = table.name
            if streams := self.streams_of_table(table.name):
                shown = ", ".join(map(repr, streams[:_STREAMS_SHOWN_MAX]))
                more = len(streams) - _STREAMS_SHOWN_MAX
                rest = f" and {more} more" if more > 0 else ""
                noun = "the stream" if len(streams) == 1 else f"{len(streams)} streams:"
                message = f"Look-up table {table.name!r} is used by {noun} {shown}{rest}"
                raise ConflictError(message, hint="Let those nodes use another table first")
            self._database.execute(_SQL["delete_table"], (row[0],))

    def sweep_tables(self, sweep: Callable[[frozenset[TablePlace]], None]) -> None:
        """Call ``sweep`` with all versions that there are, while nobody can add one."""
        with self._database.write():
            sweep(frozenset(self._database.rows(_SQL["known_contents"])))


def version_of(database: Database, reference: str, number: int | None) -> TableVersion | None:
    """Return a version of a table, within a transaction."""
    table = _table(database, reference)
    if table is None:
        return None
    if number is None:
        return _latest(database, table)
    row = database.row(_SQL["version"], (table[0], min(number, _NUMBER_MAX)))
    return None if row is None else _version(table, row)


def _table(database: Database, reference: str) -> Row | None:
    return database.row(_SQL["find_table"], {"reference": storable(reference)})


def _latest(database: Database, table: Row) -> TableVersion:
    return _version(table, database.only_row(_SQL["latest"], (table[0],)))


def _of_rows(database: Database, rows: Sequence[Row]) -> list[LookupTable]:
    return [_of_row(database, row[:-1]) for row in rows]


def _of_row(database: Database, row: Row) -> LookupTable:
    return LookupTable(*row[1:], latest=_latest(database, row))


def _version(table: Row, row: Row) -> TableVersion:
    number, sha256, rows, columns, keys, fields, at, by = row
    kinds = tuple((name, ColumnKind(kind)) for name, kind in parse_json(columns))
    return TableVersion(
        *(table[1], table[2], number, sha256, rows, kinds),
        tuple(parse_json(keys)),
        tuple(parse_json(fields).items()),
        created_at=at,
        created_by=by,
    )
