"""Meters, on the paths that the field knows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import no_content, text_answer
from meterhouse.api.call import ThisCall
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import (
    IDEMPOTENCY_KEY,
    Body,
    Given,
    Resource,
    merge_patch,
    needs,
    one,
    one_page,
)
from meterhouse.api.schemas import (
    ANYTHING,
    BOOLEAN,
    CURSOR,
    FREE_OBJECT,
    INSTANT,
    NAME,
    NUMBER,
    TEXT,
    Schema,
    array,
    closed,
    nullable,
    ref,
    whole,
)
from meterhouse.app.definitions import Item
from meterhouse.app.inspecting import CurrentRecords
from meterhouse.app.provisioning import (
    create_meters,
    delete_meter,
    find_meter,
    unclaimed_key,
    update_meter,
)
from meterhouse.core.json_text import json_text

PATH = "/usage-metering/v1/meters"
#: A header of an answer that is good, and yet may not be what was meant.
NOTE = "Meterhouse-Note"
LIMIT_MAX = 1_000
#: Where a page begins, as the page before says.
Cursor = Annotated[str | None, Query()]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="At most this many")]
_OWN: dict[str, Schema] = {
    "customFields": nullable(FREE_OBJECT),
    "capacity": nullable({"type": "number", "exclusiveMinimum": 0}),
    "thresholds": nullable(array(ref("Threshold"), items_max=20)),
    "deleteOnReset": nullable(BOOLEAN),
}
_TAKEN_OVER = (
    "id meterTypeName value unit periodStart periodEnd groupBreakdowns carryFirst carryLast "
    "timezone createdAt updatedAt activeFrom activeTo category recordId"
).split()
RECORD_MEMBERS: dict[str, Schema] = {
    "id": TEXT,
    "meterTypeId": TEXT,
    "meterTypeName": TEXT,
    "userId": TEXT,
    "meterKey": TEXT,
    "value": NUMBER,
    "unit": TEXT,
    "periodStart": TEXT,
    "periodEnd": TEXT,
    "groupBreakdowns": array(ref("GroupBreakdown")),
    "capacity": NUMBER,
    "thresholds": array(ref("ThresholdShown")),
    "carryFirst": FREE_OBJECT,
    "carryLast": FREE_OBJECT,
    "customFields": FREE_OBJECT,
    "deleteOnReset": BOOLEAN,
    "timezone": TEXT,
    "createdAt": TEXT,
    "updatedAt": TEXT,
}
_GROUP = whole(
    {
        "key": TEXT,
        "fields": FREE_OBJECT,
        "value": NUMBER,
        "carryFirst": FREE_OBJECT,
        "carryLast": FREE_OBJECT,
    }
)
SCHEMAS: dict[str, Schema] = {
    "GroupBreakdown": whole({"name": TEXT, "groups": array(_GROUP)}),
    "NewMeter": closed(
        {
            "userId": {"type": ["string", "number"], "minLength": 1},
            "meterKey": NAME,
            "meterTypeId": nullable({**TEXT, "description": "Its id, external reference or name"}),
            "externalRef": nullable({**TEXT, "description": "Of the meter type; goes first"}),
            **_OWN,
            **dict.fromkeys(_TAKEN_OVER, ANYTHING),
        },
        required=("userId", "meterKey"),
        about="What the system sets is let pass where `id` is among it, and not taken over",
    ),
    "MeterPatch": closed(
        {**_OWN, "activeTo": nullable(INSTANT)}, about="A merge patch (RFC 7396): null removes"
    ),
    "Meter": whole(
        {
            **RECORD_MEMBERS,
            "category": TEXT,
            "activeFrom": nullable(TEXT),
            "activeTo": nullable(TEXT),
        },
        optional=("capacity",),
    ),
    "MeterPage": whole({"meters": array(ref("Meter")), "nextToken": CURSOR}),
}
EXAMPLE = {"userId": "ann@example.org", "meterKey": "KEY", "meterTypeId": "SKU-4711"}

resource = Resource(
    "Meters", about="Each counts one meter type for one user at one meter key", schemas=SCHEMAS
)


@resource.get(
    PATH,
    guard=needs("read:meters"),
    answers=one_page("Meters with their present state", "MeterPage"),
)
def list_meters(
    call: ThisCall,
    meterKey: Annotated[str | None, Query(description="Of this meter node")] = None,  # noqa: N803
    meterTypeId: Annotated[str | None, Query(description="Of this meter type")] = None,  # noqa: N803
    userId: Annotated[str | None, Query(description="Of this user")] = None,  # noqa: N803
    limit: Limit = 100,
    nextToken: Annotated[str | None, Query(description="Of the page before")] = None,  # noqa: N803
) -> Response:
    """List meters, filtered where a filter is given."""
    cursors = call.cursors(meterKey=meterKey, meterTypeId=meterTypeId, userId=userId)
    after = cursors.after(nextToken)
    with call.context.ledger() as ledger:
        page = ledger.meters(
            meter_key=meterKey, meter_type_id=meterTypeId, user_id=userId, limit=limit, after=after
        )
        records = CurrentRecords(ledger)
        shown = ",".join(records.meter_text(bucket) for bucket in page.items)
    token = json_text(cursors.cursor(page.next_cursor))
    text = f'{{"meters":[{shown}],"nextToken":{token}}}'
    link = cursors.link(page.next_cursor, limit=limit, parameter="nextToken")
    return text_answer(text, headers=link)


@resource.post(
    PATH,
    guard=needs("create:meters"),
    body=Body(ref("NewMeter"), examples={"one": EXAMPLE}),
    headers=(IDEMPOTENCY_KEY,),
    answers={
        201: Given(
            "The meter", ref("Meter"), headers={"Location": "Its path", NOTE: "What to mind"}
        )
    },
    refusals=(409,),
    links={
        "read": {"operationId": "get_meter", "parameters": {"id": "$response.body#/id"}},
        "remove": {"operationId": "delete_meter", "parameters": {"id": "$response.body#/id"}},
    },
)
def create_meter(call: ThisCall) -> Response:
    """Create a meter; its first period starts now."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        id = ids()
        with call.context.ledger() as ledger:
            if not ids.repeatable or ledger.meter(id) is None:
                at = call.context.clock()
                create_meters(ledger, [Item("", body)], new_id=lambda: id, at=at)
            meter = find_meter(ledger, id)
            text = CurrentRecords(ledger).meter_text(meter)
            note = unclaimed_key(ledger, meter.meter.meter_key)
        headers = {"Location": f"{PATH}/{id}"} | ({} if note is None else {NOTE: note})
        return text_answer(text, status=201, headers=headers)

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:meters"),
    answers=one("The meter with its present state", "Meter"),
    refusals=(404,),
)
def get_meter(call: ThisCall, id: str) -> Response:
    """Read a meter."""
    with call.context.ledger() as ledger:
        return text_answer(CurrentRecords(ledger).meter_text(find_meter(ledger, id)))


@resource.patch(
    PATH + "/{id}",
    guard=needs("update:meters"),
    body=merge_patch(ref("MeterPatch")),
    answers=one("The meter as it is now", "Meter"),
    refusals=(404,),
)
def update_meter_(call: ThisCall, id: str) -> Response:
    """Change a meter by a merge patch."""
    patch = call.json()
    with call.context.ledger() as ledger:
        changed = update_meter(ledger, id, patch=patch, at=call.context.clock())
        return text_answer(CurrentRecords(ledger).meter_text(changed))


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:meters"),
    answers={204: Given("It is deleted")},
    refusals=(404, 409),
)
def delete_meter_(call: ThisCall, id: str) -> Response:
    """Delete a meter. No record is sent for what it has counted."""
    with call.context.ledger() as ledger:
        delete_meter(ledger, id)
    return no_content()
