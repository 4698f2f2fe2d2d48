"""The meter inspector: the meters of one meter key as they stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import text_answer
from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Resource, needs, one
from meterhouse.api.resources.meters import RECORD_MEMBERS, Limit
from meterhouse.api.schemas import Schema, page, ref, whole
from meterhouse.app import inspecting
from meterhouse.app.provisioning import find_meter
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import NotFoundError

PATH = "/v1/inspector/{meter_key}"
SCHEMAS: dict[str, Schema] = {
    "CurrentRecord": whole(RECORD_MEMBERS, optional=("capacity",)),
    "InspectorPage": page("meters", ref("CurrentRecord")),
}
resource = Resource("Inspector", about="What each meter would send now", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:meters"),
    answers=one("Meters as the records they would send", "InspectorPage", headers={"Link": "Next"}),
    refusals=(404,),
)
def inspect_meters(
    call: ThisCall,
    meter_key: str,
    meterType: Annotated[str | None, Query(description="Id, external reference or name")] = None,  # noqa: N803
    userId: Annotated[str | None, Query(description="Of this user")] = None,  # noqa: N803
    userPrefix: Annotated[  # noqa: N803
        str | None, Query(description="Of users whose id begins so, by user")
    ] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """Show the meters of a meter key, of one type or one user where given."""
    cursors = call.cursors(meterType=meterType, userId=userId, userPrefix=userPrefix)
    with call.context.ledger() as ledger:
        found = inspecting.inspect_page(
            ledger,
            meter_key,
            meter_type=meterType,
            user_id=userId,
            user_prefix=userPrefix,
            limit=limit,
            after=cursors.after(cursor),
        )
        records = inspecting.CurrentRecords(ledger)
        shown = ",".join(records.record_text(bucket) for bucket in found.items)
    text = f'{{"meters":[{shown}],"next_cursor":{json_text(cursors.cursor(found.next_cursor))}}}'
    return text_answer(text, headers=cursors.link(found.next_cursor, limit=limit))


@resource.get(
    PATH + "/meters/{id}",
    guard=needs("read:meters"),
    answers=one("The record that the meter would send now", "CurrentRecord"),
    refusals=(404,),
)
def view_meter(call: ThisCall, meter_key: str, id: str) -> Response:
    """View one meter."""
    with call.context.ledger() as ledger:
        bucket = find_meter(ledger, id)
        if bucket.meter.meter_key != meter_key:
            message = f"The meter {id!r} has another meter key than {meter_key!r}"
            raise NotFoundError(message, hint="See the list of meters of the key")
        return text_answer(inspecting.CurrentRecords(ledger).record_text(bucket))
