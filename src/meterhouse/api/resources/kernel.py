"""Kernel: datasets as its clients see them, their files to be read, and files to be added.

The guard has checked scopes against the dataset and the version of the address before anything of
this is called. What a client is bound to (an operating business) is checked here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import date
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

from fastapi import Path as InPath
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from meterhouse.api.answer import answer
from meterhouse.api.call import Call, ThisCall, body_parts, call_of, check_media_type
from meterhouse.api.operation import Body, Given, Resource, of_kernel, one
from meterhouse.api.resources.datasets import added
from meterhouse.api.resources.kernel_tokens import CORRELATED, CORRELATOR
from meterhouse.api.schemas import (
    COUNT,
    FREE_OBJECT,
    TEXT,
    Schema,
    array,
    nullable,
    ref,
    whole,
)
from meterhouse.app.datasets.access import KernelPrincipal, check_ob
from meterhouse.app.datasets.files import find_file
from meterhouse.app.datasets.ports import DatasetFile
from meterhouse.app.datasets.publishing import newest
from meterhouse.app.listing import take
from meterhouse.app.page import Page
from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.naming import parse_file_name
from meterhouse.datasets.scope import Action

PATH = "/kernel/datasets"
_MAJOR_PATH = PATH + "/{name}/{major}"
AVRO = "application/avro"
_BINARY = (AVRO, "application/octet-stream", "avro/binary")
FILE_NAME = "x-file-name"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
Name = Annotated[str, InPath(max_length=100, description="The dataset: Aura_Audit")]
Major = Annotated[int, InPath(ge=0, le=999_999, description="The first number of the version: 6")]
_TEXT_OR_NONE = nullable(TEXT)
_VERSION: dict[str, Schema] = {"version": TEXT, "major": COUNT, "sha256": TEXT, "publishedAt": TEXT}
SCHEMAS: dict[str, Schema] = {
    "KernelDataset": whole(
        {"name": TEXT, **_VERSION, "versions": COUNT, "files": COUNT, "rows": COUNT}
    ),
    "KernelDatasets": whole({"datasets": array(ref("KernelDataset"))}),
    "KernelDatasetVersions": whole(
        {
            "name": TEXT,
            "newest": TEXT,
            "versions": array(
                whole(
                    {
                        "name": TEXT,
                        **_VERSION,
                        "schema": {**FREE_OBJECT, "description": "The Avro schema, as published"},
                    }
                )
            ),
        }
    ),
    "KernelFile": whole(
        {
            "id": TEXT,
            "dataset": TEXT,
            "version": TEXT,
            "ob": {**_TEXT_OR_NONE, "description": "Whose it is; null: of all"},
            "day": {**_TEXT_OR_NONE, "description": "null: a snapshot of a dimension"},
            "name": TEXT,
            "path": TEXT,
            "rows": COUNT,
            "size": COUNT,
            "sha256": TEXT,
            "addedAt": TEXT,
        }
    ),
    "KernelPartitions": whole(
        {
            "dataset": TEXT,
            "major": COUNT,
            "partitions": array(
                whole(
                    {
                        "day": {**_TEXT_OR_NONE, "description": "null: snapshots of a dimension"},
                        "files": array(ref("KernelFile")),
                    }
                )
            ),
        }
    ),
    "KernelFiles": whole({"files": array(ref("KernelFile"))}),
}
resource = Resource("Kernel", about="Datasets, for clients of Kernel", schemas=SCHEMAS)


def _asking(call: Call) -> KernelPrincipal:
    assert isinstance(call.principal, KernelPrincipal), "every operation here has a guard"
    return call.principal


@resource.get(
    PATH,
    guard=of_kernel(Action.ADMIN),
    headers=(CORRELATOR,),
    answers=one("Datasets", "KernelDatasets", headers=CORRELATED),
)
def list_kernel_datasets(call: ThisCall) -> Response:
    """List the datasets that are published, each with its newest version.

    A client that is bound to an operating business sees totals of that one, with those of all.
    """
    with call.context.ledger() as ledger:
        found = list(take(partial(ledger.datasets, ob=_asking(call).ob), limit=None))
    return answer({"datasets": [summary.to_api() for summary in found]})


@resource.get(
    PATH + "/{name}",
    guard=of_kernel(Action.ADMIN),
    headers=(CORRELATOR,),
    answers=one("Versions", "KernelDatasetVersions", headers=CORRELATED),
    refusals=(404,),
)
def get_kernel_dataset(call: ThisCall, name: Name) -> Response:
    """Read a dataset: its versions, each with its schema."""
    with call.context.ledger() as ledger:
        last = newest(ledger, name)
        versions = ledger.dataset_versions(name)
    body = {
        "name": last.name,
        "newest": str(last.version),
        "versions": [one_.to_api() | {"schema": parse_json(one_.text)} for one_ in versions],
    }
    return answer(body)


@resource.get(
    _MAJOR_PATH + "/partitions",
    guard=of_kernel(Action.READ),
    headers=(CORRELATOR,),
    answers=one("Partitions", "KernelPartitions", headers=CORRELATED),
    refusals=(404,),
)
def list_kernel_partitions(
    call: ThisCall,
    name: Name,
    major: Major,
    since: Annotated[str | None, Query(alias="from", description="The first day")] = None,
    until: Annotated[str | None, Query(alias="to", description="The last day")] = None,
) -> Response:
    """List what there is of a version: day after day, the files of each by their names.

    A client that is bound to an operating business sees files of that one, and those of all.
    """
    principal = _asking(call)
    first, last = _day("from", since), _day("to", until)
    with call.context.ledger() as ledger:
        newest(ledger, name, major=major)

        def page_of(*, limit: int, after: str | None) -> Page[DatasetFile]:
            return ledger.dataset_files(
                name, major=major, since=first, until=last, limit=limit, after=after
            )

        visible = [file for file in take(page_of, limit=None) if principal.sees(file.ob)]
    partitions = [
        {"day": None if day is None else day.isoformat(), "files": [f.to_api() for f in files]}
        for day, files in groupby(visible, key=lambda file: file.day)
    ]
    return answer({"dataset": name, "major": major, "partitions": partitions})


def _day(parameter: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        problem = Problem(parameter, f"is {shown(text)}", "write a day, such as 2026-10-31")
        raise DefinitionError([problem], what="The request") from None


@resource.get(
    _MAJOR_PATH + "/files/{id}",
    guard=of_kernel(Action.READ),
    headers=(CORRELATOR,),
    answers={
        200: Given(
            "The file, an Avro object container",
            {"type": "string", "format": "binary"},
            media_type=AVRO,
            headers={
                "Content-Disposition": "Its name",
                "Content-Digest": "Its SHA-256 (RFC 9530)",
                **CORRELATED,
            },
        )
    },
    refusals=(404,),
)
def get_kernel_file(
    call: ThisCall,
    name: Name,
    major: Major,
    id: Annotated[str, InPath(max_length=255, description="The id of the file")],
) -> Response:
    """Read a file."""
    with call.context.ledger() as ledger:
        file = find_file(ledger, id)
    # The scopes that were checked are those of the address: the file must be of it.
    if (file.dataset, file.major) != (name, major) or not _asking(call).sees(file.ob):
        hint = f"GET {PATH}/{name}/{major}/partitions lists those that exist"
        raise NotFoundError(f"There is no file {shown(id)} of {name} {major}", hint=hint)
    content = call.context.datasets.read(file.path)
    # What storage refuses is an answer of its own; later the connection could only break.
    first = next(content, b"")
    return StreamingResponse(_blocks(first, content), media_type=AVRO, headers=_headers(file))


def _blocks(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from chain((first,), rest)


def _headers(file: DatasetFile) -> dict[str, str]:
    digest = b64encode(bytes.fromhex(file.sha256)).decode()
    return {
        "Content-Length": str(file.size),
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Digest": f"sha-256=:{digest}:",
    }


@resource.post(
    _MAJOR_PATH + "/files",
    guard=of_kernel(Action.WRITE),
    body=Body({"type": "string", "format": "binary"}, types=_BINARY, streamed=True),
    headers=(
        CORRELATOR,
        {
            "name": FILE_NAME,
            "in": "header",
            "required": False,
            "description": "What the file is called: ES_Aura_Audit_20261003T100000Z.avro",
            "schema": TEXT,
        },
    ),
    answers={
        201: Given("The files that were added: one a day", ref("KernelFiles"), headers=CORRELATED),
        200: Given("They are there already", ref("KernelFiles"), headers=CORRELATED),
    },
    refusals=(404, 409),
)
async def add_kernel_file(
    request: Request,
    name: Name,
    major: Major,
    file_name: Annotated[
        str | None, Query(alias="fileName", description=f"Instead of the header {FILE_NAME}")
    ] = None,
) -> Response:
    """Add a file, an Avro object container; its name is in a header or a parameter.

    It is checked whole before anything is kept. Adding it again changes nothing.
    """
    call = call_of(request)
    check_media_type(request, _BINARY)
    given = file_name or call.header(FILE_NAME)
    if not given:
        problem = Problem("fileName", "is missing", f"give it, or the header {FILE_NAME}")
        raise DefinitionError([problem], what="The request")
    check_ob(_asking(call), parse_file_name(given).ob)
    with NamedTemporaryFile(suffix=".avro") as content:
        async for part in body_parts(request, limit=call.context.limits.bulk_bytes):
            await run_in_threadpool(content.write, part)
        content.flush()
        return await run_in_threadpool(
            *(added, call, Path(content.name)),
            dataset=name,
            name=given,
            ob=_asking(call).ob,
            major=major,  # Scopes were checked for that of the address.
        )
