"""Billing periods: months, weeks, days or years from an anchor on, in the time of a zone.

Each boundary is counted from the anchor, never from the one before: what starts on 31 January goes
on on 28 February and on 31 March. Reset schedules of meters are another thing: see ``schedule``.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import Instant
from meterhouse.core.timezone import first_instant, local_time, zone


class Interval(Enum):
    """What a billing period is a number of."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_DAYS = {Interval.DAY: 1, Interval.WEEK: 7}
_MONTHS = {Interval.MONTH: 1, Interval.YEAR: 12}


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """Periods of ``count`` intervals; one starts when the clocks of the zone show ``anchor``.

    ``day`` is the day of the month on which periods of months start, the last one of shorter
    months; ``None``: that of the anchor. Where clocks are changed, a boundary that they skip is
    the first instant after it, one that they show twice is the first.

    >>> from meterhouse.core.instant import instant_text
    >>> monthly = BillingCalendar(datetime(2026, 1, 31))
    >>> [instant_text(monthly.boundary(number))[:10] for number in range(3)]
    ['2026-01-31', '2026-02-28', '2026-03-31']
    """

    anchor: datetime
    interval: Interval = Interval.MONTH
    count: int = 1
    timezone: str = "Etc/UTC"
    day: int | None = None

    def boundary(self, number: int) -> Instant:
        """Return the start of the period of that number; the anchor's is 0."""
        return first_instant(self._wall(number), zone(self.timezone))

    def containing(self, at: Instant) -> BillingPeriod:
        """Return the period that an instant is in."""
        return self._period(self._number(at))

    def following(self, period: BillingPeriod) -> BillingPeriod:
        """Return the period after one."""
        return self.containing(period.end)

    def previous(self, period: BillingPeriod) -> BillingPeriod:
        """Return the period before one."""
        return self._period(self._number(period.start) - 1)

    def next_after(self, at: Instant) -> Instant:
        """Return the first boundary after an instant."""
        return self.boundary(self._number(at) + 1)

    def last_before(self, at: Instant) -> Instant:
        """Return the last boundary before an instant."""
        return self.boundary(self._number(at - 1))

    def count_between(self, start: Instant, end: Instant) -> int:
        """Return how many boundaries there are after ``start`` until ``end``, which counts."""
        return self._number(end) - self._number(start)

    def in_arrears(
        self, at: Instant, *, service_start: Instant | None = None
    ) -> BillingPeriod | None:
        """Return the last period that has ended at an instant, from when the service started.

        ``None``: it started later.
        """
        return since(self.previous(self.containing(at)), service_start)

    def in_advance(
        self, at: Instant, *, service_start: Instant | None = None
    ) -> BillingPeriod | None:
        """Return the period that an instant is in, from when the service starts."""
        return since(self.containing(at), service_start)

    def _period(self, number: int) -> BillingPeriod:
        return BillingPeriod(self.boundary(number), self.boundary(number + 1), self.timezone)

    def _wall(self, number: int) -> datetime:
        steps = number * self.count
        if self.interval in _DAYS:
            return self.anchor + timedelta(days=steps * _DAYS[self.interval])
        months = self.anchor.year * 12 + self.anchor.month - 1 + steps * _MONTHS[self.interval]
        year, month = months // 12, months % 12 + 1
        last = calendar.monthrange(year, month)[1]
        return self.anchor.replace(
            year=year, month=month, day=min(self.day or self.anchor.day, last)
        )

    def _number(self, at: Instant) -> int:
        wall = local_time(at, zone(self.timezone)).replace(tzinfo=None)
        if self.interval in _DAYS:
            passed = (wall - self.anchor).days // _DAYS[self.interval]
        else:
            months = (wall.year - self.anchor.year) * 12 + wall.month - self.anchor.month
            passed = months // _MONTHS[self.interval]
        # Within a month, and where clocks were changed, the guess may be off.
        number = passed // self.count
        while self.boundary(number) > at:
            number -= 1
        while self.boundary(number + 1) <= at:
            number += 1
        return number


def since(period: BillingPeriod, start: Instant | None) -> BillingPeriod | None:
    """Return what of a period is at or after an instant; ``None``: nothing."""
    if start is None or start <= period.start:
        return period
    return replace(period, start=start) if start < period.end else None
