"""Steps through time: an instant so many units later, and how many units lie between two.

Units up to the hour are elapsed time. Days and longer ones go by the calendar of a zone and keep
the wall time; a day that a month does not have becomes its last.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import MAXYEAR, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from meterhouse.core.instant import DAY, EARLIEST, LATEST, MINUTE, SECOND, Instant
from meterhouse.core.timezone import first_instant, local_time, zone

UTC = zone("Etc/UTC")


class Unit(Enum):
    """Units of time."""

    MILLISECOND = "millisecond"
    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @classmethod
    def named(cls, name: str) -> Unit | None:
        """Return the unit of a name, which may be in the plural.

        >>> Unit.named("days") is Unit.DAY
        True
        """
        return next((unit for unit in cls if name in (unit.value, f"{unit.value}s")), None)


_ELAPSED = {
    Unit.MILLISECOND: SECOND // 1000,
    Unit.SECOND: SECOND,
    Unit.MINUTE: MINUTE,
    Unit.HOUR: 60 * MINUTE,
}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}
_DAYS_MAX = (LATEST - EARLIEST) // DAY
_MONTHS_MAX = MAXYEAR * 12
_MICROSECOND = timedelta(microseconds=1)


def shifted(instant: Instant, amount: int, unit: Unit, *, zone: ZoneInfo = UTC) -> Instant:
    """Return an instant so many units later. Raises ``ValueError`` beyond the calendar.

    >>> from meterhouse.core.instant import instant_text, parse_instant
    >>> instant_text(shifted(parse_instant("2024-02-29"), 1, Unit.YEAR))
    '2025-02-28T00:00:00.000Z'
    """
    try:
        found = _shifted(instant, amount, unit, zone)
    except OverflowError:
        found = None
    if found is None or not EARLIEST <= found <= LATEST:
        raise ValueError(f"{amount} {unit.value}s lead out of the years 1 to {MAXYEAR}")
    return found


def _shifted(instant: Instant, amount: int, unit: Unit, zone: ZoneInfo) -> Instant | None:
    if unit in _ELAPSED:
        return instant + amount * _ELAPSED[unit]
    if not amount:
        return instant
    wall = _shifted_wall(local_time(instant, zone).replace(tzinfo=None), amount, unit)
    return None if wall is None else first_instant(wall, zone)


def _shifted_wall(wall: datetime, amount: int, unit: Unit) -> datetime | None:
    if unit in _DAYS:
        days = amount * _DAYS[unit]
        return wall + timedelta(days=days) if abs(days) <= _DAYS_MAX else None
    months = amount * _MONTHS[unit]
    if abs(months) > _MONTHS_MAX:
        return None
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    if not 1 <= year <= MAXYEAR:
        return None
    day = min(wall.day, monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day)


def truncated(instant: Instant, unit: Unit, *, zone: ZoneInfo = UTC) -> Instant:
    """Return the beginning of the unit in which an instant lies; weeks begin on Monday.

    Raises ``ValueError`` at the ends of the calendar.

    >>> from meterhouse.core.instant import instant_text, parse_instant
    >>> instant_text(truncated(parse_instant("2026-07-15"), Unit.WEEK))
    '2026-07-13T00:00:00.000Z'
    """
    try:
        wall = local_time(instant, zone).replace(tzinfo=None)
        if unit in _ELAPSED:
            # Counted from the hour that the clocks show, and not read back from them: where they
            # are put back, a wall time comes twice.
            passed = wall - wall.replace(minute=0, second=0, microsecond=0)
            found = instant - passed // _MICROSECOND % _ELAPSED[unit]
        else:
            found = first_instant(_beginning(wall, unit), zone)
    except OverflowError:
        found = None
    if found is None or found < EARLIEST:
        raise ValueError(f"the {unit.value} begins before the year 1")
    return found


def _beginning(wall: datetime, unit: Unit) -> datetime:
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case Unit.YEAR:
            return day.replace(month=1, day=1)
        case Unit.MONTH:
            return day.replace(day=1)
        case Unit.WEEK:
            return day - timedelta(days=day.weekday())
        case _:
            return day


def difference(start: Instant, end: Instant, unit: Unit, *, zone: ZoneInfo = UTC) -> int:
    """Return how many whole units lie between two instants; negative where the end is earlier.

    Raises ``ValueError`` at the ends of the calendar, where a zone has no wall time.

    >>> from meterhouse.core.instant import parse_instant
    >>> difference(parse_instant("2026-01-31"), parse_instant("2026-03-01"), Unit.MONTH)
    1
    """
    if end < start:
        return -difference(end, start, unit, zone=zone)
    if unit in _ELAPSED:
        return (end - start) // _ELAPSED[unit]
    try:
        count = _calendar_units(local_time(start, zone), local_time(end, zone), unit)
    except OverflowError:
        raise ValueError(f"{zone.key} shows no wall time at the end of the calendar") from None
    # The calendar says how many at most; the wall time of the last day may not be reached yet.
    while count and not _reached(end, (start, count, unit), zone):
        count -= 1
    return count


def _reached(end: Instant, step: tuple[Instant, int, Unit], zone: ZoneInfo) -> bool:
    try:
        start, count, unit = step
        return shifted(start, count, unit, zone=zone) <= end
    except ValueError:
        return False  # Beyond the calendar, and so beyond the end.


def _calendar_units(start: datetime, end: datetime, unit: Unit) -> int:
    if unit in _DAYS:
        return (end.date() - start.date()).days // _DAYS[unit]
    months = (end.year - start.year) * 12 + end.month - start.month
    return months // _MONTHS[unit]
