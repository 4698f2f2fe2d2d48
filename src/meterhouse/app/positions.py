"""How far reader nodes have read what has no files: showing it, and making them begin anew."""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.app.ports import Ledger, PositionEntry
from meterhouse.app.streams import find_stream
from meterhouse.core.problem import NotFoundError
from meterhouse.streams.record import StreamDefinition

_HTTP = "readers/http"
_BEGINNINGS = {
    "readers/kafka": "where startFrom of the node says",
    "readers/nats": "where startFrom of the node says",
    "readers/rabbitmq": "with what the queue hands out, also what was metered and not told to it",
    "readers/sql": "at watermark.start of the node",
    _HTTP: "at since.start of the node",
}


def list_positions(ledger: Ledger, stream: str, *, node: str | None = None) -> list[PositionEntry]:
    """Return the positions of a stream, of one node (id or name) where given."""
    found = find_stream(ledger, stream)
    node_id = None if node is None else _node_id(found, node)
    return list(ledger.positions(found.id, node_id=node_id))


def reset_positions(
    ledger: Ledger, stream: str, *, node: str, part: str | None = None
) -> Sequence[str]:
    """Forget how far a node has read, all of its input or one part; returns the parts.

    Its next run begins as ``begins_anew`` says: what is there still is metered a second time.
    """
    found = find_stream(ledger, stream)
    node_id = _node_id(found, node)
    known = [e.position.part for e in ledger.positions(found.id, node_id=node_id)]
    if part is not None and part not in known:
        hint = f"Its parts are {', '.join(known)}" if known else "It has none"
        raise NotFoundError(f"Node {node!r} has no position of {part!r}", hint=hint)
    return ledger.reset_positions(found.id, node_id=node_id, part=part)


def begins_anew(ledger: Ledger, stream: str, *, node: str) -> str:
    """Say what the next run of a reader begins with that has no position."""
    found = find_stream(ledger, stream)
    node_id = _node_id(found, node)
    [document] = [n for n in found.document["nodes"] if n["id"] == node_id]
    if document["type"] == _HTTP and "since" not in (document.get("params") or {}):
        return "with the first page"
    return _BEGINNINGS.get(document["type"], "at the beginning of its input")


def _node_id(stream: StreamDefinition, node: str) -> str:
    """Return the id of a node; one that is gone from the document may have positions still."""
    nodes = stream.document["nodes"]
    named = [n["id"] for n in nodes if n["id"] == node or n.get("name") == node]
    if not named:
        known = ", ".join(repr(n.get("name") or n["id"]) for n in nodes)
        raise NotFoundError(f"The stream has no node {node!r}", hint=f"Its nodes are {known}")
    return named[0]
