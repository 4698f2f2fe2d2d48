"""The document of a price book as JSON: one text and one hash for equal documents.

YAML knows dates and JSON does not: a date is the text that it is written as. Numbers are exact as
written; a binary float is no number of money, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from meterhouse.core.json_text import NESTING_MAX, canonical_text, has_half_pair
from meterhouse.core.problem import DefinitionError, Problem

_WHAT = "The price book"
#: Who fills a document with floats does so everywhere: so many are named.
_PROBLEMS_MAX = 20


def plain_document(document: object) -> Any:
    """Return a document in the types of JSON. Raises ``DefinitionError``.

    >>> plain_document({"from": date(2026, 10, 1)})
    {'from': '2026-10-01'}
    """
    problems: list[Problem] = []
    plain = _plain(document, "", 0, problems)
    if problems:
        raise DefinitionError(problems[:_PROBLEMS_MAX], what=_WHAT)
    return plain


def book_text(document: object) -> str:
    """Return the canonical JSON of a document.

    The order of keys counts for nothing, nor does the spelling of numbers.

    >>> book_text({"b": Decimal("0.10"), "a": date(2026, 10, 1)})
    '{"a":"2026-10-01","b":0.1}'
    """
    return canonical_text(plain_document(document))


def book_hash(document: object) -> str:
    """Return the SHA-256 of the canonical JSON, in hexadecimal digits.

    >>> book_hash({"a": 1})[:16]
    '015abd7f5cc57a2d'
    """
    return sha256(book_text(document).encode()).hexdigest()


def _plain(value: object, place: str, depth: int, problems: list[Problem]) -> Any:
    if depth > NESTING_MAX:
        problems.append(Problem(place, f"nests deeper than {NESTING_MAX} levels"))
        return None
    if isinstance(value, Mapping):
        return {
            _key(key, place, problems): _plain(part, _within(place, key), depth + 1, problems)
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _plain(part, f"{place}[{index}]", depth + 1, problems)
            for index, part in enumerate(value)
        ]
    return _scalar(value, place, problems)


def _scalar(value: object, place: str, problems: list[Problem]) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        if has_half_pair(value):
            problems.append(Problem(place, "has half a character", "remove it"))
        return value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return value
    hint = "write numbers as text, such as '0.0025'" if isinstance(value, float | Decimal) else ""
    problems.append(Problem(place, f"is the {type(value).__name__} {value!r}, no JSON", hint))
    return None


def _key(key: object, place: str, problems: list[Problem]) -> str:
    if not isinstance(key, str) or has_half_pair(key):
        problems.append(Problem(place, f"has the key {key!r}", "keys are texts"))
    return str(key)


def _within(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)
