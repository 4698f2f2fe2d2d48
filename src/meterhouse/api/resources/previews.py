"""Previews: what a run would do with a few records. Nothing is changed, and nothing is called."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.instants import read_clock
from meterhouse.api.operation import Body, Resource, needs, one
from meterhouse.api.resources.streams import PATH
from meterhouse.api.schemas import (
    ANYTHING,
    COUNT,
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
from meterhouse.app.previewing import Previewed, preview_stream
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading
from meterhouse.streams.preview import RECORDS_MAX

_HOW: dict[str, Schema] = {
    "node": nullable({**NAME, "description": "Its id or name: only this one is shown"}),
    "at": nullable({**INSTANT, "description": "The clock; now, unless given"}),
    "seed": nullable({**COUNT, "description": "Of chance in scripts"}),
}
_RECORDS: Schema = array(ANYTHING, items_max=RECORDS_MAX)
_SUSPENDED: Schema = whole({"record": ANYTHING, "reason": TEXT, "detail": TEXT})
SCHEMAS: dict[str, Schema] = {
    "PreviewRequest": closed({**_HOW, "document": ref("StreamDocument")}),
    "DocumentPreviewRequest": closed(
        {**_HOW, "document": ref("StreamDocument")}, required=("document",)
    ),
    "NodePreview": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "type": TEXT,
            "in": _RECORDS,
            "out": {"type": "object", "additionalProperties": _RECORDS},
            "suspended": array(_SUSPENDED, items_max=RECORDS_MAX),
        }
    ),
    "Preview": whole({"nodes": array(ref("NodePreview"))}),
}
_ANSWERS = one("What went into each node and what left it", "Preview")
resource = Resource("Previews", about="A few records through a stream", schemas=SCHEMAS)


@resource.post(
    PATH + "/{id}/preview",
    guard=needs("run:streams"),
    body=Body(ref("PreviewRequest"), required=False),
    answers=_ANSWERS,
    refusals=(404,),
)
def preview_stored_stream(call: ThisCall, id: str) -> Response:
    """Show what a run would do with a few records, node by node or for one node.

    A `document` is tried in the stream's place, with its meters and stores; that needs
    `update:streams` as well. HTTP nodes call nobody: they answer with their mock data.
    """
    body = call.optional_json()
    wanted = _wanted(body, stream=id)
    if wanted.document is not None:
        call.demand("update:streams")
    return _answer(call, body, wanted)


@resource.post(
    PATH + ":preview",
    guard=needs("run:streams"),
    body=Body(ref("DocumentPreviewRequest")),
    answers=_ANSWERS,
    refusals=(404,),
)
def preview_document(call: ThisCall) -> Response:
    """Show what a run of a document would do that is not stored; needs `create:streams` as well.

    Its meter nodes have no meters yet: what reaches them is suspended. Pointers of problems lead
    into the document.
    """
    call.demand("create:streams")
    body = call.json()
    wanted = _wanted(body, stream=None)
    return _answer(call, body, wanted)


def _wanted(body: JsonValue, *, stream: str | None) -> Previewed:
    reading = Reading(body, known=("node", "at", "seed", "document"), what="preview")
    node = reading.text("node")
    document = reading.body.get("document")
    if document is None and stream is None:
        reading.fail("document", "is missing", "give a stream in the export format")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The preview")
    return Previewed(stream, document, node)


def _answer(call: Call, body: JsonValue, wanted: Previewed) -> Response:
    context = call.context
    at, seed = read_clock(body, otherwise=context.new_seed, beside=("node", "document"))
    if wanted.document is not None:
        # Pointers of its problems lead into the document, as where it is imported.
        call.request.state.parsed = wanted.document
    with context.ledger() as ledger:
        nodes = preview_stream(
            ledger, wanted, means=context.means(), run_id=context.new_id(), seed=seed, at=at
        )
    return answer({"nodes": [node.to_api() for node in nodes]})
