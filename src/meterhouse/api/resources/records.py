"""Metered records: golden, threshold and adjustment records, exactly as they left."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import text_answer
from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Resource, needs, one_page
from meterhouse.api.resources.meters import RECORD_MEMBERS, Cursor, Limit
from meterhouse.api.schemas import COUNT, NUMBER, TEXT, Schema, page, ref, whole
from meterhouse.app.running import find_run
from meterhouse.core.json_text import json_text
from meterhouse.core.metered_record import Kind

SCHEMAS: dict[str, Schema] = {
    "MeteredRecord": whole(
        {
            **RECORD_MEMBERS,
            "thresholdReached": ref("ThresholdShown"),
            "adjusts": {**TEXT, "description": "The golden record that an adjustment restates"},
            "adjustment": COUNT,
            "previousValue": NUMBER,
            "recordId": TEXT,
        },
        optional=("capacity", "thresholdReached", "adjusts", "adjustment", "previousValue"),
    ),
    "RecordPage": page("records", ref("MeteredRecord")),
}
resource = Resource(
    "Records", about="The golden, threshold and adjustment records", schemas=SCHEMAS
)


@resource.get(
    "/v1/records",
    guard=needs("read:records"),
    answers=one_page("Records as they left", "RecordPage"),
    refusals=(404,),
)
def list_records(
    call: ThisCall,
    kind: Annotated[Kind | None, Query(description="Only of this kind")] = None,
    run: Annotated[str | None, Query(description="Only of this run")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List metered records in the order in which they left."""
    kind_text = None if kind is None else kind.value
    cursors = call.cursors(kind=kind_text, run=run)
    with call.context.ledger() as ledger:
        if run is not None:
            find_run(ledger, run)
        after = cursors.after(cursor)
        found = ledger.records(kind=kind_text, run_id=run, limit=limit, after=after)
    shown = ",".join(entry.text for entry in found.items)
    text = f'{{"records":[{shown}],"next_cursor":{json_text(cursors.cursor(found.next_cursor))}}}'
    return text_answer(text, headers=cursors.link(found.next_cursor, limit=limit))
