"""Columns that a file is to have, whatever its records hold: names, types, and what fits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.instant import instant_text, read_timestamp, to_datetime
from meterhouse.core.json_text import (
    JsonValue,
    Record,
    field_value,
    has_half_pair,
    json_text,
)
from meterhouse.core.quantity import quantity
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.suspense import Reason

#: The formats that have columns of given types.
COLUMN_FORMATS = ("csv", "parquet")
COLUMNS_MAX = 1_000
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_HINT = 'write [{"name": "userId", "type": "text"}, {"name": "value", "type": "number"}]'


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column: the name or dotted path of a field, which heads it, and one of ``TYPES``."""

    name: str
    type: str


class Misfit(Exception):
    """A value that its column cannot hold."""

    def __init__(self, column: FileColumn, value: JsonValue) -> None:
        said = f"{column.name} is {shown(value)}, which is no {column.type}"
        super().__init__(said)


def fitted(record: Record, columns: Sequence[FileColumn]) -> Record:
    """Return the values of the columns alone; absent ones are left out. Raises ``Misfit``.

    Instants are whole microseconds since 1970, JSON is its text.

    >>> fitted({"value": "1.50", "of": {"user": 7}},
    ...     [FileColumn("of.user", "text"), FileColumn("value", "number")])
    {'of.user': '7', 'value': Decimal('1.50')}
    """
    made: Record = {}
    for column in columns:
        value = field_value(record, column.name)
        if value is None:
            continue
        made[column.name] = held = TYPES[column.type](value)
        if held is None:
            raise Misfit(column, value)
    return made


def cell_text(value: JsonValue, type_: str) -> str:
    """Return how a value that ``fitted`` returned is written as text.

    >>> cell_text(0, "timestamp"), cell_text(Decimal("1E+3"), "number"), cell_text(True, "boolean")
    ('1970-01-01T00:00:00.000Z', '1000', 'true')
    """
    if type_ != "timestamp":
        return value if isinstance(value, str) else json_text(value)
    if value % 1000 == 0:
        return instant_text(value)
    moment = to_datetime(value).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def _text(value: JsonValue) -> str | None:
    """Numbers and Booleans have a plain form; half a character cannot be written."""
    if isinstance(value, Mapping | list):
        return None
    text = value if isinstance(value, str) else json_text(value)
    return None if has_half_pair(text) else text


def _number(value: JsonValue) -> Decimal | None:
    number = quantity(value)
    return None if isinstance(number, Reason) else number


def _integer(value: JsonValue) -> int | None:
    number = _number(value)
    if number is None or number != number.to_integral_value():
        return None
    return int(number) if _LONG_MIN <= number <= _LONG_MAX else None


def _boolean(value: JsonValue) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


#: By type: what a column holds of a value that is there; ``None`` where it cannot hold it.
TYPES: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "timestamp": read_timestamp,
    "json": json_text,
}


def read_file_columns(reading: Reading, format_: str | None) -> tuple[FileColumn, ...]:
    """Read ``columns`` of a file's parameters; none where they are not given. Notes problems."""
    if reading.body.get("columns") is None:
        return ()
    items = reading.json_list("columns", items_max=COLUMNS_MAX)
    if not items and isinstance(reading.body["columns"], list):
        reading.fail("columns", "has no column", f"{_HINT}, or leave it out")
    if format_ is not None and format_ not in COLUMN_FORMATS:
        reading.fail("columns", f"{format_} has none", "use csv or parquet, or leave columns out")
    found: dict[str, FileColumn] = {}
    for number, item in enumerate(items):
        inner = Reading(item, known=("name", "type"), what="column")
        column = _read_column(inner)
        if column is not None and column.name in found:
            inner.fail("name", f"{shown(column.name)} is the name of another column", "remove one")
        elif column is not None:
            found[column.name] = column
        reading.problems += [problem.at(f"columns[{number}]") for problem in inner.problems]
    return tuple(found.values())


def _read_column(inner: Reading) -> FileColumn | None:
    name = inner.text("name", required=True)
    type_ = inner.body.get("type")
    if not isinstance(type_, str) or type_ not in TYPES:
        inner.fail("type", missing_or_shown(type_), f"use one of {', '.join(TYPES)}")
        return None
    return None if name is None else FileColumn(name, type_)
