"""Datasets: schemas by version, and the files of the catalogue. Uploads stream into a file."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from meterhouse.api.answer import answer
from meterhouse.api.call import Call, ThisCall, body_parts, call_of, check_media_type
from meterhouse.api.operation import Body, Given, Resource, needs, one, one_page
from meterhouse.api.problems import ApiError
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    BOOLEAN,
    COUNT,
    FREE_OBJECT,
    TEXT,
    Schema,
    array,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app.datasets.checking import Wanted, check_dataset
from meterhouse.app.datasets.files import add_file, find_file
from meterhouse.app.datasets.ports import DatasetFile
from meterhouse.app.datasets.publishing import described, newest, publish
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.schema import read_schema
from meterhouse.streams.ports import InputError

PATH = "/v1/datasets"
_NAMED = PATH + "/{name}"
#: Of Avro containers; some clients know none of their own.
_UPLOADS = ("avro/binary", "application/octet-stream")
_NAME_MAX = 200
Name = Annotated[str, Path(max_length=_NAME_MAX, description="The dataset")]
Major = Annotated[int | None, Query(ge=0, le=999_999, description="Only of this major version")]
Ob = Annotated[str | None, Query(max_length=2, description="Only of this operating business")]
Since = Annotated[date | None, Query(alias="from", description="Only from this day on")]
Until = Annotated[date | None, Query(alias="to", description="Only up to this day, included")]
_VERSION: dict[str, Schema] = {
    "name": TEXT,
    "version": {**TEXT, "examples": ["6.0.0"]},
    "major": COUNT,
    "sha256": {**TEXT, "description": "Of the schema as JSON"},
    "publishedAt": TEXT,
}
_FINDING: Schema = whole({"place": TEXT, "message": TEXT, "hint": TEXT})
_REFERENCE: Schema = whole(
    {
        "field": TEXT,
        "reference": {**TEXT, "examples": ["D_Aura_App.AURA_APP_ID"]},
        "snapshots": {**COUNT, "description": "Files of the dimension that were looked at"},
        "ids": COUNT,
        "unknownIds": COUNT,
        "unknownRows": COUNT,
        "unknown": array(whole({"id": TEXT, "rows": COUNT})),
    }
)
SCHEMAS: dict[str, Schema] = {
    "DatasetPage": page(
        "datasets", whole({**_VERSION, "versions": COUNT, "files": COUNT, "rows": COUNT})
    ),
    "Dataset": whole(
        {
            **_VERSION,
            "versions": array(TEXT),
            "kind": {"enum": ["facts", "dimension"]},
            "key": array(TEXT),
            "partition": nullable(TEXT),
            "references": FREE_OBJECT,
            "fields": array(whole({"name": TEXT, "type": TEXT, "nullable": BOOLEAN})),
        }
    ),
    "DatasetSchema": {
        "type": "object",
        "description": "A schema of Avro, with x-fp-version",
        "additionalProperties": True,
    },
    "DatasetVersion": whole({**_VERSION, "schema": ref("DatasetSchema")}),
    "DatasetVersions": whole({"versions": array(ref("DatasetVersion"))}),
    "PublishedDataset": whole({**_VERSION, "new": {**BOOLEAN, "description": "False: as before"}}),
    "DatasetFile": whole(
        {
            "id": TEXT,
            "dataset": TEXT,
            "version": TEXT,
            "ob": {**nullable(TEXT), "description": "Null: of all operating businesses"},
            "day": {**nullable(TEXT), "description": "Null: a snapshot of a dimension"},
            "name": TEXT,
            "path": {**TEXT, "description": "Where the storage of the catalogue has it"},
            "rows": COUNT,
            "size": COUNT,
            "sha256": TEXT,
            "addedAt": TEXT,
        }
    ),
    "DatasetFilePage": page("files", ref("DatasetFile")),
    "DatasetFiles": whole({"files": array(ref("DatasetFile"))}),
    "DatasetCheck": whole(
        {
            "dataset": TEXT,
            "version": TEXT,
            "files": COUNT,
            "rows": COUNT,
            "newestFileAt": nullable(TEXT),
            "faults": array(_FINDING),
            "references": array(_REFERENCE),
        }
    ),
}
resource = Resource(
    "Datasets", about="Schemas by version, and the files of the catalogue", schemas=SCHEMAS
)


@resource.get(
    PATH,
    guard=needs("read:datasets"),
    answers=one_page("Datasets", "DatasetPage"),
)
def list_datasets(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List datasets with their newest versions, in the order of their first publication."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.datasets(limit=limit, after=cursors.after(cursor))
    body = {"datasets": [dataset.to_api() for dataset in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    _NAMED, guard=needs("read:datasets"), answers=one("The dataset", "Dataset"), refusals=(404,)
)
def get_dataset(call: ThisCall, name: Name, major: Major = None) -> Response:
    """Read what a dataset is: its versions, its key and its fields."""
    with call.context.ledger() as ledger:
        return answer(described(ledger, name, major=major))


@resource.get(
    _NAMED + "/versions",
    guard=needs("read:datasets"),
    answers=one("Its versions, oldest first", "DatasetVersions"),
    refusals=(404,),
)
def list_dataset_versions(call: ThisCall, name: Name, major: Major = None) -> Response:
    """List the versions of a dataset with their schemas."""
    with call.context.ledger() as ledger:
        newest(ledger, name, major=major)
        found = ledger.dataset_versions(name, major=major)
    return answer({"versions": [one.to_api() | {"schema": one.schema().document} for one in found]})


@resource.post(
    _NAMED + "/versions",
    guard=needs("write:datasets"),
    body=Body(ref("DatasetSchema")),
    answers={
        200: Given("It is published already, as it is", ref("PublishedDataset")),
        201: Given("A new version", ref("PublishedDataset")),
    },
    refusals=(409,),
)
def publish_dataset_version(call: ThisCall, name: Name) -> Response:
    """Publish a version of a schema, which may follow the newest one of its major.

    A version never changes; publishing it again as it is does nothing.
    """
    schema = read_schema(call.json())
    if schema.name != name:
        problem = Problem("name", f"is {shown(schema.name)}", f"the path says {shown(name)}")
        raise DefinitionError([problem], what="The schema")
    with call.context.ledger() as ledger:
        done = publish(ledger, schema, at=call.context.clock())
    return answer(done.to_api(), status=201 if done.new else 200)


@resource.get(
    _NAMED + "/check",
    guard=needs("read:datasets"),
    answers=one("What was found", "DatasetCheck"),
    refusals=(404,),
)
def check_dataset_files(
    call: ThisCall,
    name: Name,
    major: Major = None,
    ob: Ob = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """Check the files of a dataset, and count ids that no dimension knows."""
    context = call.context
    with context.ledger() as ledger:
        found = check_dataset(
            *(ledger, context.datasets, name),
            wanted=Wanted(major, ob, since, until),
            containers=context.containers,
        )
    return answer(found.to_api())


@resource.get(
    _NAMED + "/files",
    guard=needs("read:datasets"),
    answers=one_page("Files", "DatasetFilePage"),
    refusals=(404,),
)
def list_dataset_files(
    call: ThisCall,
    name: Name,
    major: Major = None,
    ob: Ob = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List the files of a dataset by day and name. With an OB, those of all OBs too."""
    days = {"from": since, "to": until}
    given = {option: None if day is None else day.isoformat() for option, day in days.items()}
    cursors = call.cursors(major=major, ob=ob, **given)
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        newest(ledger, name, major=major)
        found = ledger.dataset_files(
            name, major=major, ob=ob, since=since, until=until, limit=limit, after=after
        )
    body = {"files": [file.to_api() for file in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    _NAMED + "/files",
    guard=needs("write:datasets"),
    body=Body({"description": "The file, as it is"}, types=_UPLOADS, streamed=True),
    answers={
        200: Given("The catalogue has it already", ref("DatasetFiles")),
        201: Given("What was added, one for each day", ref("DatasetFiles")),
    },
    refusals=(404, 409),
)
async def add_dataset_file(
    request: Request,
    name: Name,
    file: Annotated[
        str,
        Query(
            max_length=_NAME_MAX,
            description="What it is called: <OB>_<dataset>_YYYYMMDDTHH0000Z.avro",
        ),
    ],
) -> Response:
    """Add a file: checked whole, split by day. A request may simply be repeated."""
    call = call_of(request)
    check_media_type(request, _UPLOADS)
    with ExitStack() as held:
        path = await run_in_threadpool(held.enter_context, call.context.tables.incoming())
        with path.open("wb") as written:
            async for part in body_parts(request, limit=call.context.limits.bulk_bytes):
                await run_in_threadpool(written.write, part)
        return await run_in_threadpool(added, call, path, dataset=name, name=file)


def added(
    call: Call,
    path: FilePath,
    *,
    dataset: str,
    name: str,
    ob: str | None = None,
    major: int | None = None,
) -> Response:
    """Add a file that was uploaded, of one OB or one major version only, where they are given."""
    context, at = call.context, call.context.clock()
    with context.ledger() as ledger:
        try:
            files = add_file(
                *(ledger, context.datasets, path),
                dataset=dataset,
                name=name,
                at=at,
                containers=context.containers,
                ob=ob,
                major=major,
            )
        except InputError as error:
            # Where the upload lies for the moment is nobody's business.
            message = str(error.args[0]).replace(str(path), "The file")
            raise ApiError(error.code, message, hint=error.hint) from error
    is_new = any(file.added_at == at for file in files)
    body = {"files": [file.to_api() for file in files]}
    return answer(body, status=201 if is_new else 200)


@resource.get(
    _NAMED + "/files/{id}",
    guard=needs("read:datasets"),
    answers={
        200: Given(
            "The file, as the catalogue has it",
            {"type": "string", "format": "binary"},
            media_type=_UPLOADS[1],
            headers={"Content-Disposition": "Its name"},
        )
    },
    refusals=(404, 409),
)
def get_dataset_file(
    call: ThisCall, name: Name, id: Annotated[str, Path(max_length=_NAME_MAX)]
) -> Response:
    """Read a file of the catalogue."""
    with call.context.ledger() as ledger:
        file = find_file(ledger, id)
    if file.dataset != name:
        raise NotFoundError(f"There is no file {id!r} of {name!r} in the catalogue")
    return file_answer(call, file)


def file_answer(call: Call, file: DatasetFile) -> Response:
    """Return the content of a file, block by block."""
    storage = call.context.datasets
    stored = storage.find(file.path)
    if stored is None or stored.size != file.size:
        message = f"{file.path} is in the list of files, and not in the storage as it was"
        raise ConflictError(message, hint="let its sender add it again", code="dataset_file_lost")
    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": f'attachment; filename="{file.name}"',
    }
    return StreamingResponse(
        storage.read(file.path), media_type="application/octet-stream", headers=headers
    )
