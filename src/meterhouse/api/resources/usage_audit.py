"""The usage audit: what complete runs took in and let out, for 180 days."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.call import ThisCall
from meterhouse.api.instants import Since, Until, instant_of
from meterhouse.api.operation import Resource, needs, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.resources.runs import ORIGIN, OfStream
from meterhouse.api.schemas import COUNT, FREE_OBJECT, TEXT, Schema, nullable, page, ref, whole
from meterhouse.app.streams import find_stream

PATH = "/v1/usage-audit"
SCHEMAS: dict[str, Schema] = {
    "AuditEntry": whole(
        {
            "transactionStart": TEXT,
            "transactionEnd": TEXT,
            "execution": {**TEXT, "description": "The id of the run"},
            "stream": TEXT,
            "origin": ORIGIN,
            "startedBy": nullable(TEXT),
            "totalInput": COUNT,
            "totalOutput": COUNT,
            "duplicated": nullable(COUNT),
            "toCorrection": nullable(COUNT),
            "streamVersion": TEXT,
            "custom": {**FREE_OBJECT, "description": "What scripts counted"},
        }
    ),
    "AuditPage": page("entries", ref("AuditEntry")),
}
resource = Resource("Usage audit", about="What runs took in and let out", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:audit"),
    answers=one_page("Entries, newest first", "AuditPage"),
    refusals=(404,),
)
def list_usage_audit(
    call: ThisCall,
    stream: OfStream = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what was committed, one entry a run, of one stream or of a time where given."""
    cursors = call.cursors(stream=stream, since=since, until=until)
    with call.context.ledger() as ledger:
        found = ledger.usage_audit(
            stream_id=None if stream is None else find_stream(ledger, stream).id,
            since=instant_of(since),
            until=instant_of(until),
            limit=limit,
            after=cursors.after(cursor),
        )
    body = {"entries": [entry.to_api() for entry in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)
