"""Outputs that wait for delivery: why, and what to do about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Given, Resource, needs, one, one_page
from meterhouse.api.resources.correction_choice import ID_MAX
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import COUNT, TEXT, Schema, nullable, page, ref, whole
from meterhouse.app import delivering

PATH = "/v1/deliveries"
Id = Annotated[int, Path(ge=0, le=ID_MAX, description="The number of the output")]
SCHEMAS: dict[str, Schema] = {
    "Delivery": whole(
        {
            "id": COUNT,
            "run": TEXT,
            "node": {**TEXT, "description": "The id of the writer"},
            "destination": TEXT,
            "attempts": COUNT,
            "attemptedAt": nullable(TEXT),
            "nextAttemptAt": nullable(TEXT),
            "error": nullable(TEXT),
            "kind": {**TEXT, "description": "file, or how its records leave"},
            "records": {**nullable(COUNT), "description": "How many it has, unless it is a file"},
            "done": {**nullable(COUNT), "description": "How many of them are done"},
        }
    ),
    "DeliveryPage": page("deliveries", ref("Delivery")),
}
resource = Resource("Deliveries", about="Outputs that wait for delivery", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:deliveries"),
    answers=one_page("Outputs that wait", "DeliveryPage"),
)
def list_deliveries(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List outputs that are not delivered, oldest first, with the last error."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        after = cursors.after(cursor)
        found = delivering.list_undelivered(ledger, limit=limit, after=after)
    body = {"deliveries": [delivering.undelivered_to_api(item) for item in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:deliveries"),
    answers=one("The output, and how far it has come", "Delivery"),
    refusals=(404,),
)
def get_delivery(call: ThisCall, id: Id) -> Response:
    """Read an output that waits."""
    with call.context.ledger() as ledger:
        return answer(delivering.undelivered_to_api(delivering.find_undelivered(ledger, id)))


@resource.post(
    PATH + "/{id}/retry",
    guard=needs("update:deliveries"),
    answers={202: Given("The output, which is due now", ref("Delivery"))},
    refusals=(404, 409),
)
def retry_delivery(call: ThisCall, id: Id) -> Response:
    """Let the next try of an output be now, whatever pause its receiver is given."""
    with call.context.ledger() as ledger:
        waiting = delivering.retry(ledger, id)
    return answer(delivering.undelivered_to_api(waiting), status=202)


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:deliveries"),
    answers={204: Given("Nobody tries to deliver it any more")},
    refusals=(404,),
)
def drop_delivery(call: ThisCall, id: Id) -> Response:
    """Give an output up. What was sent of it stays sent, and its dead letters stay."""
    with call.context.ledger() as ledger:
        delivering.drop(ledger, id)
    return no_content()
