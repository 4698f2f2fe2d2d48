"""Versions of streams: snapshots that are never changed, and tags that are never used twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meterhouse.app.ports import Page
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import StreamDefinition
from meterhouse.streams.version import StreamVersion

_SQL = queries("stream_versions")
_STREAMS = queries("streams")
_NUMBER_MAX = 2**63 - 1


class StreamVersionTable(Recorder):
    """The part of the ledger that keeps versions."""

    _database: Database

    def add_version(self, version: StreamVersion) -> None:
        """Add a version with a tag; refused where the stream has used the tag before."""
        with self._recorded("create", "stream version", version.id) as note:
            row = self._database.row(_STREAMS["by_id"], (version.stream_id,))
            if row is None:
                hint = "`stream list` shows those that exist"
                raise NotFoundError(f"There is no stream {version.stream_id!r}", hint=hint)
            note.detail |= {"stream": version.stream_id, "tag": version.tag}
            keep_tagged(self._database, row, version)

    def version(self, stream_id: str, reference: str) -> StreamVersion | None:
        """Find a version of a stream by tag or id."""
        values = {"stream_id": stream_id, "reference": reference}
        with self._database.read():
            rows = self._database.rows(_SQL["find"], values)
        return next(iter(_from_rows(rows)), None)

    def versions(
        self, *, stream_id: str, limit: int = 100, after: str | None = None
    ) -> Page[StreamVersion]:
        """List the versions of a stream, newest first."""
        values: Mapping[str, Any] = {
            "stream_id": stream_id,
            "before": number_after(after, default=_NUMBER_MAX),
            "limit": limit + 1,
        }
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
        return page_of(rows, _from_rows, limit=limit)


def keep_tagged(database: Database, stream: Row, version: StreamVersion) -> None:
    """Keep a version of a stream, which is given by number and name, under a new tag."""
    no, name = stream
    if database.value(_SQL["tag_taken"], (no, version.tag)) is not None:
        message = f"Stream {name!r} has a version {version.tag!r}"
        raise ConflictError(message, hint="A tag is used once: choose another")
    _insert(database, no, version)


def keep_version(database: Database, no: int, stream: StreamDefinition, edit: StreamEdit) -> None:
    """Keep a stream as it was before an edit; not twice in a row."""
    assert edit.keep_as is not None
    if database.value(_SQL["latest_document"], (no,)) == json_text(stream.document):
        return
    kept = StreamVersion(
        id=edit.keep_as,
        stream_id=stream.id,
        tag=None,
        description=edit.description,
        created_at=edit.at,
        created_by=edit.by,
        document=stream.document,
        meter_keys=stream.meter_keys,
    )
    _insert(database, no, kept)


def _insert(database: Database, no: int, version: StreamVersion) -> None:
    note = (version.tag, storable(version.description), version.created_at, version.created_by)
    texts = (json_text(version.document), json_text(version.meter_keys))
    database.execute(_SQL["insert"], (version.id, no, *note, *texts))


def _from_rows(rows: Sequence[Row]) -> list[StreamVersion]:
    return [
        StreamVersion(*plain, document=parse_json(document), meter_keys=parse_json(keys))
        for *plain, document, keys, _ in rows
    ]
