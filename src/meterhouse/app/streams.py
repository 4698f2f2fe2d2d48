"""Streams: checking, importing, finding, changing and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from meterhouse.app.listing import found
from meterhouse.app.ports import Streams
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.problem import NotFoundError, Problem
from meterhouse.streams.graph import StreamGraph, load_graph, read_graph
from meterhouse.streams.record import StreamDefinition
from meterhouse.streams.version import VersionNote


def validate_stream(document: JsonValue) -> list[Problem]:
    """List everything that is wrong with a document; nothing is stored.

    >>> [str(problem) for problem in validate_stream([])]
    ['is [], not a JSON object (write the stream between { and })']
    """
    return read_graph(document)[1]


def import_stream(
    streams: Streams,
    document: JsonValue,
    *,
    name: str | None = None,
    new_id: Callable[[], str],
    at: Instant,
    note: VersionNote | None = None,
) -> StreamDefinition:
    """Check a document as a whole and store it; each meter node gets a new meter key.

    ``name`` goes before the document's own; ``note`` is the tag it is kept under. Raises
    ``DefinitionError`` with every problem, or ``ConflictError`` where a stream of that name exists.
    """
    graph = load_graph(named(document, name))
    stream = StreamDefinition(
        id=new_id(),
        name=graph.name,
        document=graph.document,
        meter_keys={node.id: new_id() for node in graph.meter_nodes},
        created_at=at,
        updated_at=at,
    )
    streams.add_stream(stream, note=note)
    return stream


def named(document: JsonValue, name: str | None) -> JsonValue:
    """Return a document under another name, where one is given."""
    if name is not None and isinstance(document, Mapping):
        return {**document, "name": name}
    return document


def find_stream(streams: Streams, reference: str) -> StreamDefinition:
    """Return a stream by id or name, in this order."""
    return found(
        streams.stream(reference),
        or_raise=lambda: NotFoundError(
            f"There is no stream {reference!r}",
            hint="`meterhouse stream list` shows those that exist",
        ),
    )


def replace_stream(
    streams: Streams,
    reference: str,
    document: JsonValue,
    *,
    new_id: Callable[[], str],
    edit: StreamEdit,
) -> StreamDefinition:
    """Replace a stream's document; id, versions and the meter keys of nodes that stay are kept.

    What it was becomes a version without a tag. A run that is under way keeps what it began with.
    Raises ``DefinitionError`` with every problem, and what ``Streams.update_stream`` raises.
    """
    stream = find_stream(streams, reference)
    graph = load_graph(document)
    keep_as = edit.keep_as or new_id()
    description = edit.description or "kept when the stream was replaced"

    def change(current: StreamDefinition) -> StreamDefinition:
        return with_document(current, graph, new_id=new_id, at=edit.at)

    return streams.update_stream(
        stream.id, change, edit=replace(edit, keep_as=keep_as, description=description)
    )


def with_document(
    current: StreamDefinition,
    graph: StreamGraph,
    *,
    new_id: Callable[[], str],
    at: Instant,
    known_keys: Mapping[str, str] | None = None,
) -> StreamDefinition:
    """Return a stream with another document; ``known_keys`` are keys of nodes that come back."""
    if json_text(current.document) == json_text(graph.document):
        return current
    known = {**(known_keys or {}), **current.meter_keys}
    keys = {node.id: known.get(node.id) or new_id() for node in graph.meter_nodes}
    return replace(
        current, name=graph.name, document=graph.document, meter_keys=keys, updated_at=at
    )


def rename_stream(
    streams: Streams, reference: str, name: str, *, edit: StreamEdit
) -> StreamDefinition:
    """Give a stream another name; raises ``ConflictError`` where it is taken."""
    stream = find_stream(streams, reference)

    def change(current: StreamDefinition) -> StreamDefinition:
        graph = load_graph({**current.document, "name": name})
        return replace(current, name=graph.name, document=graph.document, updated_at=edit.at)

    return streams.update_stream(stream.id, change, edit=replace(edit, keep_as=None))


def delete_stream(streams: Streams, reference: str, *, edit: StreamEdit) -> StreamDefinition:
    """Delete a stream; returns what it was.

    Where it has meters, the removal must be allowed: they stay, and no run flushes them any more.
    """
    stream = find_stream(streams, reference)
    streams.delete_stream(stream.id, edit=edit)
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
