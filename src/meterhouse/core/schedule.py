"""The reset schedule: five cron fields in a time zone, and the next instant they name.

Rules (ours where cron dialects differ): a field is ``*``, numbers, ranges, lists and steps; the
day may be ``L``, the last day of the month, also in a list. Weekday 0 and 7 are Sunday. Where day
and weekday are both restricted, either may match. Day 31 skips short months.

Local times: one that does not exist fires at the first instant after the gap; one that exists
twice fires once, at the first. A schedule whose minute or hour starts with ``*`` is hourly or
finer and runs on elapsed instants instead: every instant whose local wall time matches fires.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from meterhouse.core.instant import Instant, from_datetime, to_datetime
from meterhouse.core.problem import Problem

_BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
_DAYS_MAX = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
#: No schedule that fires at all waits longer than from one 29 February to the next, over 1900.
_SEARCH_YEARS = 9
_ONE_DAY = timedelta(days=1)
_ONE_HOUR = timedelta(hours=1)
_LAST = -1


@dataclass(frozen=True, slots=True)
class ResetSchedule:
    """When a meter's period ends: five texts as in the API.

    >>> ResetSchedule().problems()
    []
    """

    minute: str = "0"
    hour: str = "0"
    day: str = "1"
    month: str = "*"
    weekday: str = "*"

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> tuple[ResetSchedule | None, list[Problem]]:
        """Read the API's object. Every fault is listed; ``None`` where there is one."""
        faults = [
            Problem(name, "is not a field of a reset schedule", f"fields are {', '.join(_BOUNDS)}")
            for name in body
            if name not in _BOUNDS
        ]
        texts: dict[str, str] = {}
        for name in _BOUNDS:
            value = body.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if not isinstance(value, str):
                hint = 'all five fields are texts such as "0", "*" or "1,15"'
                faults.append(Problem(name, f"is {value!r}, not a text", hint))
            else:
                texts[name] = value.strip()
        if faults:
            return None, faults
        schedule = cls(**texts)
        faults = schedule.problems()
        return (None if faults else schedule), faults

    def to_api(self) -> dict[str, str]:
        """Return the API's object."""
        return {name: getattr(self, name) for name in _BOUNDS}

    def problems(self) -> list[Problem]:
        """List everything that is wrong, a schedule that never fires included."""
        faults: list[Problem] = []
        for field in fields(self):
            try:
                _parse_field(field.name, getattr(self, field.name))
            except ValueError as error:
                faults.append(Problem(field.name, str(error), "use *, 5, 1-5, 1,15 or */10"))
        if not faults and not _compiled(self).fires():
            hint = "choose a day that the month has"
            faults.append(Problem("", f"never fires: day {self.day} of month {self.month}", hint))
        return faults

    def next_after(self, instant: Instant, timezone: str) -> Instant:
        """Return the first scheduled instant strictly after ``instant``.

        Raises ``OverflowError`` beyond the year 9999.
        """
        return _compiled(self).next_after(instant, timezone)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A schedule as sets of numbers."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    by_day: bool
    by_weekday: bool
    #: hourly and finer: the wall clock is followed instant by instant
    elapsed: bool

    def fires(self) -> bool:
        if self.by_weekday or not self.by_day or _LAST in self.days:
            return True
        first = min(self.days)
        return any(first <= _DAYS_MAX[month - 1] for month in self.months)

    def matches(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        if not (self.by_day or self.by_weekday):
            return True
        if self.by_weekday and day.isoweekday() % 7 in self.weekdays:
            return True
        if not self.by_day:
            return False
        last = _LAST in self.days and (day + _ONE_DAY).day == 1
        return last or day.day in self.days

    def next_after(self, instant: Instant, timezone: str) -> Instant:
        zone = ZoneInfo(timezone)
        local = to_datetime(instant).astimezone(zone)
        # From the day before: an instant after a gap or fold may belong to yesterday's wall date.
        for day in self._days_from(local.date() - _ONE_DAY):
            for candidate in self._instants(day, zone):
                if candidate > instant:
                    return candidate
        raise OverflowError("the schedule has no instant before the year 10000")

    def _days_from(self, day: date) -> Iterator[date]:
        end = day.year + _SEARCH_YEARS
        while day.year <= min(end, 9998):
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self.matches(day):
                yield day
            day += _ONE_DAY

    def _instants(self, day: date, zone: ZoneInfo) -> Iterator[Instant]:
        if self.elapsed:
            return _elapsed_instants(self, day, zone)
        return _wall_instants(self, day, zone)


def _wall_instants(schedule: _Compiled, day: date, zone: ZoneInfo) -> Iterator[Instant]:
    """Instants of a day's wall times, each at its first occurrence or just after its gap."""
    for hour in schedule.hours:
        for minute in schedule.minutes:
            yield first_instant(datetime(day.year, day.month, day.day, hour, minute), zone)


def _elapsed_instants(schedule: _Compiled, day: date, zone: ZoneInfo) -> Iterator[Instant]:
    """Instants of a day whose wall time matches, in the order in which they pass."""
    start = first_instant(datetime(day.year, day.month, day.day), zone)
    wanted_hours, wanted_minutes = set(schedule.hours), set(schedule.minutes)
    moment = to_datetime(start)
    limit = moment + timedelta(hours=27)
    while moment <= limit:
        local = moment.astimezone(zone)
        if local.date() > day:
            return
        if local.hour not in wanted_hours:
            moment += timedelta(minutes=60 - local.minute, seconds=-local.second)
            continue
        if local.minute in wanted_minutes and local.date() == day:
            yield from_datetime(moment - timedelta(seconds=local.second))
        moment += timedelta(minutes=1, seconds=-local.second)


def first_instant(wall: datetime, zone: ZoneInfo) -> Instant:
    """Return the first instant that shows a wall time, or the first one after its gap.

    >>> from zoneinfo import ZoneInfo
    >>> from meterhouse.core.instant import instant_text
    >>> instant_text(first_instant(datetime(2026, 3, 29, 2, 30), ZoneInfo("Europe/Berlin")))
    '2026-03-29T01:00:00.000Z'
    """
    early = wall.replace(tzinfo=zone, fold=0)
    instant = early.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return from_datetime(instant)
    # In a gap. fold=0 reads the wall time with the offset before it: an instant after the gap's
    # end; fold=1 with the offset after it: an instant before. The transition lies between.
    late = from_datetime(instant)
    soon = from_datetime(wall.replace(tzinfo=zone, fold=1).astimezone(UTC))
    return _transition(min(soon, late), max(soon, late), zone)


def _transition(low: Instant, high: Instant, zone: ZoneInfo) -> Instant:
    """The first instant in (low, high] with the offset that ``high`` has, to the second."""
    offset = to_datetime(high).astimezone(zone).utcoffset()
    low, high = low // 1_000_000, high // 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        if to_datetime(middle * 1_000_000).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high * 1_000_000


@lru_cache(maxsize=1024)
def _compiled(schedule: ResetSchedule) -> _Compiled:
    numbers = {f.name: _parse_field(f.name, getattr(schedule, f.name)) for f in fields(schedule)}
    return _Compiled(
        minutes=tuple(sorted(numbers["minute"])),
        hours=tuple(sorted(numbers["hour"])),
        days=frozenset(numbers["day"]),
        months=frozenset(numbers["month"]),
        weekdays=frozenset(number % 7 for number in numbers["weekday"]),
        by_day=schedule.day != "*",
        by_weekday=schedule.weekday != "*",
        elapsed=schedule.hour.startswith("*") or schedule.minute.startswith("*"),
    )


def _parse_field(name: str, text: str) -> set[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        numbers |= _parse_part(name, part.strip())
    return numbers


def _parse_part(name: str, part: str) -> set[int]:
    low, high = _BOUNDS[name]
    if name == "day" and part == "L":
        return {_LAST}
    span, slash, step_text = part.partition("/")
    step = _number(step_text, 1, high, part) if slash else 1
    if span == "*":
        return set(range(low, high + 1, step))
    start_text, dash, end_text = span.partition("-")
    start = _number(start_text, low, high, part)
    # As in classic cron, a step without a range runs to the end: 5/15 is 5, 20, 35, 50.
    end = _number(end_text, low, high, part) if dash else (high if slash else start)
    if end < start:
        raise ValueError(f"{part!r} runs backwards")
    return set(range(start, end + 1, step))


def _number(text: str, low: int, high: int, part: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or not low <= int(text) <= high:
        raise ValueError(f"{part!r} is not understood; numbers here run from {low} to {high}")
    return int(text)
