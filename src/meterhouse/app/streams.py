"""Streams: importing, finding, exporting and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from meterhouse.app.listing import found
from meterhouse.app.ports import Streams
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import NotFoundError
from meterhouse.core.revision import check_revision, revision_of
from meterhouse.streams.graph import load_graph
from meterhouse.streams.record import StreamDefinition


def import_stream(
    streams: Streams,
    document: JsonValue,
    *,
    name: str | None = None,
    new_id: Callable[[], str],
    at: Instant,
) -> StreamDefinition:
    """Check a document as a whole and store it; each meter node gets a new meter key.

    ``name`` goes before the document's own. Raises ``DefinitionError`` with every problem, or
    ``ConflictError`` where a stream of that name exists.
    """
    if name is not None and isinstance(document, Mapping):
        document = {**document, "name": name}
    graph = load_graph(document)
    stream = StreamDefinition(
        id=new_id(),
        name=graph.name,
        document=graph.document,
        meter_keys={node.id: new_id() for node in graph.meter_nodes},
        created_at=at,
        updated_at=at,
    )
    streams.add_stream(stream)
    return stream


class Strategy(Enum):
    """What becomes of an import under a name that a stream has."""

    REFUSE = "refuse"
    REPLACE = "replace"
    CREATE = "create"
    SKIP = "skip"


class Imported(Enum):
    """What an import did."""

    CREATED = "created"
    REPLACED = "replaced"
    SKIPPED = "skipped"


def import_by(
    streams: Streams,
    document: JsonValue,
    *,
    strategy: Strategy,
    name: str | None = None,
    new_id: Callable[[], str],
    at: Instant,
) -> tuple[StreamDefinition, Imported]:
    """Import a document; ``strategy`` decides where a stream of that name exists."""
    if name is not None and isinstance(document, Mapping):
        document = {**document, "name": name}
    graph = load_graph(document)
    present = streams.stream(graph.name)
    if present is not None and present.name == graph.name:
        if strategy is Strategy.SKIP:
            return present, Imported.SKIPPED
        if strategy is Strategy.REPLACE:
            changed = replace_stream(streams, present.id, document, new_id=new_id, at=at)
            return changed, Imported.REPLACED
        if strategy is Strategy.CREATE:
            document = {**graph.document, "name": _free_name(streams, graph.name)}
    return import_stream(streams, document, new_id=new_id, at=at), Imported.CREATED


def _free_name(streams: Streams, name: str) -> str:
    """Return the name with the first number that makes it new."""
    number = 2
    while streams.stream(f"{name} ({number})") is not None:
        number += 1
    return f"{name} ({number})"


def replace_stream(
    streams: Streams,
    reference: str,
    document: JsonValue,
    *,
    expected: str | None = None,
    new_id: Callable[[], str],
    at: Instant,
) -> StreamDefinition:
    """Replace a stream's document. Meter nodes keep their keys by their ids; new ones get new keys.

    ``expected`` is the revision that the caller has read; ``StaleRevision`` where it has changed.
    """
    graph = load_graph(document)

    def change(present: StreamDefinition) -> StreamDefinition:
        check_revision(stream_revision(present), expected=expected, what="The stream")
        keys = {n.id: present.meter_keys.get(n.id) or new_id() for n in graph.meter_nodes}
        return replace(
            present, name=graph.name, document=graph.document, meter_keys=keys, updated_at=at
        )

    return streams.update_stream(find_stream(streams, reference).id, change)


def stream_revision(stream: StreamDefinition) -> str:
    """Return the revision of what a client may write of a stream: its document."""
    return revision_of(stream.document)


def find_stream(streams: Streams, reference: str) -> StreamDefinition:
    """Return a stream by name or id."""
    return found(
        streams.stream(reference),
        or_raise=lambda: NotFoundError(
            f"There is no stream {reference!r}",
            hint="`meterhouse stream list` shows those that exist",
        ),
    )


def delete_stream(
    streams: Streams, reference: str, *, expected: str | None = None
) -> StreamDefinition:
    """Delete a stream; returns what it was. Its meters stay, and no run flushes them any more.

    ``expected`` is the revision that the caller has read; ``StaleRevision`` where it has changed.
    """
    stream = find_stream(streams, reference)

    def check(present: StreamDefinition) -> None:
        check_revision(stream_revision(present), expected=expected, what="The stream")

    streams.delete_stream(stream.id, check=check)
    return stream


def keys_by_name(stream: StreamDefinition) -> dict[str, str]:
    """Return the meter keys by the names of their nodes, in the order of the document."""
    return {
        node.get("name") or node["id"]: stream.meter_keys[node["id"]]
        for node in stream.document["nodes"]
        if node["id"] in stream.meter_keys
    }


def imported_to_api(stream: StreamDefinition) -> dict[str, Any]:
    """Return the object of ``stream import --json``."""
    return {"id": stream.id, "name": stream.name, "meterKeys": keys_by_name(stream)}


def stream_to_api(stream: StreamDefinition) -> dict[str, Any]:
    """Return the object of ``stream list --json``."""
    return imported_to_api(stream) | {
        "createdAt": instant_text(stream.created_at),
        "updatedAt": instant_text(stream.updated_at),
    }
