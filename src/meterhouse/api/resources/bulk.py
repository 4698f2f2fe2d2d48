"""Meters in bulk: NDJSON in, one line of answer for each line.

Lines are created slice by slice, each in one transaction, while the rest still arrives. The answers
wait in a file until the last line was read: a client that only writes never blocks us.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from meterhouse.api.call import Call, body_parts, call_of, check_media_type, read_json
from meterhouse.api.context import Context
from meterhouse.api.operation import Body, Given, Resource, needs
from meterhouse.api.problems import ApiError, problem_document
from meterhouse.api.schemas import COUNT, TEXT, Schema, closed, ref
from meterhouse.app.definitions import Item
from meterhouse.app.provisioning import create_each_meter
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import DefinitionError, MeterhouseError

NDJSON = "application/x-ndjson"
_SPOOLED_BYTES = 4 * 1024 * 1024
_PART_BYTES = 256 * 1024
#: Numbered lines: the first has number 1.
_Lines = list[tuple[int, bytes]]

SCHEMAS: dict[str, Schema] = {
    "BulkResult": closed(
        {"line": COUNT, "id": TEXT, "problem": ref("Problem")},
        required=("line",),
        about="One line of the answer: the id of what was created, or why nothing was",
    )
}
resource = Resource("Meters in bulk", about="Many meters in one request", schemas=SCHEMAS)


@resource.post(
    "/v1/meters/bulk",
    guard=needs("create:meters"),
    body=Body({**TEXT, "description": "One meter a line"}, types=(NDJSON,), streamed=True),
    answers={200: Given("One line for each line: see BulkResult", TEXT, media_type=NDJSON)},
)
async def create_meters_in_bulk(request: Request) -> Response:
    """Create many meters: those that can be created are, each of the others says why not.

    Each line is a meter as in `POST /usage-metering/v1/meters`. A line of the answer is
    `{"line": 1, "id": "…"}` or `{"line": 2, "problem": {…}}`. A meter that exists is a conflict,
    so that a request may simply be repeated.
    """
    call = call_of(request)
    check_media_type(request, (NDJSON,))
    results = SpooledTemporaryFile(max_size=_SPOOLED_BYTES)  # noqa: SIM115 (closed when sent)
    try:
        async for lines in _slices(request, call.context):
            results.write(await run_in_threadpool(_create, call, lines))
    except BaseException:
        results.close()
        raise
    results.seek(0)
    return StreamingResponse(_parts(results), media_type=NDJSON)


async def _slices(request: Request, context: Context) -> AsyncIterator[_Lines]:
    """Yield the lines that hold something, some thousands at a time."""
    limits = context.limits
    number = 0
    lines: _Lines = []
    size = 0
    rest = b""
    async for part in body_parts(request, limit=limits.bulk_bytes):
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            number += 1
            if line.strip():
                lines.append((number, line))
                size += len(line)
            if len(lines) >= limits.slice_items or size >= limits.slice_bytes:
                yield lines
                lines, size = [], 0
        if len(rest) > limits.line_bytes:
            message = f"Line {number + 1} has more than {limits.line_bytes:,} bytes"
            hint = "Send one meter a line. Some before it may exist now: repeat them all"
            raise ApiError("body_too_large", message, hint=hint)
    if rest.strip():
        lines.append((number + 1, rest))
    if lines:
        yield lines


def _create(call: Call, lines: _Lines) -> bytes:
    """Create the meters of some lines and return the lines of the answer."""
    results: dict[int, str | MeterhouseError] = {}
    bodies: dict[int, Any] = {}
    for number, line in lines:
        try:
            bodies[number] = read_json(line)
        except ApiError as error:
            results[number] = error
    items = [Item("", body) for body in bodies.values()]
    with call.context.ledger() as ledger:
        try:
            created: Sequence[str | MeterhouseError] = create_each_meter(
                ledger, items, new_id=call.context.new_id, at=call.context.clock()
            )
        except DefinitionError as error:
            # A meter type was deleted at this very moment.
            created = [error] * len(items)
    results |= dict(zip(bodies, created, strict=True))
    texts = (_text(number, results[number], bodies.get(number)) for number, _ in lines)
    return "".join(texts).encode()


def _text(number: int, result: str | MeterhouseError, body: object) -> str:
    if isinstance(result, str):
        return f'{{"line":{number},"id":"{result}"}}\n'
    document = problem_document(result, body=body)
    return f'{{"line":{number},"problem":{json_text(document)}}}\n'


def _parts(results: IO[bytes]) -> Iterator[bytes]:
    with results:
        while part := results.read(_PART_BYTES):
            yield part
