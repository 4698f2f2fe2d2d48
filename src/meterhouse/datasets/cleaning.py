"""Cleaning: what rows of logs say, made plain; rows that say too little are rejected.

White space around a value goes, and an empty value is none. Instants become UTC with milliseconds
and ``Z``, countries three letters. A row that lacks what billing needs is rejected with a reason,
its place and the value that is wrong; texts of users are never among these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from meterhouse.core.country import alpha_3
from meterhouse.core.instant import Instant, instant_text, parse_instant
from meterhouse.core.json_text import JsonValue
from meterhouse.datasets.log_rows import Layout, LogRow, read_rows

Row = TypeVar("Row")

_SHOWN_MAX = 80
_COUNT_MAX = 2**31 - 1
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


class Reason(StrEnum):
    """Why a row is rejected, in the order in which they are looked for."""

    NOT_READABLE = "not_readable"
    MISSING = "missing"
    NOT_TEXT = "not_text"
    TIME_INVALID = "time_invalid"
    TIME_AHEAD = "time_ahead"
    COUNTRY_INVALID = "country_invalid"
    COUNTRY_OTHER = "country_other"
    BOOLEAN_INVALID = "boolean_invalid"
    COUNT_INVALID = "count_invalid"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is kept out, and why. ``value`` is what the field has, cut to be shown."""

    place: str
    reason: Reason
    field: str | None
    message: str
    value: str | None = None

    def to_api(self) -> dict[str, JsonValue]:
        """Return the object that the file of rejected rows has."""
        said = {"field": self.field, "value": self.value, "message": self.message}
        return {"place": self.place, "reason": self.reason.value} | said


class Broken(Exception):
    """What is wrong with a row; becomes a ``Rejected`` where its place is known."""

    def __init__(self, reason: Reason, field: str | None, message: str, value: object = None):
        super().__init__(message)
        self.reason, self.field = reason, field
        self.value = None if value is None else _shown(value)

    def at(self, place: str) -> Rejected:
        """Return the rejected row that stands there."""
        return Rejected(place, self.reason, self.field, str(self), self.value)


def _shown(value: object) -> str:
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


def cleaned_rows(
    lines: Iterable[str], layout: Layout, clean: Callable[[LogRow], Row]
) -> Iterator[Row | Rejected]:
    """Yield what ``clean`` makes of each record of a log; what it finds broken is rejected."""
    for row in read_rows(lines, layout):
        try:
            check_readable(row)
            yield clean(row)
        except Broken as error:
            yield error.at(row.place)


def check_readable(row: LogRow) -> None:
    """Raise ``Broken`` for a row that could not be read."""
    if row.fault is not None:
        raise Broken(Reason.NOT_READABLE, None, row.fault)


def text_of(row: LogRow, name: str) -> str | None:
    """Return a text without white space around it; ``None`` where there is none.

    >>> text_of(LogRow(1, 1, {"A": "  ab "}), "A"), text_of(LogRow(1, 1, {"A": " "}), "A")
    ('ab', None)
    """
    value = row.fields.get(name)
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        raise Broken(Reason.NOT_TEXT, name, f"{name} is a list or an object")
    text = str(value).strip() if not isinstance(value, bool) else str(value).lower()
    if not text.isascii() and not _is_unicode(text):
        raise Broken(Reason.NOT_TEXT, name, f"{name} is no UTF-8", text)
    return text or None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def needed(row: LogRow, name: str) -> str:
    """Return a text that must be there."""
    text = text_of(row, name)
    if text is None:
        raise Broken(Reason.MISSING, name, f"{name} is missing")
    return text


def instant_of(row: LogRow, name: str) -> Instant:
    """Return an instant of ISO 8601 that must be there; without a zone it is UTC.

    >>> instant_of(LogRow(1, 1, {"T": "1970-01-01T01:00:00+01:00"}), "T")
    0
    """
    text = needed(row, name)
    instant = parse_instant(text)
    if instant is None:
        message = f"{name} is no instant of ISO 8601, such as 2026-10-03T09:15:02.114Z"
        raise Broken(Reason.TIME_INVALID, name, message, text)
    return instant


def country_of(row: LogRow, name: str, *, of_ob: str) -> str:
    """Return a country with three letters, from two or three; it must be that of the OB.

    >>> country_of(LogRow(1, 1, {"C": " es"}), "C", of_ob="ESP")
    'ESP'
    """
    text = needed(row, name)
    code = alpha_3(text.upper())
    if code is None:
        message = f"{name} is no country of ISO 3166-1, such as ES or ESP"
        raise Broken(Reason.COUNTRY_INVALID, name, message, text)
    if code != of_ob:
        message = f"{name} is {code}, but the log is of {of_ob}"
        raise Broken(Reason.COUNTRY_OTHER, name, message, text)
    return code


def boolean_of(row: LogRow, name: str) -> bool:
    """Return a truth value that must be there.

    >>> boolean_of(LogRow(1, 1, {"B": "TRUE"}), "B"), boolean_of(LogRow(1, 1, {"B": 0}), "B")
    (True, False)
    """
    text = needed(row, name).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Broken(Reason.BOOLEAN_INVALID, name, f"{name} is neither true nor false", text)


def count_of(row: LogRow, name: str) -> int | None:
    """Return a whole number from zero on; ``None`` where there is none."""
    text = text_of(row, name)
    if text is None:
        return None
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(_COUNT_MAX))
    if not digits or int(text) > _COUNT_MAX:
        message = f"{name} is no whole number from 0 to {_COUNT_MAX}"
        raise Broken(Reason.COUNT_INVALID, name, message, text)
    return int(text)


def needed_count(row: LogRow, name: str) -> int:
    """Return a whole number that must be there: what is not told is not taken for zero."""
    needed(row, name)
    count = count_of(row, name)
    assert count is not None, "there is a text"
    return count


def time_text(instant: Instant) -> str:
    """Write an instant as datasets have it.

    >>> time_text(0)
    '1970-01-01T00:00:00.000Z'
    """
    return instant_text(instant)


def day_text(instant: Instant) -> str:
    """Write the UTC day of an instant.

    >>> day_text(0)
    '1970-01-01'
    """
    return instant_text(instant)[:10]
