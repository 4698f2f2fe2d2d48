"""Cron by brute force: obvious code that looks at one minute after the other."""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from meterhouse.core.schedule import ResetSchedule

MINUTE = timedelta(minutes=1)
#: What ``*`` and a step without an end run from and to.
BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


@lru_cache(maxsize=100_000)
def names(text: str, number: int, bounds: tuple[int, int]) -> bool:
    """Whether a field's text names a number."""
    return any(_part_names(part, number, bounds) for part in text.split(","))


def _part_names(part: str, number: int, bounds: tuple[int, int]) -> bool:
    low, high = bounds
    if part == "L":
        return False
    span, _, step = part.partition("/")
    if span == "*":
        return low <= number <= high and (number - low) % int(step or 1) == 0
    if "-" in span:
        low, high = (int(end) for end in span.split("-"))
    else:
        low = int(span)
        high = high if step else low
    return low <= number <= high and (number - low) % int(step or 1) == 0


def fires_on(schedule: ResetSchedule, day: date) -> bool:
    """Whether a schedule names a date."""
    if not names(schedule.month, day.month, BOUNDS["month"]):
        return False
    is_last = day.day == monthrange(day.year, day.month)[1]
    in_days = names(schedule.day, day.day, BOUNDS["day"])
    in_days = in_days or (is_last and "L" in schedule.day.split(","))
    sunday_first = day.isoweekday() % 7
    in_week = names(schedule.weekday, sunday_first, BOUNDS["weekday"])
    in_week = in_week or (sunday_first == 0 and names(schedule.weekday, 7, BOUNDS["weekday"]))
    if schedule.day != "*" and schedule.weekday != "*":
        return in_days or in_week
    return in_days and in_week


def fires_at(schedule: ResetSchedule, wall: datetime) -> bool:
    """Whether a schedule names a minute of the wall clock."""
    return (
        names(schedule.hour, wall.hour, BOUNDS["hour"])
        and names(schedule.minute, wall.minute, BOUNDS["minute"])
        and fires_on(schedule, wall.date())
    )


def clock(zone: ZoneInfo, begin: datetime, minutes: int) -> list[tuple[datetime, datetime]]:
    """Each minute from ``begin`` on, and what the clocks on the wall show then."""
    moments = [begin + step * MINUTE for step in range(minutes)]
    return [(moment, moment.astimezone(zone).replace(tzinfo=None)) for moment in moments]


def firings(
    schedule: ResetSchedule, minutes: Sequence[tuple[datetime, datetime]]
) -> Iterator[datetime]:
    """When a schedule fires after the first of these minutes.

    Hourly and finer ones fire whenever the clock shows a minute that they name. Others fire when
    the clock passes it for the first time: by showing it, or by being put forward over it.
    """
    elapsed = schedule.minute.startswith("*") or schedule.hour.startswith("*")
    latest = minutes[0][1]
    for moment, wall in minutes[1:]:
        passed: Iterable[datetime] = [wall] if elapsed else _walls_after(latest, wall)
        if any(fires_at(schedule, shown) for shown in passed):
            yield moment
        latest = max(latest, wall)


def _walls_after(latest: datetime, wall: datetime) -> Iterator[datetime]:
    while latest < wall:
        latest += MINUTE
        yield latest
