"""Look-up tables: uploads stream into a file, and everything else is a list or a page of rows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall, body_parts, call_of, check_media_type
from meterhouse.api.etag import expected_revision, tagged
from meterhouse.api.operation import IF_MATCH, Body, Given, Resource, needs, one, one_page
from meterhouse.api.problems import ApiError
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    BOOLEAN,
    COUNT,
    FREE_OBJECT,
    TEXT,
    Schema,
    array,
    closed,
    page,
    ref,
    whole,
)
from meterhouse.app.lookup_tables import (
    TableUpload,
    delete_table,
    find_table,
    find_table_version,
    shown_table,
    table_rows,
    upload_table,
)
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown
from meterhouse.engine.column import ColumnKind
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.ports import InputError

PATH = "/v1/lookup-tables"
#: Media types of uploads, and the formats that they are.
FORMATS = {"text/csv": "csv", "application/vnd.apache.parquet": "parquet"}
_VERSION: dict[str, Schema] = {
    "number": COUNT,
    "sha256": {**TEXT, "description": "Of the file as it was uploaded"},
    "rows": COUNT,
    "columns": array(whole({"name": TEXT, "kind": {"enum": [kind.value for kind in ColumnKind]}})),
    "keys": array(TEXT),
    "fields": {
        "type": "object",
        "additionalProperties": {"enum": ["string", "number", "boolean"]},
        "description": "The types that were declared",
    },
    "createdAt": TEXT,
    "createdBy": TEXT,
}
_TABLE: dict[str, Schema] = {"id": TEXT, "name": TEXT, "createdAt": TEXT, "latest": whole(_VERSION)}
SCHEMAS: dict[str, Schema] = {
    "TableVersion": whole(_VERSION),
    "UploadedTable": whole({**_VERSION, "new": {**BOOLEAN, "description": "False: as before"}}),
    "TableVersionPage": page("versions", ref("TableVersion")),
    "LookupTable": whole(
        {**_TABLE, "streams": {**array(TEXT), "description": "Those that use it"}}
    ),
    "LookupTablePage": page("tables", whole(_TABLE)),
    "TableRowPage": closed(
        {"version": COUNT, "rows": array(FREE_OBJECT), "next_cursor": {"type": ["string", "null"]}},
        required=("version", "rows", "next_cursor"),
    ),
}
resource = Resource("Look-up tables", about="What records are enriched from", schemas=SCHEMAS)
Number = Annotated[int | None, Query(ge=1, le=2**53, description="The latest, unless given")]


@resource.put(
    PATH + "/{id}",
    guard=needs("update:tables"),
    body=Body({"description": "The file, as it is"}, types=tuple(FORMATS), streamed=True),
    answers={
        200: Given("It is the newest version already", ref("UploadedTable")),
        201: Given("A new version", ref("UploadedTable")),
    },
)
async def upload_lookup_table(
    request: Request,
    id: Annotated[str, Path(description="The name of the table; or the id of one that exists")],
    key: Annotated[list[str] | None, Query(description="Columns of the key; as before")] = None,
    field: Annotated[
        list[str] | None, Query(description="Types of columns, as `credits=number`; as before")
    ] = None,
    force: Annotated[
        bool, Query(description="Take it without rows or columns that streams look up, too")
    ] = False,
) -> Response:
    """Make a file the newest version of a table; a table that is new needs `create:tables` too.

    A file that equals the newest version, with the same keys and types, makes no version, so that
    a request may simply be repeated. Cells of CSV are text unless `field` says otherwise.
    """
    call = call_of(request)
    check_media_type(request, tuple(FORMATS))
    media_type = request.headers["content-type"].partition(";")[0].strip().lower()
    fields = None if field is None else _fields(field)
    with ExitStack() as held:
        path = await run_in_threadpool(held.enter_context, call.context.tables.incoming())
        with path.open("wb") as file:
            async for part in body_parts(request, limit=call.context.limits.bulk_bytes):
                await run_in_threadpool(file.write, part)
        keys = None if key is None else tuple(key)
        upload = TableUpload(id, path, FORMATS[media_type], keys, fields, force)
        version, is_new = await run_in_threadpool(_uploaded, call, upload)
    return answer(version.to_api() | {"new": is_new}, status=201 if is_new else 200)


def _fields(texts: list[str]) -> dict[str, str]:
    pairs = [text.rpartition("=") for text in texts]
    problems = [
        Problem("field", f"is {shown(text)}", "write column=type, such as credits=number")
        for text, (name, _, _) in zip(texts, pairs, strict=True)
        if not name
    ]
    if problems:
        raise DefinitionError(problems, what="The upload")
    return {name: type_ for name, _, type_ in pairs}


def _uploaded(call: Call, upload: TableUpload) -> tuple[TableVersion, bool]:
    context = call.context
    with context.ledger() as ledger:
        if (known := ledger.lookup_table(upload.name)) is None:
            call.demand("create:tables")
        else:
            upload = replace(upload, name=known.name)
        try:
            return upload_table(
                *(ledger, context.tables, upload),
                new_id=context.new_id,
                at=context.clock(),
                by=call.client_id,
            )
        except InputError as error:
            # Where the upload lies for the moment is nobody's business.
            message = str(error.args[0]).replace(str(upload.path), "The file")
            raise ApiError(error.code, message, hint=error.hint) from error


@resource.get(
    PATH,
    guard=needs("read:tables"),
    answers=one_page("Look-up tables", "LookupTablePage"),
)
def list_lookup_tables(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List look-up tables with their latest versions, in the order of their creation."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.lookup_tables(limit=limit, after=cursors.after(cursor))
    body = {"tables": [table.to_api() for table in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:tables"),
    answers=one("The table", "LookupTable", headers={"ETag": "Changes with each version"}),
    refusals=(404,),
)
def get_lookup_table(call: ThisCall, id: str) -> Response:
    """Read a table by its name or id, with its latest version and the streams that use it."""
    with call.context.ledger() as ledger:
        revision = find_table(ledger, id).revision
        shown_ = shown_table(ledger, id)
    return tagged(shown_, revision)


@resource.get(
    PATH + "/{id}/versions",
    guard=needs("read:tables"),
    answers=one_page("Versions, newest first", "TableVersionPage"),
    refusals=(404,),
)
def list_lookup_table_versions(
    call: ThisCall, id: str, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List the versions of a table."""
    cursors = call.cursors()
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        found = ledger.table_versions(find_table(ledger, id).id, limit=limit, after=after)
    body = {"versions": [version.to_api() for version in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + "/{id}/rows",
    guard=needs("read:tables"),
    answers=one_page("Rows of a version", "TableRowPage"),
    refusals=(404,),
)
def list_lookup_table_rows(
    call: ThisCall, id: str, version: Number = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List rows of a table, in the order of its file. `Link` leads on in the same version."""
    tables = call.context.tables
    with call.context.ledger() as ledger:
        found = find_table_version(ledger, id, number=version)
        # A page that follows is of the version that the one before was of.
        cursors = call.cursors(version=found.number)
        after = cursors.after(cursor)
        rows = table_rows(
            ledger, tables, found.table_id, number=found.number, limit=limit, after=after
        )
    body = {"version": found.number, "rows": list(rows.items)}
    return cursors.page(body, rows.next_cursor, limit=limit)


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:tables"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 409, 412, 428),
)
def delete_lookup_table(call: ThisCall, id: str) -> Response:
    """Delete a table with all its versions; refused while streams use it."""
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        delete_table(ledger, call.context.tables, id, revision=expected)
    return no_content()
