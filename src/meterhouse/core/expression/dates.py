"""What the date functions of expressions do. Without a zone, dates are those of UTC."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from meterhouse.core.date_arithmetic import Unit, difference, shifted, truncated
from meterhouse.core.expression.fault import Unfit
from meterhouse.core.expression.value import Moment, Value, moment, text
from meterhouse.core.instant import SECOND
from meterhouse.core.moment_format import MomentFormat
from meterhouse.core.reading import Reading
from meterhouse.core.timezone import zone as zone_named

_Result = TypeVar("_Result")
_UTC = "Etc/UTC"


def read(value: Value, format_: str | None = None, zone: str = _UTC) -> Moment:
    """Read a date: by a format, or as the timestamps of records are read."""
    if format_ is None:
        return moment(value)
    where = _zone(zone)
    found = _or_unfit(lambda: _format(format_).read(text(value), zone=where))
    return Moment(found)


def write(date: Moment, format_: str, zone: str = _UTC) -> str:
    """Write a date by a format."""
    where = _zone(zone)
    return _or_unfit(lambda: _format(format_).write(date.instant, zone=where))


def add(date: Moment, amount: int, unit: str, zone: str = _UTC) -> Moment:
    """Return a date so many units later."""
    where = _zone(zone)
    named = _unit(unit)
    return Moment(_or_unfit(lambda: shifted(date.instant, amount, named, zone=where)))


def between(start: Moment, end: Moment, unit: str, zone: str = _UTC) -> int:
    """Return how many whole units lie between two dates."""
    where, named = _zone(zone), _unit(unit)
    return _or_unfit(lambda: difference(start.instant, end.instant, named, zone=where))


def truncate(date: Moment, unit: str, zone: str = _UTC) -> Moment:
    """Return the beginning of the unit in which a date lies."""
    where, named = _zone(zone), _unit(unit)
    return Moment(_or_unfit(lambda: truncated(date.instant, named, zone=where)))


def part(date: Moment, name: str, zone: str = _UTC) -> int:
    """Return a part of a date as a number."""
    where = _zone(zone)
    if name not in _PARTS:
        raise Unfit(f"{name!r} is no part of a date", f"use {', '.join(_PARTS)}")
    return int(_or_unfit(lambda: _format(_PARTS[name]).write(date.instant, zone=where)))


def unix_millis(date: Moment) -> int:
    """Return the whole milliseconds from 1970 to a date."""
    return date.instant // (SECOND // 1000)


#: Parts of dates, and the formats that write them.
_PARTS = {
    "year": "YYYY",
    "quarter": "Q",
    "month": "M",
    "week": "W",
    "day": "D",
    "dayOfYear": "DDD",
    "weekday": "E",
    "hour": "H",
    "minute": "m",
    "second": "s",
    "millisecond": "SSS",
}


def _or_unfit(compute: Callable[[], _Result]) -> _Result:
    try:
        return compute()
    except ValueError as error:
        raise Unfit(str(error)) from None


@lru_cache(maxsize=256)
def _format(text: str) -> MomentFormat:
    return MomentFormat.parse(text)


def _unit(name: str) -> Unit:
    unit = Unit.named(name)
    if unit is None:
        raise Unfit(f"{name!r} is no unit of time", f"use {', '.join(u.value for u in Unit)}")
    return unit


def _zone(name: str) -> ZoneInfo:
    if (hint := _zone_hint(name)) is not None:
        raise Unfit(f"{name!r} is no time zone", hint)
    return zone_named(name)


@lru_cache(maxsize=256)
def _zone_hint(name: str) -> str | None:
    """Say which zone may have been meant; ``None`` where there is one of this name."""
    reading = Reading({"zone": name})
    reading.timezone("zone", default=_UTC)
    return reading.problems[0].hint if reading.problems else None
