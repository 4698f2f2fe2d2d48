"""Versions of streams: kept under a tag, or when a stream was replaced."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.etag import expected_revision, tagged
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    Body,
    Given,
    Resource,
    needs,
    one,
    one_page,
)
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.resources.streams import ETAG, AllowRemoval, stream_imported
from meterhouse.api.resources.streams import PATH as STREAMS
from meterhouse.api.schemas import NAME, TEXT, Schema, array, closed, nullable, page, ref, whole
from meterhouse.app import stream_versions
from meterhouse.app.stream_import import Imported
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.app.streams import find_stream
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading
from meterhouse.streams.version import DESCRIPTION_CHARS_MAX, TAG_CHARS_MAX, StreamVersion

PATH = STREAMS + "/{id}/versions"
_HEAD: dict[str, Schema] = {
    "id": TEXT,
    "tag": {**nullable(TEXT), "description": "None where it was kept when the stream changed"},
    "description": TEXT,
    "createdAt": TEXT,
    "createdBy": nullable(TEXT),
}
_LOST: Schema = array(whole({"id": TEXT, "name": TEXT, "type": TEXT}))
SCHEMAS: dict[str, Schema] = {
    "Version": whole(_HEAD),
    "VersionWithLosses": whole(
        {
            **_HEAD,
            "restoringRemoves": {
                **_LOST,
                "description": "The nodes that would disappear if it were restored now",
            },
        }
    ),
    "VersionPage": page("versions", ref("Version")),
    "NewVersion": closed(
        {
            "tag": {
                **NAME,
                "maxLength": TAG_CHARS_MAX,
                "description": "Letters, digits, -, _ and . ; used once",
            },
            "description": nullable({**TEXT, "maxLength": DESCRIPTION_CHARS_MAX}),
        },
        required=("tag",),
    ),
}
resource = Resource("Versions", about="Streams as they were", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:streams"),
    answers=one_page("Versions, newest first", "VersionPage"),
    refusals=(404,),
)
def list_stream_versions(
    call: ThisCall, id: str, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List the versions of a stream. The working copy is not among them."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        stream_id = find_stream(ledger, id).id
        found = ledger.versions(stream_id=stream_id, limit=limit, after=cursors.after(cursor))
    body = {"versions": [version.to_api() for version in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("update:streams"),
    body=Body(ref("NewVersion"), examples={"first": {"tag": "v1.0"}}),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("It is kept", ref("Version"), headers={"Location": "Its path"})},
    refusals=(404, 409),
)
def tag_stream_version(call: ThisCall, id: str) -> Response:
    """Keep the stream as it is now under a tag."""
    tag, description = _note(call.json())

    def effect(ids: Ids) -> Response:
        version_id = ids()
        with call.context.ledger() as ledger:
            stream = find_stream(ledger, id)
            known = ledger.version(stream.id, version_id) if ids.repeatable else None
            version = known or stream_versions.tag_version(
                ledger,
                stream.id,
                tag=tag,
                description=description,
                new_id=lambda: version_id,
                at=call.context.clock(),
                by=call.client_id,
            )
        return answer(version.to_api(), status=201, headers={"Location": _path(version)})

    return once(call, effect)


def _note(body: JsonValue) -> tuple[str, str]:
    reading = Reading(body, known=("tag", "description"), what="version")
    tag = reading.text("tag", required=True)
    description = reading.text("description")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The version")
    return tag or "", description or ""


def _path(version: StreamVersion) -> str:
    return f"{STREAMS}/{version.stream_id}/versions/{version.id}"


@resource.get(
    PATH + "/{version}",
    guard=needs("read:streams"),
    answers=one("The version, and what restoring it would remove", "VersionWithLosses"),
    refusals=(404,),
)
def get_stream_version(call: ThisCall, id: str, version: str) -> Response:
    """Read a version by its tag or id."""
    with call.context.ledger() as ledger:
        found = stream_versions.find_version(ledger, id, version=version)
        lost = stream_versions.lost_by_restoring(ledger, id, version=version)
    shown = [{"id": node.id, "name": node.name, "type": node.type} for node in lost]
    return answer(found.to_api() | {"restoringRemoves": shown})


@resource.get(
    PATH + "/{version}/export",
    guard=needs("read:streams"),
    answers=one("The document as it was", "StreamDocument"),
    refusals=(404,),
)
def export_stream_version(call: ThisCall, id: str, version: str) -> Response:
    """Export a version."""
    with call.context.ledger() as ledger:
        return answer(stream_versions.find_version(ledger, id, version=version).document)


@resource.post(
    PATH + "/{version}/restore",
    guard=needs("update:streams"),
    headers=(IF_MATCH,),
    answers=one("The stream as it is now, and what it lost", "StreamImported", headers=ETAG),
    refusals=(404, 409, 412, 428),
)
def restore_stream_version(
    call: ThisCall,
    id: str,
    version: str,
    allowNodeRemoval: AllowRemoval = False,  # noqa: N803
) -> Response:
    """Make the stream what a version was. What it is now is kept as a version, too.

    Refused (`node_removal`) where a node would disappear that has meters, keys or suspended
    records, unless that is allowed. `If-Match` is the ETag of the stream.
    """
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        restored = stream_versions.restore_version(
            ledger,
            id,
            version=version,
            new_id=call.context.new_id,
            edit=_edit(call, expected, allow_node_removal=allowNodeRemoval),
        )
    stream = restored.stream
    body = stream_imported(call, Imported(stream, replaced=True, lost=restored.lost))
    return tagged(body, stream.revision)


def _edit(call: Call, expected: str | None, *, allow_node_removal: bool) -> StreamEdit:
    return StreamEdit(
        call.context.clock(),
        call.client_id,
        expected_revision=expected,
        allow_node_removal=allow_node_removal,
    )
