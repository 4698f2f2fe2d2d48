"""The stored streams: their documents and the meter keys of their nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from meterhouse.app.ports import Lease, Page
from meterhouse.app.stream_ports import ALL_STREAMS, StreamEdit, StreamFilter
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.revision import check_revision
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.store.stream_versions import keep_tagged, keep_version
from meterhouse.streams.record import StreamDefinition
from meterhouse.streams.version import LostNode, VersionNote, lost_nodes

_SQL = queries("streams")
_KIND = "stream"
_RUNS = queries("runs")


class StreamTable(Recorder):
    """The part of the ledger that keeps streams."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def add_stream(self, stream: StreamDefinition, *, note: VersionNote | None = None) -> None:
        """Add, with a version where it gets a tag; refused where the name is taken."""
        with self._recorded("create", _KIND, stream.id, name=stream.name):
            _refuse_taken(self._database, stream.name)
            document = json_text(stream.document)
            values = (stream.id, stream.name, document, stream.created_at, stream.updated_at)
            no = self._database.value(_SQL["insert_stream"], values)
            nodes = [(no, node_id, key) for node_id, key in stream.meter_keys.items()]
            self._database.execute_many(_SQL["insert_meter_node"], nodes)
            if note is not None:
                version = note.of(stream, at=stream.created_at)
                keep_tagged(self._database, (no, stream.name), version)

    def stream(self, reference: str) -> StreamDefinition | None:
        """Find one by id or name, in this order."""
        with self._database.read():
            no = self._database.value(_SQL["find_stream"], {"reference": reference})
            return _by_no(self._database, no)

    def streams(
        self,
        wanted: StreamFilter = ALL_STREAMS,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[StreamDefinition]:
        """List streams, those that all of what is given holds for."""
        values = {"after": number_after(after), "limit": limit + 1, "name": wanted.name}
        values |= {"meter_key": wanted.meter_key, "secret_id": wanted.secret_id}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def stream_of_meter_key(self, meter_key: str) -> StreamDefinition | None:
        """Find the stream whose meter node has that key."""
        with self._database.read():
            return _by_no(
                self._database, self._database.value(_SQL["no_of_meter_key"], (meter_key,))
            )

    def has_meter_key(self, meter_key: str) -> bool:
        """Whether a stream has a meter node with that key."""
        with self._database.read():
            return self._database.value(_SQL["no_of_meter_key"], (meter_key,)) is not None

    def update_stream(
        self,
        id: str,
        change: Callable[[StreamDefinition], StreamDefinition],
        *,
        edit: StreamEdit,
    ) -> StreamDefinition:
        """Replace a stream by what ``change`` makes of it, in one transaction; returns that."""
        with self._recorded("update", _KIND, id) as activity:
            no, current = _checked(self._database, id, edit.expected_revision)
            new = change(current)
            activity.detail["name"] = new.name
            if new is not current:
                self._check_removal(no, current, new, allowed=edit.allow_node_removal)
                _replace(self._database, (no, current), new, edit)
            if edit.note is not None:
                keep_tagged(self._database, (no, new.name), edit.note.of(new, at=edit.at))
            activity.void = new is current and edit.note is None
            return new

    def delete_stream(self, id: str, *, edit: StreamEdit) -> None:
        """Delete with what its runs remember; refused while it runs or has suspended records."""
        with self._recorded("delete", _KIND, id) as note:
            no, stream = _checked(self._database, id, edit.expected_revision)
            note.detail["name"] = name = stream.name
            if (group := self._database.value(_SQL["in_group"], (no,))) is not None:
                hint = "Delete the group first (`group delete`)"
                raise ConflictError(f"Stream {name!r} is in the group {group!r}", hint=hint)
            lease = self._refuse_running(no, name)
            if count := self._database.value(_SQL["suspended"], (no,)):
                records = "1 record" if count == 1 else f"{count} records"
                hint = "Requeue or delete them first"
                message = f"Stream {name!r} has {records} in Data Correction"
                raise ConflictError(message, hint=hint)
            if not edit.allow_node_removal:
                _refuse_orphans(self._database, no, name)
            if lease is not None:
                # Nobody else will ever say that it has ended.
                error = f"interrupted: its process {lease[1]} is gone"
                self._database.execute(_RUNS["interrupt"], (error, edit.at, lease[3]))
            self._database.execute(_SQL["delete_script_store"], (no,))
            self._database.execute(_SQL["delete_stream"], (no,))

    def _check_removal(
        self, no: int, current: StreamDefinition, new: StreamDefinition, *, allowed: bool
    ) -> None:
        """Refuse to drop nodes that remember something, unless it is allowed and none of it runs.

        Without the node, nobody could tell that the run uses its meters and has taken its records.
        """
        lost = lost_nodes(current.document, new.document)
        kept = [f"{n} has {state}" for n in lost if (state := _state(self._database, no, n))]
        if kept and allowed:
            self._refuse_running(no, current.name)
        elif kept:
            message = f"Stream {current.name!r} would lose nodes that are in use: {'; '.join(kept)}"
            hint = "Keep the ids of these nodes, or allow it (`--allow-node-removal`)"
            raise ConflictError(message, hint=hint, code="node_removal")

    def _refuse_running(self, no: int, name: str) -> Row | None:
        """Refuse while a stream runs; returns the lease of a process that is gone."""
        lease = self._database.row(_SQL["lease"], (no,))
        if lease is not None and not self._dead(Lease(*lease[:2])):
            hint = "Wait for its end; if its machine is gone, `stream run --take-over` ends it"
            raise ConflictError(f"Stream {name!r} is running (run {lease[2]})", hint=hint)
        return lease


def stream_by_no(database: Database, no: int) -> StreamDefinition:
    """Return the stream of a number; the caller holds the transaction."""
    return _from_rows(database, database.rows(_SQL["by_no"], (no,)))[0]


def _checked(
    database: Database, id: str, expected_revision: str | None
) -> tuple[int, StreamDefinition]:
    """Return a stream with its number; refused where it is not as the caller has seen it."""
    row = database.row(_SQL["by_id"], (id,))
    if row is None:
        hint = "`stream list` shows those that exist"
        raise NotFoundError(f"There is no stream {id!r}", hint=hint)
    stream = stream_by_no(database, row[0])
    check_revision(stream.revision, expected=expected_revision, what=f"Stream {stream.name!r}")
    return row[0], stream


def _replace(
    database: Database,
    stored: tuple[int, StreamDefinition],
    new: StreamDefinition,
    edit: StreamEdit,
) -> None:
    no, current = stored
    if new.name != current.name:
        _refuse_taken(database, new.name)
    if edit.keep_as is not None:
        keep_version(database, no, current, edit)
    values = (new.name, json_text(new.document), new.updated_at, no)
    database.execute(_SQL["update_stream"], values)
    database.execute(_SQL["delete_meter_nodes"], (no,))
    nodes = [(no, node_id, key) for node_id, key in new.meter_keys.items()]
    database.execute_many(_SQL["insert_meter_node"], nodes)
    lost = lost_nodes(current.document, new.document)
    unlinked = [(new.updated_at, no, node.id) for node in lost]
    database.execute_many(_SQL["unlink_suspended"], unlinked)


def _refuse_taken(database: Database, name: str) -> None:
    if database.value(_SQL["name_taken"], (name,)) is not None:
        hint = "Import it under another name (`--name`)"
        raise ConflictError(f"A stream is named {name!r}", hint=hint)


def _refuse_orphans(database: Database, no: int, name: str) -> None:
    """Refuse to leave meters behind that no stream counts for."""
    if count := database.value(_SQL["meters_of_stream"], {"no": no}):
        meters, they = ("1 meter", "it") if count == 1 else (f"{count:,} meters", "they")
        message = f"Stream {name!r} has {meters}, and {they} would belong to no stream"
        hint = "Delete the meters first, or allow it (`--allow-node-removal`)"
        raise ConflictError(message, hint=hint, code="node_removal")


def _state(database: Database, no: int, node: LostNode) -> str:
    """Say what a node remembers; empty where it is nothing."""
    place = (no, node.id)
    found = []
    if meters := database.value(_SQL["meters_of_node"], place):
        found.append("1 meter" if meters == 1 else f"{meters} meters")
    if database.value(_SQL["keys_of_node"], place):
        found.append("keys of records it has seen")
    if sessions := database.value(_SQL["sessions_of_node"], place):
        found.append("1 open session" if sessions == 1 else f"{sessions} open sessions")
    if records := database.value(_SQL["suspended_of_node"], place):
        count = "1 record" if records == 1 else f"{records} records"
        found.append(f"{count} in Data Correction")
    return ", ".join(found)


def _by_no(database: Database, no: int | None) -> StreamDefinition | None:
    if no is None:
        return None
    return stream_by_no(database, no)


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
