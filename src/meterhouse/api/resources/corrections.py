"""Data Correction: suspended records, why they wait, and what to do about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import Path, Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.instants import When
from meterhouse.api.operation import Body, Given, Resource, needs, one, one_page
from meterhouse.api.resources.correction_choice import (
    CHOICE,
    CHOICE_SCHEMAS,
    EXAMPLES,
    FIX,
    ID_MAX,
    GivenFilter,
    State,
    read_choice,
    read_correction,
)
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import ANYTHING, COUNT, TEXT, Schema, array, nullable, page, ref, whole
from meterhouse.app import correcting
from meterhouse.app.ports import Ledger
from meterhouse.app.streams import find_stream
from meterhouse.core.suspense import REMEDIES, Reason

PATH = "/v1/corrections"
Id = Annotated[int, Path(ge=0, le=ID_MAX, description="The number of the record")]
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
    **CHOICE_SCHEMAS,
    "Touched": whole({"count": COUNT}),
}
resource = Resource("Corrections", about="Records in Data Correction", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:corrections"),
    answers=one_page("Suspended records", "SuspendedPage"),
    refusals=(404,),
)
def list_corrections(
    call: ThisCall,
    stream: Annotated[str | None, Query(description="Of this stream: its name or id")] = None,
    node: Annotated[str | None, Query(description="Of the node of this name")] = None,
    reason: Annotated[Reason | None, Query(description="With this reason")] = None,
    run: Annotated[str | None, Query(description="Of this run")] = None,
    state: Annotated[State | None, Query(description="In this state")] = None,
    since: Annotated[When | None, Query(description="Set aside then or later")] = None,
    until: Annotated[When | None, Query(description="Set aside before")] = None,
    text: Annotated[str | None, Query(description="With this in what was wrong")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List suspended records that all filters leave, in the order in which they were set aside."""
    given = GivenFilter(
        stream,
        node,
        None if reason is None else reason.value,
        run,
        None if state is None else state.value,
        since,
        until,
        text,
    )
    cursors = call.cursors(**asdict(given))
    with call.context.ledger() as ledger:
        wanted = given.filter(ledger)
        found = ledger.suspense(wanted, limit=limit, after=cursors.after(cursor))
    body = {"corrections": [_shown(entry) for entry in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


def _shown(entry: correcting.SuspenseEntry) -> dict[str, object]:
    remedy = REMEDIES[entry.suspended.reason]
    return correcting.suspended_to_api(entry) | {"remedy": remedy}


@resource.get(
    PATH + ":summary",
    guard=needs("read:corrections"),
    answers=one("How many wait, by stream, node and reason", "SuspenseSummary"),
    refusals=(404,),
)
def summarise_corrections(
    call: ThisCall,
    stream: Annotated[str | None, Query(description="Of this stream: its name or id")] = None,
) -> Response:
    """Count suspended records by error, of all streams or of one."""
    with call.context.ledger() as ledger:
        stream_id = None if stream is None else find_stream(ledger, stream).id
        counts = ledger.suspense_summary(stream_id=stream_id)
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
    correction = read_correction(call.json())
    with call.context.ledger() as ledger:
        correcting.correct(ledger, [id], correction=correction, action=_action(call, ledger))
        return answer(_shown(correcting.find_suspended(ledger, id)))


@resource.post(
    PATH + ":correct",
    guard=needs("update:corrections"),
    body=Body(
        ref("FixMany"),
        examples={
            "rounded": {
                "filter": {"reason": "value_too_precise"},
                "expressions": {"value": "round(value, 18)"},
            }
        },
    ),
    answers=one("They are corrected", "Touched"),
    refusals=(404, 409),
)
def fix_corrections(call: ThisCall) -> Response:
    """Set fields of suspended records, to values or to what expressions give for each of them.

    All of them, or none where one is wrong; 100,000 at most. They wait until they are queued.
    """
    body = call.json()
    correction = read_correction(body, beside=CHOICE)
    wanted = read_choice(body, beside=FIX)
    with call.context.ledger() as ledger:
        done = correcting.correct(
            ledger,
            wanted.chosen(ledger),
            correction=correction,
            action=_action(call, ledger),
        )
    return answer({"count": len(done)})


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
    body=Body(ref("Choice"), examples=EXAMPLES),
    answers=one("They are deleted", "Touched"),
    refusals=(404, 409),
)
def delete_corrections(call: ThisCall) -> Response:
    """Delete suspended records for good: all of them, or none where one is wrong.

    By number, or all that a filter leaves; 100,000 at most.
    """
    wanted = read_choice(call.json())
    with call.context.ledger() as ledger:
        done = correcting.delete(ledger, wanted.chosen(ledger), action=_action(call, ledger))
    return answer({"count": len(done)})


@resource.post(
    PATH + ":requeue",
    guard=needs("update:corrections"),
    body=Body(ref("Choice"), examples=EXAMPLES),
    answers=one("They wait for the next run", "Touched"),
    refusals=(404, 409),
)
def requeue_corrections(call: ThisCall) -> Response:
    """Queue records for their streams' next runs: all of them, or none where one is wrong.

    By number, or all that a filter leaves; 100,000 at most.
    """
    wanted = read_choice(call.json())
    with call.context.ledger() as ledger:
        done = correcting.requeue(ledger, wanted.chosen(ledger), action=_action(call, ledger))
    return answer({"count": len(done)})


def _action(call: Call, ledger: Ledger) -> correcting.Action:
    return correcting.logged_action(ledger, at=call.context.clock(), actor=call.client_id)
