"""The periods of a reset schedule in a time zone: which one holds an instant, and its number.

Nothing but the calendar decides: the period of an instant is the same whenever it is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from meterhouse.core.instant import DAY, EARLIEST, MINUTE, SECOND, Instant
from meterhouse.core.meter_state import Period
from meterhouse.core.schedule import ResetSchedule

if TYPE_CHECKING:
    from meterhouse.core.meter import Meter

#: No zone is farther from UTC: local times from here on are on the calendar.
_FIRST = EARLIEST + 2 * DAY


class PeriodCalendar:
    """The scheduled instants of a schedule in a zone, found when they are asked for."""

    def __init__(self, schedule: ResetSchedule, timezone: str) -> None:
        self._schedule = schedule
        self._timezone = timezone
        #: every scheduled instant after ``_low`` up to the last one here
        self._known: list[Instant] = []
        self._low: Instant | None = None
        #: what the question before had for an answer
        self._around: tuple[Instant, Instant] = (0, 0)

    def around(self, instant: Instant) -> tuple[Instant, Instant]:
        """Return the last scheduled instant up to ``instant``, and the first one after it.

        >>> PeriodCalendar(ResetSchedule(day="*"), "Etc/UTC").around(DAY + 5) == (DAY, 2 * DAY)
        True
        """
        start, end = self._around
        if not start <= instant < end:
            start, end = self._last_until(instant), self._next(max(instant, _FIRST))
            self._around = start, end
        return start, end

    def count(self, after: Instant, until: Instant) -> int:
        """Count the scheduled instants after one instant, up to another."""
        self._cover(after, until)
        return bisect_right(self._known, until) - bisect_right(self._known, after)

    def _cover(self, low: Instant, high: Instant) -> None:
        if self._low is None:
            self._low, self._known = low, [self._next(low)]
        if low < self._low:
            earlier = [self._next(low)]
            while earlier[-1] < self._known[0]:
                earlier.append(self._next(earlier[-1]))
            self._known[:1] = earlier
            self._low = low
        while self._known[-1] <= high:
            self._known.append(self._next(self._known[-1]))

    def _next(self, instant: Instant) -> Instant:
        return self._schedule.next_after(instant, self._timezone)

    def _last_until(self, instant: Instant) -> Instant:
        span = MINUTE
        while True:
            low = max(instant - span, _FIRST)
            found = self._next(low)
            if found <= instant:
                break
            if low == _FIRST:
                return EARLIEST
            span *= 2
        while (following := self._next(found)) <= instant:
            found = following
        return found


@lru_cache(maxsize=1024)
def calendar_of(schedule: ResetSchedule, timezone: str) -> PeriodCalendar:
    """Return the calendar of a schedule in a zone; equal ones are one."""
    return PeriodCalendar(schedule, timezone)


def period_bounds(
    meter: Meter, scheduled: tuple[Instant, Instant], instant: Instant
) -> tuple[Instant, Instant]:
    """Return the meter's period around an instant, of which ``scheduled`` is the scheduled one.

    The creation of the meter is a bound too: its first period starts there.
    """
    start, end = scheduled
    if start < meter.created_at < end:
        return (start, meter.created_at) if instant < meter.created_at else (meter.created_at, end)
    return start, end


def numbered_period(meter: Meter, start: Instant, end: Instant) -> Period:
    """Return the period with its sequence number.

    From the meter's creation on, periods are counted from 0. Those before it have no first one to
    count from: theirs is the (negative) number of seconds from the creation to the start.
    """
    created = meter.created_at
    if start < created:
        return Period((start - created) // SECOND, start, end)
    calendar = calendar_of(meter.reset_schedule, meter.timezone)
    return Period(calendar.count(created, start), start, end)


def period_at(meter: Meter, instant: Instant) -> Period:
    """Return the meter's period that holds an instant."""
    scheduled = calendar_of(meter.reset_schedule, meter.timezone).around(instant)
    return numbered_period(meter, *period_bounds(meter, scheduled, instant))
