"""Open sessions of aggregating nodes: what has been gathered and not yet let out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from meterhouse.app.listing import take
from meterhouse.app.page import Page
from meterhouse.app.ports import Ledger
from meterhouse.app.stream_ports import OpenSession
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import NESTING_MAX, JsonValue, Record, parse_json
from meterhouse.core.problem import NotFoundError
from meterhouse.engine.aggregate_result import frame_of_kept, result_records
from meterhouse.streams.graph import Node, StreamGraph, load_graph
from meterhouse.streams.nodes.data_aggregate import DataAggregateParams
from meterhouse.streams.record import StreamDefinition

#: Shows a session as the API does.
Shown = Callable[[OpenSession], dict[str, Any]]


def list_sessions(
    ledger: Ledger, stream: str, *, node: str | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the open sessions of a stream as the API shows them, oldest first.

    Raises ``NotFoundError`` where there is no such stream, or no such node in it.
    """
    definition = find_stream(ledger, stream)
    graph = load_graph(definition.document)
    node_id = None if node is None else found_node(graph, node).id
    shown = session_shown(graph)

    def page_of(*, limit: int, after: str | None) -> Page[OpenSession]:
        return ledger.open_sessions(definition.id, node_id=node_id, limit=limit, after=after)

    return map(shown, take(page_of, limit=limit))


def graph_of(stream: StreamDefinition) -> StreamGraph:
    """Return the graph that a stream's sessions belong to."""
    return load_graph(stream.document)


def found_node(graph: StreamGraph, reference: str) -> Node:
    """Return a node by its id or name."""
    for node in graph.nodes:
        if reference in (node.id, node.name):
            return node
    names = ", ".join(repr(node.name) for node in graph.nodes)
    raise NotFoundError(f"The stream has no node {reference!r}", hint=f"Its nodes are {names}")


def session_shown(graph: StreamGraph) -> Shown:
    """Return what shows the sessions of a stream's nodes."""

    def shown(entry: OpenSession) -> dict[str, Any]:
        node, session = graph.node(entry.node_id), entry.session
        timeout_at = session.timeout_at
        return {
            "node": entry.node_id if node is None else node.name,
            "nodeId": entry.node_id,
            **_contents(node, entry),
            "createdAt": instant_text(session.created_at),
            "updatedAt": instant_text(session.updated_at),
            "timeoutAt": None if timeout_at is None else instant_text(timeout_at),
        }

    return shown


def _contents(node: Node | None, entry: OpenSession) -> dict[str, JsonValue]:
    """The key, the data and the meta of a session."""
    key, state = entry.session.key, entry.session.state
    if not entry.scope:
        kept: Record = parse_json(state, nesting_max=2 * NESTING_MAX)
        return {"key": kept["fields"], "data": kept["data"], "meta": kept["meta"]}
    fields = [field for field, _ in parse_json(entry.scope)]
    values = dict(zip(fields, parse_json(key), strict=True))
    params = None if node is None else node.params
    data: Record = {}
    if isinstance(params, DataAggregateParams) and params.plan.scope == entry.scope:
        [data] = result_records(frame_of_kept([(key, state)], params.plan), params.plan)
    return {"key": values, "data": data, "meta": {}}
