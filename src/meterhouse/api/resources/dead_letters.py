"""Dead letters: records that a receiver refused, or that were tried too often or too long."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.operation import Body, Given, Resource, needs, one, one_page
from meterhouse.api.resources.correction_choice import ID_MAX
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    ANYTHING,
    COUNT,
    NAME,
    TEXT,
    Schema,
    array,
    closed,
    page,
    ref,
    whole,
)
from meterhouse.app import dead_letters
from meterhouse.app.forward_ports import DEAD_LETTERS_MAX, ChosenLetters, DeadLetterFilter
from meterhouse.app.ports import Ledger
from meterhouse.app.running import find_run
from meterhouse.app.streams import find_stream
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown

PATH = "/v1/dead-letters"
_FILTERS = ("stream", "node", "run")
Id = Annotated[int, Path(ge=0, le=ID_MAX, description="The number of the dead letter")]
_IDS: Schema = array({"type": "integer", "minimum": 0, "maximum": ID_MAX}, items_max=100_000)
SCHEMAS: dict[str, Schema] = {
    "DeadLetter": whole(
        {
            "id": COUNT,
            "delivery": {**COUNT, "description": "The number of the output that it was of"},
            "stream": TEXT,
            "node": TEXT,
            "run": TEXT,
            "destination": TEXT,
            "place": {**COUNT, "description": "Its place in the output, from 0"},
            "key": {**TEXT, "description": "Its idempotency key"},
            "reason": TEXT,
            "attempts": COUNT,
            "at": TEXT,
            "record": ANYTHING,
        }
    ),
    "DeadLetterPage": page("deadLetters", ref("DeadLetter")),
    "DeadLetterFilter": closed(
        {
            "stream": {**NAME, "description": "Its name or id"},
            "node": {**NAME, "description": "Its name or id"},
            "run": NAME,
        },
        about="What all of is true; an empty one means every dead letter",
    ),
    "DeadLetterChoice": closed(
        {"ids": {**_IDS, "minItems": 1}, "filter": ref("DeadLetterFilter")},
        about="Dead letters by number, or by a filter",
    )
    | {"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]},
}
_EXAMPLES = {"numbers": {"ids": [1, 2]}, "filter": {"filter": {"stream": "Usage"}}}
resource = Resource("Dead letters", about="Records that a receiver refused", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:deliveries"),
    answers=one_page("Dead letters", "DeadLetterPage"),
    refusals=(404,),
)
def list_dead_letters(
    call: ThisCall,
    stream: Annotated[str | None, Query(description="Of this stream: its name or id")] = None,
    node: Annotated[str | None, Query(description="Of the writer of this name or id")] = None,
    run: Annotated[str | None, Query(description="Of this run")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List dead letters that all filters leave, oldest first."""
    cursors = call.cursors(stream=stream, node=node, run=run)
    with call.context.ledger() as ledger:
        wanted = _filter(ledger, {"stream": stream, "node": node, "run": run})
        found = ledger.dead_letters(wanted, limit=limit, after=cursors.after(cursor))
    body = {"deadLetters": [dead_letters.letter_to_api(letter) for letter in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:deliveries"),
    answers=one("The dead letter with its record", "DeadLetter"),
    refusals=(404,),
)
def get_dead_letter(call: ThisCall, id: Id) -> Response:
    """Read a dead letter."""
    with call.context.ledger() as ledger:
        return answer(dead_letters.letter_to_api(dead_letters.find_letter(ledger, id)))


@resource.post(
    PATH + ":redrive",
    guard=needs("update:deliveries"),
    body=Body(ref("DeadLetterChoice"), examples=_EXAMPLES),
    answers={202: Given("They are sent again", ref("Touched"))},
    refusals=(404, 409),
)
def redrive_dead_letters(call: ThisCall) -> Response:
    """Send dead letters again, all or none, with the idempotency keys that they had.

    By number, or all that a filter leaves; 100,000 at most.
    """
    with call.context.ledger() as ledger:
        done = dead_letters.redrive(ledger, _chosen(call, ledger))
    return answer({"count": len(done)}, status=202)


@resource.post(
    PATH + ":delete",
    guard=needs("delete:deliveries"),
    body=Body(ref("DeadLetterChoice"), examples=_EXAMPLES),
    answers=one("They are deleted", "Touched"),
    refusals=(404, 409),
)
def drop_dead_letters(call: ThisCall) -> Response:
    """Delete dead letters for good: all of them, or none where one is wrong."""
    with call.context.ledger() as ledger:
        done = dead_letters.drop(ledger, _chosen(call, ledger))
    return answer({"count": len(done)})


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:deliveries"),
    answers={204: Given("It is deleted")},
    refusals=(404,),
)
def drop_dead_letter(call: ThisCall, id: Id) -> Response:
    """Delete a dead letter for good."""
    with call.context.ledger() as ledger:
        dead_letters.drop(ledger, [id])
    return no_content()


def _filter(ledger: Ledger, given: dict[str, str | None]) -> DeadLetterFilter:
    stream, run = given["stream"], given["run"]
    return DeadLetterFilter(
        stream_id=None if stream is None else find_stream(ledger, stream).id,
        node=given["node"],
        run_id=None if run is None else find_run(ledger, run).id,
    )


def _chosen(call: Call, ledger: Ledger) -> ChosenLetters:
    ids, given = _read_choice(call.json())
    return ids if given is None else _filter(ledger, given)


def _read_choice(body: JsonValue) -> tuple[list[int], dict[str, str | None] | None]:
    """Read ``ids`` or ``filter``. Raises ``DefinitionError``."""
    reading = Reading(body, known=("ids", "filter"), what="choice of dead letters")
    named = [name for name in ("ids", "filter") if name in reading.body]
    if len(named) != 1:
        message = "is given together with filter" if named else "is missing, and filter too"
        reading.fail("ids", message, "give the numbers of dead letters, or a filter")
    ids = reading.json_list("ids", items_max=DEAD_LETTERS_MAX)
    if named == ["ids"] and not ids:
        reading.fail("ids", "names none", "give the numbers of dead letters")
    for place, id in enumerate(ids):
        if type(id) is not int or not 0 <= id <= ID_MAX:
            reading.fail(f"ids[{place}]", f"is {shown(id)}", "use the number of a dead letter")
            break
    given = _read_filter(reading) if named == ["filter"] else None
    if reading.problems:
        raise DefinitionError(reading.problems, what="The choice of dead letters")
    return ids, given


def _read_filter(reading: Reading) -> dict[str, str | None]:
    inner = Reading(reading.body["filter"], known=_FILTERS, what="filter")
    texts = {name: inner.text(name) for name in _FILTERS}
    for name in _FILTERS:
        # What is empty narrows nothing down, and an action must not take more than was meant.
        if name in inner.body and inner.body[name] in (None, ""):
            inner.fail(name, f"is {shown(inner.body[name])}", "leave it out, or give it a text")
    for problem in inner.problems:
        fault = problem.at("filter")
        reading.fail(fault.place, fault.message, fault.hint)
    return texts
