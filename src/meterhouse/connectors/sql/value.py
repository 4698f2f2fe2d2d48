"""Values of databases as JSON: nothing is rounded, and what has no JSON form is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from uuid import UUID

from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.reading import shown


class OddJson:
    """The text of a JSON column that is no JSON of ours, and why."""

    def __init__(self, text: str, why: str) -> None:
        self.text = text
        self.why = why


def json_column(text: str | bytes) -> JsonValue:
    """Read a JSON column, numbers as written; a driver calls this. Never raises."""
    try:
        return parse_json(text)
    except ValueError as error:
        plain = text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
        return OddJson(plain, str(error))


def json_value(value: object) -> JsonValue:
    """Return a value as JSON. Raises ``ValueError`` saying what it is and what to do.

    >>> json_value(Decimal("1.50")), json_value(0.1), json_value(date(2026, 1, 31))
    (Decimal('1.50'), Decimal('0.1'), '2026-01-31')
    """
    match value:
        case None | bool() | int():
            return value
        case str() if not isinstance(value, Enum):
            return value
        case float() | Decimal():
            return _number(value)
        case datetime() | date() | time():
            return _moment(value)
        case bytes() | bytearray() | memoryview():
            size = len(bytes(value))
            raise ValueError(f"holds {size:,} bytes; leave it out, or encode it in the query")
        case UUID():
            return str(value)
        case list():
            return [json_value(item) for item in value]
        case dict():
            return {str(name): json_value(item) for name, item in value.items()}
        case OddJson():
            raise ValueError(f"is {shown(value.text)}, and {value.why}")
        case _:
            kind = type(value).__name__
            raise ValueError(f"is of a type ({kind}) without JSON form; cast it to text")


def _number(value: float | Decimal) -> Decimal:
    # The shortest text that a float is read back from.
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        raise ValueError(f"is {number}, no number")
    return number


def _moment(value: datetime | date | time) -> str:
    if not isinstance(value, datetime):
        return value.isoformat()
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def raw_text(value: object) -> str:
    """Return what a person sees of a value in Data Correction."""
    if isinstance(value, OddJson):
        return value.text
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)
