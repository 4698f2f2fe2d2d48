"""The reset schedule: five cron fields in a time zone, and the next instant they name.

Rules (ours where cron dialects differ): a field is ``*``, numbers, ranges, lists and steps; the
day may be ``L``, the last day of the month, also in a list. Weekday 0 and 7 are Sunday. Where day
and weekday are both restricted, either may match. Day 31 skips short months.

Local times: one that does not exist fires at the first instant after the gap; one that exists
twice fires once, at the first. A schedule whose minute or hour starts with ``*`` is hourly or
finer and runs on elapsed instants instead: every instant whose local wall time matches fires.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import MAXYEAR, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from meterhouse.core.instant import LATEST, Instant
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import number_text
from meterhouse.core.reading import Reading, missing_or_shown
from meterhouse.core.timezone import (
    first_change,
    first_instant,
    instant_at,
    local_time,
    offset_of,
    zone,
)

_BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
_MONTH_LENGTHS = {
    month: {monthrange(year, month)[1] for year in (2000, 2001)} for month in range(1, 13)
}
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
        reading = Reading(body, known=tuple(_BOUNDS), what="reset schedule")
        texts: dict[str, str] = {}
        for name in _BOUNDS:
            value = body.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                value = number_text(value)
            if isinstance(value, str):
                texts[name] = value.strip()
            else:
                hint = 'all five fields are texts such as "0", "*" or "1,15"'
                reading.fail(name, missing_or_shown(value), hint)
        faults = reading.problems + _field_faults(texts)
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
        faults = _field_faults(self.to_api())
        if not faults and not _compiled(self).fires():
            message = f"never fires: there is no day {self.day} in month {self.month}"
            faults.append(
                Problem("", message, "choose a day that the month has, or L for its last")
            )
        return faults

    def next_after(self, instant: Instant, timezone: str) -> Instant:
        """Return the first scheduled instant strictly after ``instant``.

        Raises ``OverflowError`` beyond the year 9999, ``KeyError`` where no zone has that name.
        """
        return _clock(self, timezone).next_after(instant)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A schedule as sets of numbers."""

    #: times of the day in minutes, ascending
    times: tuple[int, ...]
    months: frozenset[int]
    #: the days of a month, which depend on its first weekday and its length and nothing else
    days: Mapping[tuple[int, int], tuple[int, ...]]
    #: hourly and finer: the wall clock is followed instant by instant
    elapsed: bool

    def fires(self) -> bool:
        return any(
            self.days[weekday, length]
            for month in self.months
            for length in _MONTH_LENGTHS[month]
            for weekday in range(7)
        )

    def walls_from(self, start: datetime) -> Iterator[datetime]:
        """Scheduled wall times, ascending, the first at or after ``start``."""
        year, month, first = start.year, start.month, start.day
        time = start.hour * 60 + start.minute + bool(start.second or start.microsecond)
        while year <= MAXYEAR:
            days = self.days[monthrange(year, month)] if month in self.months else ()
            for day in days[bisect_left(days, first) :]:
                for minute in self.times[bisect_left(self.times, time) if day == first else 0 :]:
                    yield datetime(year, month, day, minute // 60, minute % 60)
            year, month, first = year + month // 12, month % 12 + 1, 0


@dataclass(slots=True)
class _Clock:
    """A schedule in a zone."""

    schedule: _Compiled
    zone: ZoneInfo
    #: An instant and the next scheduled one after it. Meters share their periods: most questions
    #: lie between the two that the question before had.
    known: tuple[Instant, Instant] = (0, 0)

    def next_after(self, instant: Instant) -> Instant:
        earlier, following = self.known
        if earlier <= instant < following:
            return following
        found = self._next_elapsed(instant) if self.schedule.elapsed else self._next_wall(instant)
        if found is None or found > LATEST:
            raise OverflowError("the schedule names no further instant before the year 10000")
        self.known = (instant, found)
        return found

    def _next_wall(self, instant: Instant) -> Instant | None:
        for wall in self.schedule.walls_from(local_time(instant, self.zone)):
            # Inside a fold, a wall time ahead may have been shown before; the walls inside one
            # gap share an instant.
            candidate = first_instant(wall, self.zone)
            if candidate > instant:
                return candidate
        return None

    def _next_elapsed(self, instant: Instant) -> Instant | None:
        moment = instant + 1
        while True:
            local = local_time(moment, self.zone)
            wall = next(self.schedule.walls_from(local), None)
            if wall is None:
                return None
            candidate = instant_at(wall, offset_of(moment, self.zone))
            change = first_change(moment, min(candidate, LATEST), self.zone)
            if change is None:
                return candidate
            moment = change


@lru_cache(maxsize=1024)
def _clock(schedule: ResetSchedule, timezone: str) -> _Clock:
    return _Clock(_compiled(schedule), zone(timezone))


def _compiled(schedule: ResetSchedule) -> _Compiled:
    numbers = {f.name: _parse_field(f.name, getattr(schedule, f.name)) for f in fields(schedule)}
    minutes, hours = sorted(numbers["minute"]), sorted(numbers["hour"])
    return _Compiled(
        times=tuple(hour * 60 + minute for hour in hours for minute in minutes),
        months=frozenset(numbers["month"]),
        days={
            (first, length): tuple(_matching_days(schedule, numbers, first, length))
            for first in range(7)
            for length in range(28, 32)
        },
        elapsed=schedule.hour.startswith("*") or schedule.minute.startswith("*"),
    )


def _matching_days(
    schedule: ResetSchedule, numbers: Mapping[str, set[int]], first: int, length: int
) -> Iterator[int]:
    """The days of a month that begins on weekday ``first`` (Monday is 0)."""
    by_day, by_weekday = schedule.day != "*", schedule.weekday != "*"
    weekdays = {number % 7 for number in numbers["weekday"]}
    for day in range(1, length + 1):
        is_day = day in numbers["day"] or (day == length and _LAST in numbers["day"])
        is_weekday = (first + day) % 7 in weekdays
        if by_day and by_weekday:
            chosen = is_day or is_weekday
        else:
            chosen = is_day and is_weekday
        if chosen:
            yield day


def _field_faults(texts: Mapping[str, str]) -> list[Problem]:
    faults: list[Problem] = []
    for name, text in texts.items():
        try:
            _parse_field(name, text)
        except ValueError as error:
            last = " or L" if name == "day" else ""
            faults.append(Problem(name, str(error), f"use *, 5, 1-5, 1,15, */10{last}"))
    return faults


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
