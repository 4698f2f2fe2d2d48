"""When streams run: the intervals that people choose, or five cron fields, in a time zone.

Decides how a rule is written and which instants it names; the arithmetic, and what happens where
clocks are changed, is that of ``core.schedule``. Knows nothing of what runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meterhouse.core.instant import DAY, EARLIEST, MINUTE, Instant
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.schedule import ResetSchedule

DEFAULT_TIMEZONE = "Etc/UTC"
MINUTES = (5, 15, 20, 30)
HOURS = (1, 2, 3, 4, 6, 12)
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
LAST_DAY = "last"
TIMES_MAX = 96
_MINUTE_STEP = 15
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_CRON_FIELDS = ("minute", "hour", "day", "month", "weekday")
#: How far back the latest instant is looked for, nearest first.
_LOOK_BACK = (60 * MINUTE, DAY, 32 * DAY, 366 * DAY, 8 * 366 * DAY)
_FIELDS = {
    "minutes": ("every",),
    "hours": ("every",),
    "day": ("times",),
    "week": ("weekdays", "times"),
    "month": ("days", "times"),
    "cron": ("expression",),
}


@dataclass(frozen=True, slots=True)
class ScheduleRule:
    """A rule as it was written, and the cron schedules that together name its instants."""

    body: Mapping[str, Any]
    timezone: str = DEFAULT_TIMEZONE
    parts: tuple[ResetSchedule, ...] = field(default=(), repr=False)

    @classmethod
    def from_api(cls, body: object) -> ScheduleRule:
        """Read a rule. Raises ``DefinitionError`` listing every problem.

        >>> rule = ScheduleRule.from_api({"interval": "hours", "every": 6})
        >>> rule.next_after(0) // 3_600_000_000
        6
        """
        rule, problems = read_rule(body)
        if rule is None:
            raise DefinitionError(problems, what="The schedule")
        return rule

    def to_api(self) -> dict[str, Any]:
        """Return the object of the API."""
        return {**self.body, "timezone": self.timezone}

    def next_after(self, instant: Instant) -> Instant:
        """Return the first instant of the rule strictly after ``instant``."""
        return min(part.next_after(instant, self.timezone) for part in self.parts)

    def latest_until(self, instant: Instant, *, since: Instant) -> Instant:
        """Return the last instant of the rule in ``[since, instant]``; ``since`` is one of them.

        Many may have passed: they are not walked through from the first.
        """
        for distance in _LOOK_BACK:
            start = max(instant - distance, since - 1, EARLIEST)
            found = self.next_after(start)
            if found <= instant:
                return self._last_from(found, instant)
        return self._last_from(since, instant)

    def _last_from(self, found: Instant, instant: Instant) -> Instant:
        while (following := self.next_after(found)) <= instant:
            found = following
        return found

    def words(self) -> str:
        """Say the rule in a few words, for tables.

        >>> ScheduleRule.from_api({"interval": "minutes", "every": 15}).words()
        'every 15 minutes'
        """
        body = self.body
        match body["interval"]:
            case "minutes":
                return f"every {body['every']} minutes"
            case "hours":
                return "every hour" if body["every"] == 1 else f"every {body['every']} hours"
            case "cron":
                return str(body["expression"])
        when = [str(item) for name in ("weekdays", "days") for item in body.get(name, ())]
        days = ", ".join(when) if when else "daily"
        prefix = "day " if "days" in body else ""
        return f"{prefix}{days} at {', '.join(body['times'])}"


def read_rule(
    body: object, *, beside: Iterable[str] = ()
) -> tuple[ScheduleRule | None, list[Problem]]:
    """Read a rule, or list its problems. ``beside`` names fields that are not the rule's own."""
    reading = Reading(body, what="schedule")
    interval = reading.body.get("interval")
    if interval not in _FIELDS:
        hint = f"use one of {', '.join(_FIELDS)}"
        reading.fail("interval", missing_or_shown(interval), hint)
        return None, reading.problems
    names = _FIELDS[interval]
    reading.only(("interval", "timezone", *names, *beside), what=f"{interval} schedule")
    zone = reading.timezone("timezone", default=DEFAULT_TIMEZONE)
    parts = _READERS[interval](reading)
    if reading.problems:
        return None, reading.problems
    kept = {"interval": interval} | {name: reading.body[name] for name in names}
    return ScheduleRule(kept, zone, tuple(parts)), []


def _minutes(reading: Reading) -> list[ResetSchedule]:
    every = _one_of(reading, MINUTES, "minutes")
    return [ResetSchedule(f"*/{every}", "*", "*")]


def _hours(reading: Reading) -> list[ResetSchedule]:
    every = _one_of(reading, HOURS, "hours")
    return [ResetSchedule("0", f"*/{every}", "*")]


def _one_of(reading: Reading, known: tuple[int, ...], unit: str) -> int:
    value = reading.body.get("every")
    if isinstance(value, bool) or value not in known:
        hint = f"use {', '.join(map(str, known))} {unit}, or a cron expression"
        reading.fail("every", missing_or_shown(value), hint)
        return known[0]
    return int(value)


def _day(reading: Reading) -> list[ResetSchedule]:
    return list(_at_times(reading, day="*", weekday="*"))


def _week(reading: Reading) -> list[ResetSchedule]:
    def number(item: object) -> str | None:
        return str(WEEKDAYS.index(item)) if isinstance(item, str) and item in WEEKDAYS else None

    chosen = _chosen(reading, "weekdays", number, f"use {', '.join(WEEKDAYS)}")
    return list(_at_times(reading, day="*", weekday=",".join(chosen) or "*"))


def _month(reading: Reading) -> list[ResetSchedule]:
    def number(item: object) -> str | None:
        if item == LAST_DAY:
            return "L"
        whole = isinstance(item, int) and not isinstance(item, bool)
        return str(item) if whole and 1 <= item <= 31 else None  # type: ignore[operator]

    chosen = _chosen(reading, "days", number, 'use numbers from 1 to 31, or "last"')
    return list(_at_times(reading, day=",".join(chosen) or "*", weekday="*"))


def _chosen(
    reading: Reading, name: str, number: Callable[[object], str | None], hint: str
) -> list[str]:
    """Read a list of days; each must be one that ``number`` knows."""
    chosen: list[str] = []
    for position, item in enumerate(_list(reading, name, hint)):
        text = number(item)
        if text is None:
            reading.fail(f"{name}[{position}]", f"is {shown(item)}", hint)
        else:
            chosen.append(text)
    return chosen


def _at_times(reading: Reading, *, day: str, weekday: str) -> Iterator[ResetSchedule]:
    """One schedule for each minute of the hour that the times have: cron multiplies its fields."""
    hint = f'use texts such as "06:00" or "18:45", in steps of {_MINUTE_STEP} minutes'
    hours: dict[int, set[int]] = {}
    for position, item in enumerate(_list(reading, "times", hint)):
        match = _TIME.fullmatch(item) if isinstance(item, str) else None
        if match is None or int(match[2]) % _MINUTE_STEP:
            reading.fail(f"times[{position}]", f"is {shown(item)}", hint)
        else:
            hours.setdefault(int(match[2]), set()).add(int(match[1]))
    for minute, of_day in sorted(hours.items()):
        text = ",".join(map(str, sorted(of_day)))
        yield ResetSchedule(str(minute), text, day, weekday=weekday)


def _list(reading: Reading, name: str, hint: str) -> list[Any]:
    faults = len(reading.problems)
    items = reading.json_list(name, items_max=TIMES_MAX)
    if not items and len(reading.problems) == faults:
        given = reading.body.get(name)
        reading.fail(name, "is missing" if given is None else "is empty", hint)
    return items


def _cron(reading: Reading) -> list[ResetSchedule]:
    text = reading.text("expression", required=True)
    if text is None:
        return []
    texts = text.split()
    if len(texts) != len(_CRON_FIELDS):
        hint = "give five: minute, hour, day, month, weekday, such as 0 6 * * 1-5"
        reading.fail("expression", f"is {shown(text)}, which has {len(texts)} fields", hint)
        return []
    schedule, problems = ResetSchedule.from_api(dict(zip(_CRON_FIELDS, texts, strict=True)))
    reading.problems += [problem.at("expression") for problem in problems]
    return [] if schedule is None else [schedule]


_READERS: Mapping[str, Callable[[Reading], list[ResetSchedule]]] = {
    "minutes": _minutes,
    "hours": _hours,
    "day": _day,
    "week": _week,
    "month": _month,
    "cron": _cron,
}
