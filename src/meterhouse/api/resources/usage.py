"""Single usage of meters by event time: what was taken, changed record by record, totalled."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import answer, text_answer
from meterhouse.api.call import ThisCall
from meterhouse.api.instants import When, instant_of
from meterhouse.api.operation import Body, Resource, needs, one, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    COUNT,
    FREE_OBJECT,
    NAME,
    NUMBER,
    TEXT,
    Schema,
    array,
    closed,
    page,
    ref,
    whole,
)
from meterhouse.app import usage
from meterhouse.app.usage_ports import Remetered
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading

PATH = "/v1/usage"
_CHANGED: dict[str, Schema] = {
    "meter": {**NAME, "description": "The id of the meter"},
    "identity": {**NAME, "description": "The record's identity"},
}
_SET: Schema = {**FREE_OBJECT, "description": "value, timestamp, or fields that its rule folds"}
SCHEMAS: dict[str, Schema] = {
    "UsageRecord": whole(
        {
            "identity": TEXT,
            "timestamp": TEXT,
            "value": NUMBER,
            "fields": FREE_OBJECT,
            "periodStart": TEXT,
            "meteredAt": TEXT,
            "status": {"type": "string", "enum": ["metered", "void", "amended"]},
            "voidedAt": TEXT,
            "replacedBy": whole({"timestamp": TEXT, "value": NUMBER}),
        },
        optional=("voidedAt", "replacedBy"),
    ),
    "UsagePage": page("usage", ref("UsageRecord")),
    "UsageWindows": whole(
        {
            "windows": array(
                whole(
                    {
                        "windowStart": TEXT,
                        "windowEnd": TEXT,
                        "value": NUMBER,
                        "records": COUNT,
                        "fields": FREE_OBJECT,
                    },
                    optional=("fields",),
                )
            )
        }
    ),
    "VoidUsage": closed(_CHANGED, required=("meter", "identity")),
    "AmendUsage": closed(_CHANGED | {"set": _SET}, required=("meter", "identity", "set")),
    "Remetered": whole(
        {
            "periods": array(whole({"periodStart": TEXT, "value": NUMBER})),
            "adjustments": array(ref("MeteredRecord")),
        }
    ),
}
resource = Resource("Usage", about="Single records that meters took", schemas=SCHEMAS)
MeterId = Annotated[str, Query(description="The id of the meter")]


@resource.get(
    PATH,
    guard=needs("read:meters"),
    answers=one_page("What the meter took", "UsagePage"),
    refusals=(404, 409),
)
def list_usage(
    call: ThisCall,
    meter: MeterId,
    identity: Annotated[str | None, Query(description="Of this identity")] = None,
    since: Annotated[When | None, Query(description="With a timestamp then or later")] = None,
    until: Annotated[When | None, Query(description="With a timestamp before")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what a meter by event time took, in order of arrival; records that are void too."""
    cursors = call.cursors(meter=meter, identity=identity, since=since, until=until)
    with call.context.ledger() as ledger:
        bucket = usage.find_event_meter(ledger, meter)
        found = ledger.usage(
            bucket.meter.id,
            identity=identity,
            since=instant_of(since),
            until=instant_of(until),
            limit=limit,
            after=cursors.after(cursor),
        )
    body = {"usage": [entry.to_api() for entry in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + ":windows",
    guard=needs("read:meters"),
    answers=one("The totals of windows that have usage, ascending", "UsageWindows"),
    refusals=(404, 409),
)
def total_usage(
    call: ThisCall,
    meter: MeterId,
    window: Annotated[usage.Window, Query(description="How long windows are")] = usage.Window.DAY,
    groupBy: Annotated[str | None, Query(description="Total by this field too")] = None,  # noqa: N803
    since: Annotated[When | None, Query(description="With a timestamp then or later")] = None,
    until: Annotated[When | None, Query(description="With a timestamp before")] = None,
) -> Response:
    """Total what a meter took by windows in its time zone."""
    wanted = usage.Query(window, groupBy, instant_of(since), instant_of(until))
    with call.context.ledger() as ledger:
        totals = usage.query(ledger, usage.find_event_meter(ledger, meter), wanted)
    return answer({"windows": [total.to_api(groupBy) for total in totals]})


@resource.post(
    PATH + ":void",
    guard=needs("update:meters"),
    body=Body(ref("VoidUsage"), examples={"call": {"meter": "METER", "identity": "call-17"}}),
    answers=one("Its period is metered again without it", "Remetered"),
    refusals=(404, 409),
)
def void_usage(call: ThisCall) -> Response:
    """Take a record back. A period that has left gets an adjustment, which is in the answer."""
    meter, identity, _ = _read(call.json(), "meter", "identity")
    with call.context.ledger() as ledger:
        bucket = usage.find_event_meter(ledger, meter)
        return _answer(usage.void(ledger, bucket, identity, at=call.context.clock()))


@resource.post(
    PATH + ":amend",
    guard=needs("update:meters"),
    body=Body(
        ref("AmendUsage"),
        examples={"call": {"meter": "METER", "identity": "call-17", "set": {"value": 12}}},
    ),
    answers=one("Its periods are metered again", "Remetered"),
    refusals=(404, 409),
)
def amend_usage(call: ThisCall) -> Response:
    """Change a record's value, timestamp, or a field that its rule folds.

    A timestamp in another period moves it there.
    """
    meter, identity, changes = _read(call.json(), "meter", "identity", "set")
    with call.context.ledger() as ledger:
        bucket = usage.find_event_meter(ledger, meter)
        return _answer(usage.amend(ledger, bucket, identity, changes, at=call.context.clock()))


def _read(body: object, *known: str) -> tuple[str, str, dict[str, object]]:
    reading = Reading(body, known=known, what="change of usage")
    meter = reading.text("meter", required=True)
    identity = reading.text("identity", required=True)
    changes = reading.json_object("set")
    if reading.problems or meter is None or identity is None:
        raise DefinitionError(reading.problems, what="The change of usage")
    return meter, identity, changes


def _answer(done: Remetered) -> Response:
    periods = [
        {"periodStart": instant_text(b.state.period.start), "value": b.state.value or 0}
        for b in done.periods
    ]
    told = ",".join(done.adjustments)
    return text_answer(f'{{"periods":{json_text(periods)},"adjustments":[{told}]}}')
