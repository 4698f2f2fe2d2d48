"""Watermarks: the values by which a query tells new rows, and how the ledger keeps them.

A value keeps its type and is written exactly, so that the next run compares with what was read.
Numbers are compared as numbers, moments as moments, texts by their characters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import shown

#: type -> how its text is read again
_READ: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "decimal": Decimal,
    "float": float,
    "text": str,
    "timestamp": datetime.fromisoformat,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
}
_NUMBERS = frozenset({"integer", "decimal", "float"})


@dataclass(frozen=True, slots=True)
class Mark:
    """One value of a watermark, with its type."""

    type: str
    value: Any

    @classmethod
    def of(cls, value: object) -> Mark:
        """Take a value as the driver gives it. Raises ``ValueError``."""
        if value is None:
            raise ValueError("is NULL")
        mark = _moment(value) if isinstance(value, date) else _plain(value)
        if mark is None:
            raise ValueError(f"is {shown(value)}, no number, text or timestamp")
        return mark

    @classmethod
    def read(cls, kept: JsonValue) -> Mark:
        """Read what ``to_json`` has written."""
        return cls(kept["type"], _READ[kept["type"]](kept["value"]))

    def to_json(self) -> JsonValue:
        """Return what the ledger keeps."""
        moment = isinstance(self.value, date)
        text = self.value.isoformat() if moment else repr(self.value)
        plain = self.type in ("text", "decimal")
        return {"type": self.type, "value": str(self.value) if plain else text}

    def like(self, other: Mark) -> bool:
        """Whether the two can be compared."""
        return self.type == other.type or {self.type, other.type} <= _NUMBERS


def _plain(value: object) -> Mark | None:
    match value:
        case int() if not isinstance(value, bool):
            return Mark("integer", value)
        case Decimal() if value.is_finite():
            return Mark("decimal", value)
        case float() if isfinite(value):
            return Mark("float", value)
        case str() | UUID():
            return Mark("text", str(value))
        case _:
            return None


def _moment(value: date) -> Mark:
    if not isinstance(value, datetime):
        return Mark("date", value)
    if value.tzinfo is None:
        return Mark("datetime", value)
    return Mark("timestamp", value.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Watermark:
    """The values of a row in the columns of the watermark."""

    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, values: Sequence[object]) -> Watermark:
        """Take values as the driver gives them. Raises ``ValueError``."""
        return cls(tuple(map(Mark.of, values)))

    @property
    def values(self) -> tuple[Any, ...]:
        """The values, to be compared and bound."""
        return tuple(mark.value for mark in self.marks)

    def like(self, other: Watermark) -> bool:
        """Whether the two can be compared."""
        return all(a.like(b) for a, b in zip(self.marks, other.marks, strict=True))

    def __str__(self) -> str:
        return ", ".join(str(value) for value in self.values)
