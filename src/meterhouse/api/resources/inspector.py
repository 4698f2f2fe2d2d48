"""The meter inspector: the meters of one meter key as they stand."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import text_answer
from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Resource, needs, one
from meterhouse.api.resources import meter_types
from meterhouse.api.resources.meters import RECORD_MEMBERS, Cursor, Limit
from meterhouse.api.schemas import COUNT, CURSOR, TEXT, Schema, array, ref, whole
from meterhouse.app import inspecting
from meterhouse.app.provisioning import find_meter
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import NotFoundError

PATH = "/v1/inspector/{meter_key}"
OVERVIEW = "/v1/usage-metering/overview"
_USE = whole({"streamId": TEXT, "stream": TEXT, "meterKey": TEXT, "meters": COUNT})
SCHEMAS: dict[str, Schema] = {
    "CurrentRecord": whole(RECORD_MEMBERS, optional=("capacity",)),
    "Widgets": whole({"meterTypes": COUNT, "categories": COUNT, "meters": COUNT}),
    "InspectorPage": whole(
        {
            "widgets": {
                **ref("Widgets"),
                "description": "Of the meter key: types in use, their categories, all meters",
            },
            "meters": array(ref("CurrentRecord")),
            "next_cursor": CURSOR,
        }
    ),
    "MeterTypeOverview": whole(
        {**meter_types.SCHEMAS["MeterType"]["properties"], "streams": array(_USE)},
        optional=("capacity", "periodAssignment", "gracePeriod", "keepUsage"),
    ),
    "Overview": whole(
        {
            "widgets": ref("Widgets"),
            "meterTypes": array(ref("MeterTypeOverview")),
            "next_cursor": CURSOR,
        }
    ),
}


class Order(Enum):
    """What meters are sorted by."""

    CREATED = "created"
    USER = "user"


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
    sort: Annotated[
        Order | None,
        Query(description="By creation, unless given; of one user, it changes nothing"),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Show the meters of a meter key: how many there are, and those that all filters leave.

    With `userPrefix` they are sorted by user.
    """
    sorting = None if sort is None else sort.value
    cursors = call.cursors(meterType=meterType, userId=userId, userPrefix=userPrefix, sort=sorting)
    # Every user begins with the empty text.
    prefix = "" if userPrefix is None and sort is Order.USER else userPrefix
    with call.context.ledger() as ledger:
        found = inspecting.inspect_page(
            ledger,
            meter_key,
            meter_type=meterType,
            user_id=userId,
            user_prefix=prefix,
            limit=limit,
            after=cursors.after(cursor),
        )
        records = inspecting.CurrentRecords(ledger)
        shown = ",".join(records.record_text(bucket) for bucket in found.items)
        widgets = json_text(inspecting.counts_to_api(ledger.meter_counts(meter_key)))
    following = json_text(cursors.cursor(found.next_cursor))
    text = f'{{"widgets":{widgets},"meters":[{shown}],"next_cursor":{following}}}'
    return text_answer(text, headers=cursors.link(found.next_cursor, limit=limit))


@resource.get(
    PATH + "/{id}",
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


@resource.get(
    OVERVIEW,
    guard=needs("read:meter_types"),
    answers=one("Meter types and the streams that count for them", "Overview"),
)
def get_usage_metering_overview(
    call: ThisCall,
    name: Annotated[str | None, Query(description="Exactly this name")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Show how many meter types, categories and meters there are, and who uses each type."""
    cursors = call.cursors(name=name)
    with call.context.ledger() as ledger:
        after = cursors.after(cursor)
        found = inspecting.usage_overview(ledger, name=name, limit=limit, after=after)
        widgets = inspecting.counts_to_api(ledger.meter_counts())
    body = {
        "widgets": widgets,
        "meterTypes": [item.to_api() for item in found.items],
    }
    return cursors.page(body, found.next_cursor, limit=limit)
