"""Data Correction: suspended records, why they wait, and what to do about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.operation import Body, Given, Resource, needs, one
from meterhouse.api.resources.meters import Limit
from meterhouse.api.schemas import (
    ANYTHING,
    COUNT,
    FREE_OBJECT,
    TEXT,
    Schema,
    array,
    closed,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app import correcting
from meterhouse.app.ports import Ledger, SuspenseFilter
from meterhouse.app.streams import find_stream
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import REMEDIES, Reason

PATH = "/v1/corrections"
ID_MAX = 2**63 - 1
IDS_MAX = 100_000
Id = Annotated[int, Path(ge=0, le=ID_MAX, description="The number of the record")]
_ID: Schema = {"type": "integer", "minimum": 0, "maximum": ID_MAX}
_REASON: Schema = {"type": "string", "enum": [reason.value for reason in Reason]}
SCHEMAS: dict[str, Schema] = {
    "SuspendedRecord": whole(
        {
            "id": COUNT,
            "stream": TEXT,
            "node": TEXT,
            "run": TEXT,
            "state": {"type": "string", "enum": ["open", "queued"]},
            "reason": _REASON,
            "detail": TEXT,
            "source": TEXT,
            "offset": {"type": "integer"},
            "record": ANYTHING,
            "raw": nullable(TEXT),
            "createdAt": TEXT,
            "updatedAt": TEXT,
            "remedy": TEXT,
        }
    ),
    "SuspendedPage": page("corrections", ref("SuspendedRecord")),
    "SuspenseSummary": whole(
        {
            "summary": array(
                whole(
                    {
                        "stream": TEXT,
                        "node": TEXT,
                        "reason": _REASON,
                        "count": COUNT,
                        "remedy": TEXT,
                    }
                )
            )
        }
    ),
    "Fix": closed({"values": FREE_OBJECT}, required=("values",)),
    "RecordNumbers": closed(
        {"ids": {**array(_ID, items_max=IDS_MAX), "minItems": 1}}, required=("ids",)
    ),
    "Touched": whole({"count": COUNT}),
}
resource = Resource("Corrections", about="Records in Data Correction", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:corrections"),
    answers=one("Suspended records", "SuspendedPage", headers={"Link": "The next page"}),
    refusals=(404,),
)
def list_corrections(
    call: ThisCall,
    stream: Annotated[str | None, Query(description="Of this stream: its name or id")] = None,
    reason: Annotated[Reason | None, Query(description="With this reason")] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """List suspended records, in the order in which they were set aside."""
    cursors = call.cursors(stream=stream, reason=None if reason is None else reason.value)
    with call.context.ledger() as ledger:
        stream_id = None if stream is None else find_stream(ledger, stream).id
        wanted = SuspenseFilter(stream_id=stream_id, reason=reason)
        found = ledger.suspense(wanted, limit=limit, after=cursors.after(cursor))
    body = {
        "corrections": [_shown(entry) for entry in found.items],
        "next_cursor": cursors.cursor(found.next_cursor),
    }
    return answer(body, headers=cursors.link(found.next_cursor, limit=limit))


def _shown(entry: correcting.SuspenseEntry) -> dict[str, object]:
    remedy = REMEDIES[entry.suspended.reason]
    return correcting.suspended_to_api(entry) | {"remedy": remedy}


@resource.get(
    PATH + ":summary",
    guard=needs("read:corrections"),
    answers=one("How many wait, by stream, node and reason", "SuspenseSummary"),
)
def summarise_corrections(call: ThisCall) -> Response:
    """Count suspended records."""
    with call.context.ledger() as ledger:
        counts = ledger.suspense_summary()
    shown_counts = [
        correcting.summary_to_api(count) | {"remedy": REMEDIES[count.reason]} for count in counts
    ]
    return answer({"summary": shown_counts})


@resource.get(
    PATH + "/{id}",
    guard=needs("read:corrections"),
    answers=one("The record, and why it waits", "SuspendedRecord"),
    refusals=(404,),
)
def get_correction(call: ThisCall, id: Id) -> Response:
    """Read a suspended record."""
    with call.context.ledger() as ledger:
        return answer(_shown(correcting.find_suspended(ledger, id)))


@resource.post(
    PATH + "/{id}/fix",
    guard=needs("update:corrections"),
    body=Body(ref("Fix"), examples={"region": {"values": {"region": "EMEA"}}}),
    answers=one("The record as it is now", "SuspendedRecord"),
    refusals=(404, 409),
)
def fix_correction(call: ThisCall, id: Id) -> Response:
    """Set fields of a suspended record. It waits until it is queued."""
    reading = Reading(call.json(), known=("values",), what="fix")
    values = reading.json_object("values")
    if reading.body.get("values") is None:
        reading.fail("values", "is missing", 'such as {"values": {"region": "EMEA"}}')
    if reading.problems:
        raise DefinitionError(reading.problems, what="The fix")
    with call.context.ledger() as ledger:
        correction = correcting.Correction(values=values)
        correcting.correct(ledger, [id], correction=correction, action=_action(call, ledger))
        return answer(_shown(correcting.find_suspended(ledger, id)))


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:corrections"),
    answers={204: Given("It is deleted")},
    refusals=(404, 409),
)
def delete_correction(call: ThisCall, id: Id) -> Response:
    """Delete a suspended record for good."""
    with call.context.ledger() as ledger:
        correcting.delete(ledger, [id], action=_action(call, ledger))
    return no_content()


@resource.post(
    PATH + ":delete",
    guard=needs("delete:corrections"),
    body=Body(ref("RecordNumbers")),
    answers=one("They are deleted", "Touched"),
    refusals=(404, 409),
)
def delete_corrections(call: ThisCall) -> Response:
    """Delete suspended records for good: all of them, or none where one is wrong."""
    ids = _ids(call)
    with call.context.ledger() as ledger:
        correcting.delete(ledger, ids, action=_action(call, ledger))
    return answer({"count": len(ids)})


@resource.post(
    PATH + ":requeue",
    guard=needs("update:corrections"),
    body=Body(ref("RecordNumbers")),
    answers=one("They wait for the next run", "Touched"),
    refusals=(404, 409),
)
def requeue_corrections(call: ThisCall) -> Response:
    """Queue records for their streams' next runs: all of them, or none where one is wrong."""
    ids = _ids(call)
    with call.context.ledger() as ledger:
        correcting.requeue(ledger, ids, action=_action(call, ledger))
    return answer({"count": len(ids)})


def _action(call: Call, ledger: Ledger) -> correcting.Action:
    return correcting.logged_action(ledger, at=call.context.clock(), actor=call.client_id)


def _ids(call: Call) -> list[int]:
    """Read the numbers of records, each once."""
    reading = Reading(call.json(), known=("ids",), what="list of records")
    ids = reading.json_list("ids", items_max=IDS_MAX)
    if not ids:
        reading.fail("ids", "is empty", "give the numbers of records")
    for place, id in enumerate(ids):
        if type(id) is not int or not 0 <= id <= ID_MAX:
            reading.fail(f"ids[{place}]", f"is {shown(id)}", "use the number of a record")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The list of records")
    return list(dict.fromkeys(ids))
