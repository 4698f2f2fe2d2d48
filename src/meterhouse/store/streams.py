"""The stored streams: their documents and the meter keys of their nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from meterhouse.app.ports import Lease, Page
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import StreamDefinition

_SQL = queries("streams")
_RUNS = queries("runs")


class StreamTable:
    """The part of the ledger that keeps streams."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def add_stream(self, stream: StreamDefinition) -> None:
        """Add; refused where the name is taken."""
        with self._database.write():
            if self._database.value(_SQL["name_taken"], (stream.name,)) is not None:
                hint = "Import it under another name (`--name`)"
                raise ConflictError(f"A stream is named {stream.name!r}", hint=hint)
            document = json_text(stream.document)
            values = (stream.id, stream.name, document, stream.created_at, stream.updated_at)
            no = self._database.value(_SQL["insert_stream"], values)
            nodes = [(no, node_id, key) for node_id, key in stream.meter_keys.items()]
            self._database.execute_many(_SQL["insert_meter_node"], nodes)

    def stream(self, reference: str) -> StreamDefinition | None:
        """Find one by name or id."""
        with self._database.read():
            no = self._database.value(_SQL["find_stream"], {"reference": reference})
            return _by_no(self._database, no)

    def streams(self, *, limit: int = 100, after: str | None = None) -> Page[StreamDefinition]:
        """List streams."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def stream_of_meter_key(self, meter_key: str) -> StreamDefinition | None:
        """Find the stream whose meter node has that key."""
        with self._database.read():
            return _by_no(
                self._database, self._database.value(_SQL["no_of_meter_key"], (meter_key,))
            )

    def update_stream(
        self, id: str, change: Callable[[StreamDefinition], StreamDefinition]
    ) -> StreamDefinition:
        """Replace a stream by what ``change`` makes of it; refused where its name is taken."""
        with self._database.write():
            no, _ = _known(self._database, id)
            present = _by_no(self._database, no)
            assert present is not None
            changed = change(present)
            holder = self._database.value(_SQL["name_taken"], (changed.name,))
            if holder not in (None, id):
                hint = "Choose another name"
                raise ConflictError(f"A stream is named {changed.name!r}", hint=hint)
            values = (changed.name, json_text(changed.document), changed.updated_at, no)
            self._database.execute(_SQL["update_stream"], values)
            self._database.execute(_SQL["delete_meter_nodes"], (no,))
            nodes = [(no, node_id, key) for node_id, key in changed.meter_keys.items()]
            self._database.execute_many(_SQL["insert_meter_node"], nodes)
        return changed

    def delete_stream(
        self, id: str, *, check: Callable[[StreamDefinition], None] | None = None
    ) -> None:
        """Delete with what its runs remember; refused while it runs or has suspended records."""
        with self._database.write():
            no, name = _known(self._database, id)
            present = _by_no(self._database, no)
            if check is not None and present is not None:
                check(present)
            lease = self._database.row(_SQL["lease"], (no,))
            if lease is not None and not self._dead(Lease(*lease[:2])):
                hint = "Wait for its end; if its machine is gone, `stream run --take-over` ends it"
                raise ConflictError(f"Stream {name!r} is running (run {lease[2]})", hint=hint)
            if count := self._database.value(_SQL["suspended"], (no,)):
                records = "1 record" if count == 1 else f"{count} records"
                hint = "Requeue or delete them first"
                message = f"Stream {name!r} has {records} in Data Correction"
                raise ConflictError(message, hint=hint)
            if lease is not None:
                # Nobody else will ever say that it has ended; when it did, nobody knows.
                error = f"interrupted: its process {lease[1]} is gone"
                self._database.execute(_RUNS["interrupt"], (error, None, lease[3]))
            self._database.execute(_SQL["delete_script_store"], (no,))
            self._database.execute(_SQL["delete_stream"], (no,))


def _known(database: Database, id: str) -> Row:
    row = database.row(_SQL["by_id"], (id,))
    if row is None:
        hint = "`stream list` shows those that exist"
        raise NotFoundError(f"There is no stream {id!r}", hint=hint)
    return row


def _by_no(database: Database, no: int | None) -> StreamDefinition | None:
    if no is None:
        return None
    return _from_rows(database, database.rows(_SQL["page"], (no - 1, 1)))[0]


def _from_rows(database: Database, rows: Sequence[Row]) -> list[StreamDefinition]:
    return [
        StreamDefinition(
            id,
            name,
            parse_json(document),
            dict(database.rows(_SQL["meter_nodes"], (no,))),
            created_at,
            updated_at,
        )
        for id, name, document, created_at, updated_at, no in rows
    ]
