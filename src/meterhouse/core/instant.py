"""Instants: microseconds since 1970-01-01T00:00Z, as integers. Time zones live in ``schedule``.

Decides how the timestamps of usage records are read and how instants are written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from functools import lru_cache

from meterhouse.core.quantity import number_from_text

#: An instant in microseconds since the epoch, UTC.
Instant = int

MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Years 1 to 9999, the range of the calendar: instants outside are no timestamps.
EARLIEST: Instant = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
LATEST: Instant = (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC) - _EPOCH) // _MICROSECOND

#: Records show the same few instants over and over: so many texts are kept.
_TEXTS_MAX = 1024
#: Cuts digits off, whatever the caller's own decimal context would do.
_CUT_OFF = Context(prec=40, rounding=ROUND_DOWN, traps=[])

_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r" ?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?",
    re.ASCII,
)


def from_datetime(moment: datetime) -> Instant:
    """Return the instant of a ``datetime``; one without a zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(instant: Instant) -> datetime:
    """Return the instant as a ``datetime`` in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


@lru_cache(maxsize=_TEXTS_MAX)
def instant_text(instant: Instant) -> str:
    """Write an instant as the records show it: UTC with milliseconds and ``Z``.

    >>> instant_text(0)
    '1970-01-01T00:00:00.000Z'
    """
    return f"{to_datetime(instant).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def day_text(instant: Instant) -> str:
    """Write the UTC day of an instant.

    >>> day_text(DAY)
    '1970-01-02'
    """
    return instant_text(instant).partition("T")[0]


def read_timestamp(value: object) -> Instant | None:
    """Read a record's timestamp: ISO 8601 text, or Unix milliseconds as a number or digits.

    Text without a zone is UTC; digits beyond the microsecond are cut off; second 60 counts as
    the last microsecond of its minute. ``None`` means: not a timestamp.

    >>> read_timestamp("2026-01-01T00:00:00+01:00") == read_timestamp(1767222000000)
    True
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        value = Decimal(value)
    if isinstance(value, str):
        if (iso := _ISO.fullmatch(value)) is not None:
            return _from_iso(iso)
        value = number_from_text(value)
    if isinstance(value, Decimal):
        return _from_milliseconds(value)
    return None


def parse_instant(text: str) -> Instant | None:
    """Read an instant that a person or an API gives: ISO 8601 only; no zone means UTC."""
    iso = _ISO.fullmatch(text)
    return _from_iso(iso) if iso is not None else None


def _from_milliseconds(number: Decimal) -> Instant | None:
    if not number:
        return 0
    if not number.is_finite() or number.adjusted() > 15:
        return None
    instant = int(_CUT_OFF.multiply(number, 1000))
    return instant if EARLIEST <= instant <= LATEST else None


def _from_iso(iso: re.Match[str]) -> Instant | None:
    year, month, day, hour, minute, second, fraction, zone = iso.groups()
    leap = second == "60"
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            59 if leap else int(second or 0),
            999_999 if leap else int(((fraction or "") + "000000")[:6]),
            UTC,
        )
    except ValueError:
        return None
    instant = from_datetime(moment) - _offset(zone)
    return instant if EARLIEST <= instant <= LATEST else None


def _offset(zone: str | None) -> int:
    if not zone or zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-minutes if zone[0] == "-" else minutes) * MINUTE
