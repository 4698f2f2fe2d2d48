"""Billing periods: a month, or from one day to another, in the time zone of the price book."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import MINUTE, Instant
from meterhouse.core.invoice import Invoice
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.timezone import first_instant, local_time, zone

#: The metadata that names the first day of a period which begins some hours before it.
FIRST_DAY = "firstDay"
#: No clock on earth is further from UTC.
_ZONES = 14 * 60 * MINUTE
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Days:
    """``[first, end)`` on the calendar, in no zone yet."""

    first: date
    end: date

    def in_zone(self, timezone: str) -> BillingPeriod:
        """Return the period as the clocks of a zone have it."""
        there = zone(timezone)
        start, end = (
            first_instant(datetime(day.year, day.month, day.day), there)
            for day in (self.first, self.end)
        )
        return BillingPeriod(start, end, timezone)

    def around(self) -> tuple[Instant, Instant]:
        """Return instants that enclose the days in any zone, and no month beside them."""
        there = self.in_zone("Etc/UTC")
        return there.start - _ZONES, there.end + _ZONES


def read_days(month: str | None, *, first: str | None = None, end: str | None = None) -> Days:
    """Return the days of a month (``2026-10``), or those from a first day to before another.

    Raises ``DefinitionError``.

    >>> read_days("2026-12")
    Days(first=datetime.date(2026, 12, 1), end=datetime.date(2027, 1, 1))
    """
    if month is not None and first is None and end is None:
        return _month(month)
    if month is None and first is not None and end is not None:
        days = Days(_day(first, "from"), _day(end, "to"))
        if days.first < days.end:
            return days
        raise _refused("to", f"is {end}, not after {first}", "give the day after the last one")
    hint = "give a month, such as 2026-10, or both from and to"
    raise _refused("period", "is missing, or given twice", hint)


def _month(text: str) -> Days:
    match = _MONTH.fullmatch(text)
    if match is None or not (1 <= int(match[2]) <= 12 and 1 <= int(match[1]) < 9999):
        raise _refused("period", f"is {text!r}, not a month", "write it such as 2026-10")
    first = date(int(match[1]), int(match[2]), 1)
    return Days(first, (first + timedelta(days=31)).replace(day=1))


def _day(text: str, place: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"is {text!r}, not a day"
        raise _refused(place, message, "write it such as 2026-10-01") from None


def _refused(place: str, message: str, hint: str) -> DefinitionError:
    return DefinitionError([Problem(place, message, hint)], what="The billing period")


def day_of(instant: Instant, timezone: str) -> date:
    """Return the day that the calendar of a zone shows at an instant."""
    return local_time(instant, zone(timezone)).date()


def days_of(period: BillingPeriod) -> Days:
    """Return the days of a period in its zone."""
    return Days(day_of(period.start, period.timezone), day_of(period.end, period.timezone))


def first_day_said(period: BillingPeriod, first: date) -> dict[str, str]:
    """Return what an invoice says of its first day: nothing where its period does."""
    return {} if days_of(period).first == first else {FIRST_DAY: str(first)}


def days_billed(invoice: Invoice) -> Days:
    """Return the days of an invoice, as they were drafted."""
    days, said = days_of(invoice.period), invoice.metadata.get(FIRST_DAY)
    return days if said is None else Days(date.fromisoformat(said), days.end)
