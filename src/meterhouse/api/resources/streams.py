"""Streams: where usage comes from and how it is metered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.etag import expected_revision, tagged, tagged_unless_known
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    Body,
    Given,
    Resource,
    needs,
    one,
    one_page,
    one_unless_known,
)
from meterhouse.api.problems import errors_of
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    FREE_OBJECT,
    INSTANT,
    NAME,
    TEXT,
    Schema,
    array,
    closed,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app.ports import Ledger
from meterhouse.app.script_syntax import script_problems, script_warnings
from meterhouse.app.secrets import find_secret
from meterhouse.app.stream_import import (
    Imported,
    ImportOptions,
    OnConflict,
    chosen_secret,
    import_document,
)
from meterhouse.app.stream_ports import StreamEdit, StreamFilter
from meterhouse.app.streams import delete_stream, find_stream, replace_stream, stream_to_api
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.streams.graph import load_graph, read_graph
from meterhouse.streams.record import StreamDefinition
from meterhouse.streams.run import obstacles
from meterhouse.streams.version import DESCRIPTION_CHARS_MAX, TAG_CHARS_MAX, VersionNote

PATH = "/v1/streams"
_KEYS: Schema = {
    "type": "object",
    "additionalProperties": TEXT,
    "description": "The meter keys by the names of the meter nodes",
}
_CREATED, _REPLACED = "created", "replaced"
_HEAD: dict[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "meterKeys": _KEYS,
    "createdAt": TEXT,
    "updatedAt": TEXT,
    "revision": {**TEXT, "description": "What the ETag names"},
}
_WARNINGS: Schema = {
    **array(ref("ProblemError")),
    "description": "Scripts that are none, or empty; the stream is kept with them",
}
_NODE: Schema = {
    "type": "object",
    "properties": {
        "id": NAME,
        "type": {**NAME, "examples": ["transforms/meter"]},
        "name": nullable(TEXT),
        "schemaVersion": ANYTHING,
        "params": ANYTHING,
    },
    "required": ["id", "type"],
}
_EDGE: Schema = {
    "type": "object",
    "properties": {"from": NAME, "to": NAME, "output": nullable(TEXT)},
    "required": ["from", "to"],
}
SCHEMAS: dict[str, Schema] = {
    "StreamDocument": {
        "type": "object",
        "description": "A stream in the export format; unknown members are kept",
        "properties": {
            "name": {**NAME, "maxLength": 200},
            "nodes": {**array(_NODE, items_max=1000), "minItems": 1},
            "edges": nullable(array(_EDGE, items_max=5000)),
        },
        "required": ["name", "nodes"],
    },
    "Stream": whole(_HEAD),
    "StreamWithDocument": whole({**_HEAD, "document": FREE_OBJECT}),
    "StreamImported": whole(
        {
            **_HEAD,
            "outcome": {**TEXT, "enum": [_CREATED, _REPLACED]},
            "lostNodes": {**array(TEXT), "description": "What the stream before had"},
            "warnings": _WARNINGS,
        }
    ),
    "StreamReplaced": whole({**_HEAD, "warnings": _WARNINGS}),
    "StreamPage": page("streams", ref("Stream")),
    "Validity": whole(
        {
            "valid": BOOLEAN,
            "errors": array(ref("ProblemError")),
            "obstacles": {
                **array(ref("ProblemError")),
                "description": "What keeps it from running here, such as a secret that is missing",
            },
        }
    ),
    "RunClock": closed(
        {
            "at": nullable({**INSTANT, "description": "The run's clock; now, unless given"}),
            "seed": nullable({**COUNT, "description": "Of chance in scripts"}),
            "allowFutureClock": nullable(
                {**BOOLEAN, "description": "Let `at` be later than now: no later run may go back"}
            ),
        }
    ),
}
AllowRemoval = Annotated[
    bool, Query(description="Let nodes go that have meters, keys or suspended records")
]
ETAG = {"ETag": "The revision of the stream"}
resource = Resource("Streams", about="Where usage comes from, how it is metered", schemas=SCHEMAS)


def _shown(stream: StreamDefinition) -> dict[str, JsonValue]:
    return stream_to_api(stream) | {"revision": stream.revision}


@resource.get(
    PATH,
    guard=needs("read:streams"),
    answers=one_page("Streams", "StreamPage"),
    refusals=(404,),
)
def list_streams(
    call: ThisCall,
    name: Annotated[
        str | None, Query(description="With this in their names, in capitals or not")
    ] = None,
    meterKey: Annotated[  # noqa: N803
        str | None, Query(description="With a meter node of this key")
    ] = None,
    secret: Annotated[
        str | None, Query(description="That use this secret, by id or name; needs `read:secrets`")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List streams, in the order of their creation: those that all filters leave."""
    cursors = call.cursors(name=name, meterKey=meterKey, secret=secret)
    if secret is not None:
        call.demand("read:secrets")
    with call.context.ledger() as ledger:
        secret_id = None if secret is None else find_secret(ledger, secret).id
        wanted = StreamFilter(name, meterKey, secret_id)
        found = ledger.streams(wanted, limit=limit, after=cursors.after(cursor))
    body = {"streams": [_shown(stream) for stream in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("create:streams"),
    body=Body(ref("StreamDocument")),
    headers=(IDEMPOTENCY_KEY,),
    answers={
        201: Given("It was created", ref("StreamImported"), headers=ETAG | {"Location": "Path"}),
        200: Given("The one of that name was replaced", ref("StreamImported")),
    },
    refusals=(404, 409),
    links={
        "read": {"operationId": "get_stream", "parameters": {"id": "$response.body#/id"}},
        "export": {"operationId": "export_stream", "parameters": {"id": "$response.body#/id"}},
    },
)
def import_stream(
    call: ThisCall,
    conflict: Annotated[
        OnConflict, Query(description="What to do where a stream has that name")
    ] = OnConflict.CANCEL,
    name: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Instead of its own")
    ] = None,
    apiBase: Annotated[  # noqa: N803
        str | None, Query(description="The base URL that its HTTP nodes are to call")
    ] = None,
    secret: Annotated[
        str | None, Query(description="The secret that its HTTP nodes are to use: id or name")
    ] = None,
    allowNodeRemoval: AllowRemoval = False,  # noqa: N803
    tag: Annotated[
        str | None, Query(max_length=TAG_CHARS_MAX, description="Keep it as a version, so tagged")
    ] = None,
    description: Annotated[
        str, Query(max_length=DESCRIPTION_CHARS_MAX, description="Of that version")
    ] = "",
) -> Response:
    """Import a stream in the export format; each of its meter nodes gets a meter key.

    To replace a stream needs the scope `update:streams` as well, to name a secret `read:secrets`.
    """
    document = call.json()
    if conflict is OnConflict.REPLACE:
        call.demand("update:streams")
    if secret is not None:
        call.demand("read:secrets")
    if description and tag is None:
        problem = Problem("description", "is of a version", "give a tag as well")
        raise DefinitionError([problem], what="The import")
    given = document.get("name") if isinstance(document, Mapping) else None
    named = str(given if name is None else name)

    def effect(ids: Ids) -> Response:
        with call.context.ledger() as ledger:
            first = ids()
            known = ledger.stream(first) if ids.repeatable else None
            if known is not None and known.id == first:
                return _imported(call, Imported(known))
            note = None if tag is None else VersionNote(ids(), tag, description, call.client_id)
            if note is not None and ids.repeatable and (done := _replaced(ledger, note, named)):
                return _imported(call, Imported(done, replaced=True))
            chosen = None if secret is None else chosen_secret(ledger, secret)
            remaining = iter([first])
            imported = import_document(
                ledger,
                document,
                options=ImportOptions(name, conflict, apiBase, chosen, note),
                edit=_edit(call, allow_node_removal=allowNodeRemoval),
                new_id=lambda: next(remaining, None) or ids(),
            )
        return _imported(call, imported)

    return once(call, effect)


def _edit(
    call: Call, *, expected: str | None = None, allow_node_removal: bool = False
) -> StreamEdit:
    return StreamEdit(
        call.context.clock(),
        call.client_id,
        expected_revision=expected,
        allow_node_removal=allow_node_removal,
    )


def _imported(call: Call, imported: Imported) -> Response:
    stream = imported.stream
    status = 200 if imported.replaced else 201
    body, path = stream_imported(call, imported), f"{PATH}/{stream.id}"
    return tagged(body, stream.revision, status=status, Location=path)


def _replaced(ledger: Ledger, note: VersionNote, name: str) -> StreamDefinition | None:
    """Return the stream that an earlier call of the same request has replaced and tagged."""
    stream = ledger.stream(name)
    tagged = None if stream is None else ledger.version(stream.id, note.id)
    return None if tagged is None else stream


def stream_imported(call: Call, imported: Imported) -> dict[str, JsonValue]:
    """Return the API's object of a stream that a document has come into."""
    return _shown(imported.stream) | {
        "outcome": _REPLACED if imported.replaced else _CREATED,
        "lostNodes": [str(node) for node in imported.lost],
        "warnings": _warnings(call, imported.stream),
    }


def _warnings(call: Call, stream: StreamDefinition) -> list[dict[str, JsonValue]]:
    """Say which of its scripts will do nothing as they are."""
    found = script_warnings(load_graph(stream.document), call.context.scripts)
    return errors_of(found, body=stream.document)


@resource.post(
    PATH + ":validate",
    guard=needs("read:streams"),
    body=Body({"description": "What may be a stream"}),
    answers=one("Whether it is a stream, and every problem", "Validity"),
)
def validate_stream(call: ThisCall) -> Response:
    """Check a document without keeping it; one with obstacles may be kept, and cannot run yet."""
    document = call.json()
    graph, problems = read_graph(document)
    if graph is not None:
        problems = script_problems(graph, call.context.scripts)
    lacking = [] if graph is None else obstacles(graph, call.context.means().services)
    body = {"valid": not problems, "errors": errors_of(problems, body=document)}
    return answer(body | {"obstacles": errors_of(lacking, body=document)})


@resource.get(
    PATH + "/{id}",
    guard=needs("read:streams"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The stream", "StreamWithDocument", headers=ETAG),
    refusals=(404,),
)
def get_stream(call: ThisCall, id: str) -> Response:
    """Read a stream by its id or name."""
    with call.context.ledger() as ledger:
        stream = find_stream(ledger, id)
    body = _shown(stream) | {"document": stream.document}
    return tagged_unless_known(call, body, stream.revision)


@resource.get(
    PATH + "/{id}/export",
    guard=needs("read:streams"),
    answers=one("The document, as it was imported", "StreamDocument", headers=ETAG),
    refusals=(404,),
)
def export_stream(call: ThisCall, id: str) -> Response:
    """Export a stream."""
    with call.context.ledger() as ledger:
        stream = find_stream(ledger, id)
    return tagged(stream.document, stream.revision)


@resource.put(
    PATH + "/{id}",
    guard=needs("update:streams"),
    body=Body(ref("StreamDocument")),
    headers=(IF_MATCH,),
    answers=one("The stream as it is now", "StreamReplaced", headers=ETAG),
    refusals=(404, 409, 412, 428),
)
def replace_stream_(
    call: ThisCall,
    id: str,
    allowNodeRemoval: AllowRemoval = False,  # noqa: N803
) -> Response:
    """Replace a stream's document. Meter nodes keep their keys by their ids.

    What it was becomes a version without a tag.
    """
    expected = expected_revision(call.header("if-match"))
    document = call.json()
    with call.context.ledger() as ledger:
        edit = _edit(call, expected=expected, allow_node_removal=allowNodeRemoval)
        changed = replace_stream(ledger, id, document, new_id=call.context.new_id, edit=edit)
    return tagged(_shown(changed) | {"warnings": _warnings(call, changed)}, changed.revision)


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:streams"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 409, 412, 428),
)
def delete_stream_(
    call: ThisCall,
    id: str,
    allowNodeRemoval: AllowRemoval = False,  # noqa: N803
) -> Response:
    """Delete a stream. One with meters is kept, unless their removal from it is allowed.

    Then they stay with their meter keys, and no run counts or flushes them any more.
    """
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        edit = _edit(call, expected=expected, allow_node_removal=allowNodeRemoval)
        delete_stream(ledger, id, edit=edit)
    return no_content()
