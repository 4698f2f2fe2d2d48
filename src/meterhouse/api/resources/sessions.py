"""Sessions of aggregating nodes: what they have gathered and not yet let out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Resource, needs, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import FREE_OBJECT, TEXT, Schema, nullable, page, ref, whole
from meterhouse.app.sessions import found_node, graph_of, session_shown
from meterhouse.app.streams import find_stream

SCHEMAS: dict[str, Schema] = {
    "Session": whole(
        {
            "node": TEXT,
            "nodeId": TEXT,
            "key": {**FREE_OBJECT, "description": "The fields that records are grouped by"},
            "data": {**FREE_OBJECT, "description": "What has been gathered"},
            "meta": {**FREE_OBJECT, "description": "What a script aggregator knows of it"},
            "createdAt": TEXT,
            "updatedAt": TEXT,
            "timeoutAt": nullable(TEXT),
        }
    ),
    "SessionPage": page("sessions", ref("Session")),
}
resource = Resource("Sessions", about="What aggregators have gathered", schemas=SCHEMAS)


@resource.get(
    "/v1/streams/{id}/sessions",
    guard=needs("read:streams"),
    answers=one_page("Open sessions, oldest first", "SessionPage"),
    refusals=(404,),
)
def list_sessions(
    call: ThisCall,
    id: str,
    node: Annotated[str | None, Query(description="Of this node: its name or id")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what the aggregators of a stream have gathered and not yet let out."""
    cursors = call.cursors(node=node)
    with call.context.ledger() as ledger:
        stream = find_stream(ledger, id)
        graph = graph_of(stream)
        found = ledger.open_sessions(
            stream.id,
            node_id=None if node is None else found_node(graph, node).id,
            limit=limit,
            after=cursors.after(cursor),
        )
    body = {"sessions": list(map(session_shown(graph), found.items))}
    return cursors.page(body, found.next_cursor, limit=limit)
