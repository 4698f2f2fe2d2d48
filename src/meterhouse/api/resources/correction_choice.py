"""Which suspended records an action is to take, and what a correction sets: how bodies say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from meterhouse.api.schemas import (
    FREE_OBJECT,
    INSTANT,
    NAME,
    TEXT,
    Schema,
    array,
    closed,
    nullable,
    ref,
)
from meterhouse.app.correcting import Correction
from meterhouse.app.correction_ports import ACTION_RECORDS_MAX, OPEN, QUEUED, Chosen, SuspenseFilter
from meterhouse.app.ports import Ledger
from meterhouse.app.running import find_run
from meterhouse.app.streams import find_stream
from meterhouse.core.expression import Expression, parse_expression
from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason

ID_MAX = 2**63 - 1
#: The members of a body that choose records, and those that say what becomes of them.
CHOICE, FIX = ("ids", "filter"), ("values", "expressions", "unset")
FIELDS_UNSET_MAX = 1_000
_FILTERS = ("stream", "node", "reason", "run", "state", "since", "until", "text")
_REASONS = [reason.value for reason in Reason]


class State(Enum):
    """The states of a record in Data Correction."""

    OPEN = OPEN
    QUEUED = QUEUED


_STATES = [state.value for state in State]
_IDS: Schema = array({"type": "integer", "minimum": 0, "maximum": ID_MAX}, items_max=100_000)
_CHOICE: dict[str, Schema] = {"ids": {**_IDS, "minItems": 1}, "filter": ref("SuspenseFilter")}
_ONE_OF = {"oneOf": [{"required": [name]} for name in CHOICE]}
_SET: dict[str, Schema] = {
    "values": nullable({**FREE_OBJECT, "description": "Fields and their new values"}),
    "expressions": {
        "type": ["object", "null"],
        "additionalProperties": NAME,
        "description": "Fields and what they become, computed for each record",
    },
    "unset": nullable(
        {**array(NAME, items_max=FIELDS_UNSET_MAX), "description": "Fields that are to go"}
    ),
}
_ANY_OF = {"anyOf": [{"required": [name]} for name in FIX]}
CHOICE_SCHEMAS: dict[str, Schema] = {
    "SuspenseFilter": closed(
        {
            "stream": {**NAME, "description": "Its name or id"},
            "node": {**NAME, "description": "Its name"},
            "reason": {**TEXT, "enum": _REASONS},
            "run": NAME,
            "state": {**TEXT, "enum": _STATES},
            "since": INSTANT,
            "until": INSTANT,
            "text": {**NAME, "description": "Stands somewhere in what was wrong"},
        },
        about="What all of is true; an empty one means every record",
    ),
    "Choice": closed(_CHOICE, about="Records by number, or by a filter") | _ONE_OF,
    "Fix": closed(_SET) | _ANY_OF,
    "FixMany": closed({**_CHOICE, **_SET}) | _ONE_OF | _ANY_OF,
}
EXAMPLES = {
    "numbers": {"ids": [1, 2]},
    "filter": {"filter": {"stream": "Usage", "reason": "no_meter_found"}},
}


@dataclass(frozen=True, slots=True)
class GivenFilter:
    """A filter as it was given, in texts that were checked."""

    stream: str | None = None
    node: str | None = None
    reason: str | None = None
    run: str | None = None
    state: str | None = None
    since: str | None = None
    until: str | None = None
    text: str | None = None

    def filter(self, ledger: Ledger) -> SuspenseFilter:
        """Return the filter of the ledger; ``NotFoundError`` for an unknown stream or run."""
        return SuspenseFilter(
            stream_id=None if self.stream is None else find_stream(ledger, self.stream).id,
            node=self.node,
            reason=None if self.reason is None else Reason(self.reason),
            run_id=None if self.run is None else find_run(ledger, self.run).id,
            state=self.state,
            since=None if self.since is None else parse_instant(self.since),
            until=None if self.until is None else parse_instant(self.until),
            text=self.text,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The records that an action is to take: by number, or by a filter."""

    ids: Sequence[int] = ()
    filter: GivenFilter | None = None

    def chosen(self, ledger: Ledger) -> Chosen:
        """Return what the use cases take."""
        return self.ids if self.filter is None else self.filter.filter(ledger)


def read_choice(body: JsonValue, *, beside: tuple[str, ...] = ()) -> Choice:
    """Read ``ids`` or ``filter``; ``beside`` are members that others read. ``DefinitionError``.

    >>> read_choice({"ids": [7, 7]}).ids
    [7]
    """
    reading = Reading(body, known=(*CHOICE, *beside), what="choice of records")
    given = [name for name in CHOICE if name in reading.body]
    if len(given) != 1:
        message = "is given together with filter" if given else "is missing, and filter too"
        reading.fail("ids", message, "give the numbers of records, or a filter")
    choice = Choice(_ids(reading), _filter(reading) if "filter" in given else None)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The choice of records")
    return choice


def _ids(reading: Reading) -> list[int]:
    """Read the numbers of records, each once."""
    ids = reading.json_list("ids", items_max=ACTION_RECORDS_MAX)
    if "ids" in reading.body and reading.body["ids"] in (None, []):
        reading.fail("ids", f"is {shown(reading.body['ids'])}", "give the numbers of records")
    for place, id in enumerate(ids):
        if type(id) is not int or not 0 <= id <= ID_MAX:
            reading.fail(f"ids[{place}]", f"is {shown(id)}", "use the number of a record")
            return []
    return list(dict.fromkeys(ids))


def _filter(reading: Reading) -> GivenFilter:
    inner = Reading(reading.body["filter"], known=_FILTERS, what="filter")
    texts = {name: inner.text(name) for name in _FILTERS}
    for name, known in (("reason", _REASONS), ("state", _STATES)):
        if texts[name] is not None and texts[name] not in known:
            inner.fail(name, f"is {shown(texts[name])}", f"use one of {', '.join(known)}")
    for name in ("since", "until"):
        inner.instant(name)
    for name in _FILTERS:
        # What is empty narrows nothing down, and an action must not take more than was meant.
        if name in inner.body and texts[name] is None and inner.body[name] in (None, ""):
            inner.fail(name, f"is {shown(inner.body[name])}", "leave it out, or give it a text")
    for problem in dict.fromkeys(inner.problems):
        fault = problem.at("filter")
        reading.fail(fault.place, fault.message, fault.hint)
    return GivenFilter(**texts)


def read_correction(body: JsonValue, *, beside: tuple[str, ...] = ()) -> Correction:
    """Read ``values``, ``expressions`` and ``unset``, of which there is at least one field."""
    reading = Reading(body, known=(*FIX, *beside), what="fix")
    values = reading.json_object("values")
    expressions = _expressions(reading)
    unset = reading.json_list("unset", items_max=FIELDS_UNSET_MAX)
    for position, name in enumerate(unset):
        if not isinstance(name, str) or not name:
            reading.fail(f"unset[{position}]", f"is {shown(name)}, not the name of a field")
    if not values and not expressions and not unset and not reading.problems:
        reading.fail("values", "names no field", 'such as {"values": {"region": "EMEA"}}')
    if reading.problems:
        raise DefinitionError(reading.problems, what="The fix")
    return Correction(values, expressions, unset)


def _expressions(reading: Reading) -> dict[str, Expression]:
    expressions: dict[str, Expression] = {}
    for name, text in reading.json_object("expressions").items():
        if not isinstance(text, str):
            reading.fail(f"expressions.{name}", f"is {shown(text)}, not a text")
            continue
        try:
            expressions[name] = parse_expression(text)
        except MeterhouseError as error:
            reading.fail(f"expressions.{name}", str(error.args[0]), error.hint)
    return expressions
