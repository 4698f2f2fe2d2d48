"""Streams: importing, finding, exporting and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from meterhouse.app.listing import found
from meterhouse.app.ports import Streams
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import NotFoundError
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


def find_stream(streams: Streams, reference: str) -> StreamDefinition:
    """Return a stream by name or id."""
    return found(
        streams.stream(reference),
        or_raise=lambda: NotFoundError(
            f"There is no stream {reference!r}",
            hint="`meterhouse stream list` shows those that exist",
        ),
    )


def delete_stream(streams: Streams, reference: str) -> StreamDefinition:
    """Delete a stream; returns what it was. Its meters stay, and no run flushes them any more."""
    stream = find_stream(streams, reference)
    streams.delete_stream(stream.id)
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
