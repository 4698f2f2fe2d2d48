"""Declared fields of a record: each is read as its type where that loses nothing.

A record in which one cannot be is unreadable. Files are read so, and so are records that come
back to a reader from Data Correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from meterhouse.core.json_text import JsonValue, Record, json_text
from meterhouse.core.quantity import number_from_text

STRING, NUMBER, BOOLEAN = "string", "number", "boolean"
BOOLEANS = {"true": True, "false": False}
_SHOWN_CHARS = 60


class Misfit(Exception):
    """A value that cannot be read as the type that its field was declared to have."""

    def __init__(self, field: str, value: JsonValue, declared: str) -> None:
        shown = json_text(value)
        if len(shown) > _SHOWN_CHARS:
            shown = shown[: _SHOWN_CHARS - 3] + "..."
        super().__init__(f"{field} is {shown}, which is not a {declared}")


def typed_record(record: Record, declared: Mapping[str, str]) -> Record:
    """Return a record with its declared fields read as their types. Raises ``Misfit``."""
    typed = dict(record)
    for name, kind in declared.items():
        value = record.get(name)
        if value is not None:
            typed[name] = typed_value(name, value, kind)
    return typed


def typed_value(name: str, value: JsonValue, kind: str) -> JsonValue:
    """Return a value read as a type. Raises ``Misfit``."""
    if kind == STRING:
        return value if isinstance(value, str) else json_text(value)
    if kind == BOOLEAN:
        read = value
        if isinstance(value, str):
            read = BOOLEANS.get(value.lower())
        if isinstance(read, bool):
            return read
    if kind == NUMBER and not isinstance(value, bool):
        read = number_from_text(value) if isinstance(value, str) else value
        if isinstance(read, int | Decimal):
            return read
    raise Misfit(name, value, kind)
