"""The log of what people and programs did."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Resource, needs, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import FREE_OBJECT, TEXT, Schema, nullable, page, ref, whole

SCHEMAS: dict[str, Schema] = {
    "Activity": whole(
        {
            "at": TEXT,
            "actor": {**TEXT, "description": "A client id, a user of the command line, or server"},
            "action": {**TEXT, "examples": ["create", "update", "delete", "run", "stop"]},
            "kind": {**TEXT, "examples": ["meter type", "stream"]},
            "objectId": {**TEXT, "description": "Empty where there were several objects"},
            "detail": nullable(FREE_OBJECT),
        }
    ),
    "ActivityPage": page("activities", ref("Activity")),
}
resource = Resource("Activities", about="What people and programs did", schemas=SCHEMAS)


@resource.get(
    "/v1/activities",
    guard=needs("read:audit"),
    answers=one_page("Activities", "ActivityPage"),
)
def list_activities(
    call: ThisCall,
    actor: Annotated[str | None, Query(description="Only of this client or user")] = None,
    object: Annotated[str | None, Query(description="Only on the object of this id")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what was created, changed, deleted, run and stopped, and by whom, newest first."""
    cursors = call.cursors(actor=actor, object=object)
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        found = ledger.activities(actor=actor, object_id=object, limit=limit, after=after)
    body = {"activities": [activity.to_api() for activity in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)
