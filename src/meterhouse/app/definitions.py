"""Reading definition files: one JSON object, a list of objects, or NDJSON.

Decides what counts as one item and what its place is called in messages. Knows nothing of what
the items mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from meterhouse.core.json_text import JsonValue, json_fault, parse_json
from meterhouse.core.problem import DefinitionError, Problem

_FORMS = "give one JSON object, a list of objects, or one object per line"


@dataclass(frozen=True, slots=True)
class Item:
    """One body of a file. ``place`` is ``item 3``, ``line 3``, or empty for a lone object."""

    place: str
    body: JsonValue


def read_items(text: str, *, what: str = "The file") -> list[Item]:
    """Read a definition file, numbers as written. Raises ``DefinitionError``, every line listed.

    ``what`` names the file.

    >>> [item.place for item in read_items('[{"a": 1}, {"a": 2}]')]
    ['item 1', 'item 2']
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DefinitionError([Problem("", "holds nothing", _FORMS)], what=what)
    try:
        whole = parse_json(text)
    except (ValueError, RecursionError) as error:
        return _read_lines(text, error, what=what)
    if isinstance(whole, list):
        return [Item(f"item {number}", body) for number, body in enumerate(whole, start=1)]
    return [Item("", whole)]


def read_one(text: str, *, what: str) -> JsonValue:
    """Read a file that must hold one JSON object, such as a merge patch or a stream."""
    items = read_items(text, what=what)
    if len(items) != 1:
        fault = Problem("", f"holds {len(items)} objects", "give exactly one")
        raise DefinitionError([fault], what=what)
    return items[0].body


def _read_lines(text: str, whole_error: Exception, *, what: str) -> list[Item]:
    """Read NDJSON; a text whose first line is no JSON by itself is one broken document."""
    items: list[Item] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            items.append(Item(f"line {number}", parse_json(line)))
        except (ValueError, RecursionError) as error:
            if not items:
                raise DefinitionError([_fault(whole_error)], what=what) from error
            problems.append(Problem(f"line {number}", _reason(error), "each line is one object"))
    if problems:
        raise DefinitionError(problems, what=what)
    return items


def _fault(error: Exception) -> Problem:
    place = ""
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column {error.colno}"
    return Problem(place, _reason(error), _FORMS)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {json_fault(error)}"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return f"is not JSON: {error}"


def refuse(problems: Sequence[Problem], *, what: str) -> None:
    """Raise ``DefinitionError`` where there are problems."""
    if problems:
        raise DefinitionError(problems, what=what)


def placed(problems: Sequence[Problem], item: Item) -> list[Problem]:
    """Return problems with the place of their item before their own."""
    if not item.place:
        return list(problems)
    return [
        Problem(f"{item.place}: {p.place}" if p.place else item.place, p.message, p.hint)
        for p in problems
    ]
