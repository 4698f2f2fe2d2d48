"""Meter types, on the paths that the field knows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import ThisCall
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import IDEMPOTENCY_KEY, Body, Given, Resource, merge_patch, needs, one
from meterhouse.api.schemas import (
    ANYTHING,
    COUNT,
    FREE_OBJECT,
    INSTANT,
    NAME,
    TEXT,
    Schema,
    array,
    closed,
    nullable,
    ref,
    whole,
)
from meterhouse.app.listing import take
from meterhouse.app.ports import Page
from meterhouse.app.provisioning import (
    counted_meter_type,
    create_meter_type,
    delete_meter_type,
    meter_type_to_api,
    update_meter_type,
)
from meterhouse.core.meter_type import MeterType

PATH = "/usage-metering/v1/meter-types"
_KINDS = ("sum", "increment", "count", "min", "max")
_CRON: Schema = {"type": ["string", "integer"], "description": "A field of cron; day may be L"}
_SCHEDULE_FIELDS = ("minute", "hour", "day", "month", "weekday")
_POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
_MEMBERS: dict[str, Schema] = {
    "name": {**NAME, "maxLength": 80},
    "description": nullable({**TEXT, "maxLength": 200}),
    "externalRef": nullable({**TEXT, "maxLength": 100}),
    "category": nullable(TEXT),
    "unit": nullable(TEXT),
    "aggregation": {
        "anyOf": [
            {"type": "string", "enum": list(_KINDS)},
            {
                "type": "object",
                "properties": {"type": {"type": "string", "enum": list(_KINDS)}},
                "required": ["type"],
            },
        ]
    },
    "resetSchedule": ref("ResetSchedule"),
    "timezone": nullable({**TEXT, "examples": ["Europe/Berlin"]}),
    "activeFrom": nullable(INSTANT),
    "activeTo": nullable(INSTANT),
    "capacity": nullable(_POSITIVE),
    "thresholds": nullable(array(ref("Threshold"), items_max=20)),
    "periodAssignment": nullable({"type": "string", "enum": ["processing", "event"]}),
    "gracePeriod": nullable({**TEXT, "examples": ["P3D"]}),
    "keepUsage": nullable({"type": "boolean"}),
}
#: A body may be copied from an answer: what cannot be set is let pass.
_IGNORED = dict.fromkeys(("id", "accountId", "numberOfMeters", "createdAt", "updatedAt"), ANYTHING)
_THRESHOLD_OUT = whole(
    {
        "name": TEXT,
        "capacityPercentage": {"type": "number"},
        "absoluteValue": {"type": "number"},
        "customFields": FREE_OBJECT,
        "reachedAt": TEXT,
    },
    optional=("capacityPercentage", "absoluteValue", "reachedAt"),
)
SCHEMAS: dict[str, Schema] = {
    "ResetSchedule": closed(dict.fromkeys(_SCHEDULE_FIELDS, _CRON), required=_SCHEDULE_FIELDS),
    "Threshold": closed(
        {
            "name": NAME,
            "capacityPercentage": nullable(_POSITIVE),
            "absoluteValue": nullable(_POSITIVE),
            "customFields": nullable(FREE_OBJECT),
            "reachedAt": ANYTHING,
        },
        required=("name",),
    ),
    "ThresholdShown": _THRESHOLD_OUT,
    "NewMeterType": closed(_MEMBERS | _IGNORED, required=("name", "aggregation", "resetSchedule")),
    "MeterTypePatch": closed(
        _MEMBERS | _IGNORED | {"resetSchedule": closed(dict.fromkeys(_SCHEDULE_FIELDS, _CRON))},
        about="A merge patch (RFC 7396): null removes",
    ),
    "MeterType": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "description": nullable(TEXT),
            "externalRef": nullable(TEXT),
            "category": TEXT,
            "unit": TEXT,
            "aggregation": whole(
                {"type": {"type": "string", "enum": ["sum", "increment", "min", "max"]}}
            ),
            "resetSchedule": whole(dict.fromkeys(_SCHEDULE_FIELDS, TEXT)),
            "timezone": TEXT,
            "activeFrom": nullable(TEXT),
            "activeTo": nullable(TEXT),
            "capacity": {"type": "number"},
            "thresholds": array(ref("ThresholdShown")),
            "periodAssignment": {"type": "string", "enum": ["event"]},
            "gracePeriod": TEXT,
            "keepUsage": {"type": "boolean", "enum": [False]},
            "createdAt": TEXT,
            "updatedAt": TEXT,
            "numberOfMeters": COUNT,
        },
        optional=("capacity", "periodAssignment", "gracePeriod", "keepUsage"),
    ),
    "MeterTypes": whole({"meterTypes": array(ref("MeterType"))}),
}
EXAMPLE = {
    "name": "Coffee cups",
    "unit": "cups",
    "category": "COFFEE",
    "aggregation": {"type": "sum"},
    "resetSchedule": {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"},
    "timezone": "Europe/Stockholm",
    "capacity": 500,
    "thresholds": [{"name": "80 percent", "capacityPercentage": 80}],
}

resource = Resource(
    "Meter types", about="What is measured, how it is counted, when it resets", schemas=SCHEMAS
)


@resource.get(PATH, guard=needs("read:meter_types"), answers=one("Meter types", "MeterTypes"))
def list_meter_types(
    call: ThisCall, name: Annotated[str | None, Query(description="Exactly this name")] = None
) -> Response:
    """List meter types, all of them or the one of a name."""
    with call.context.ledger() as ledger:

        def page_of(*, limit: int, after: str | None) -> Page[tuple[MeterType, int]]:
            return ledger.meter_types(name=name, limit=limit, after=after)

        found = [meter_type_to_api(t, meters=n) for t, n in take(page_of, limit=None)]
    return answer({"meterTypes": found})


@resource.post(
    PATH,
    guard=needs("create:meter_types"),
    body=Body(ref("NewMeterType"), examples={"coffee": EXAMPLE}),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The meter type", ref("MeterType"), headers={"Location": "Its path"})},
    refusals=(409,),
    links={
        "read": {"operationId": "get_meter_type", "parameters": {"id": "$response.body#/id"}},
        "change": {"operationId": "update_meter_type", "parameters": {"id": "$response.body#/id"}},
        "remove": {"operationId": "delete_meter_type", "parameters": {"id": "$response.body#/id"}},
    },
)
def create_meter_type_(call: ThisCall) -> Response:
    """Create a meter type."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        id = ids()
        with call.context.ledger() as ledger:
            found = ledger.meter_type(id) if ids.repeatable else None
            if found is None:
                found = create_meter_type(ledger, body, id=id, at=call.context.clock())
            _, count = counted_meter_type(ledger, found.id)
        shown = meter_type_to_api(found, meters=count)
        return answer(shown, status=201, headers={"Location": f"{PATH}/{found.id}"})

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:meter_types"),
    answers=one("The meter type", "MeterType"),
    refusals=(404,),
)
def get_meter_type(call: ThisCall, id: str) -> Response:
    """Read a meter type by its id, external reference or name."""
    with call.context.ledger() as ledger:
        meter_type, count = counted_meter_type(ledger, id)
    return answer(meter_type_to_api(meter_type, meters=count))


@resource.patch(
    PATH + "/{id}",
    guard=needs("update:meter_types"),
    body=merge_patch(ref("MeterTypePatch")),
    answers=one("The meter type as it is now", "MeterType"),
    refusals=(404, 409),
)
def update_meter_type_(call: ThisCall, id: str) -> Response:
    """Change a meter type by a merge patch.

    Existing meters keep what they inherited. Their category is looked up anew at once, schedule and
    time zone at the next reset.
    """
    patch = call.json()
    with call.context.ledger() as ledger:
        changed = update_meter_type(ledger, id, patch=patch, at=call.context.clock())
        _, count = counted_meter_type(ledger, changed.id)
    return answer(meter_type_to_api(changed, meters=count))


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:meter_types"),
    answers={204: Given("It is deleted")},
    refusals=(404, 409),
)
def delete_meter_type_(call: ThisCall, id: str) -> Response:
    """Delete a meter type that has no meters."""
    with call.context.ledger() as ledger:
        delete_meter_type(ledger, id)
    return no_content()
