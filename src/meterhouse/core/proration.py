"""Shares of amounts: what so many days of a period cost, and what a change within it gives back.

Shares are exact fractions; an amount is rounded once, when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from meterhouse.core.billing_calendar import BillingCalendar
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import Instant
from meterhouse.core.money import Rounding, rounded_ratio
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.core.timezone import local_time, zone


def prorated(
    amount: Decimal,
    share: tuple[int, int] | Fraction,
    *,
    digits: int,
    mode: Rounding = Rounding.HALF_UP,
) -> Decimal:
    """Return the share of an amount that so many of so many days have.

    >>> prorated(Decimal(1000), (17, 30), digits=2)
    Decimal('566.67')
    """
    part, whole = share.as_integer_ratio() if isinstance(share, Fraction) else share
    return rounded_ratio(EXACT.multiply(amount, Decimal(part)), Decimal(whole), digits, mode)


def days_between(start: Instant, end: Instant, timezone: str) -> int:
    """Return how many midnights of a zone lie between two instants: days, however long they are."""
    there = zone(timezone)
    return (local_time(end, there).date() - local_time(start, there).date()).days


def days_share(period: BillingPeriod, start: Instant, end: Instant) -> Fraction:
    """Return the share of a period's days, in its zone, that are in ``[start, end)``.

    The day of ``start`` counts, the day of ``end`` does not.
    """
    start, end = max(start, period.start), min(end, period.end)
    if end <= start:
        return Fraction(0)
    days = days_between(period.start, period.end, period.timezone)
    return Fraction(days_between(start, end, period.timezone), days)


def time_share(period: BillingPeriod, start: Instant, end: Instant) -> Fraction:
    """Return the share of a period's time that is in ``[start, end)``, to the microsecond."""
    start, end = max(start, period.start), min(end, period.end)
    return Fraction(max(end - start, 0), period.end - period.start)


def cycles_due(
    calendar: BillingCalendar, start: Instant, end: Instant | None, *, until: Instant
) -> Fraction:
    """Return how many periods of a service are due in advance, at an instant.

    The service is from ``start`` to before ``end``; of a period that it is only in for some days,
    that share is due.
    """
    due = Fraction(0)
    period = calendar.containing(start)
    while max(period.start, start) <= until and (end is None or period.start < end):
        due += days_share(period, start, period.end if end is None else end)
        period = calendar.following(period)
    return due


@dataclass(frozen=True, slots=True)
class Change:
    """What a change within a period gives back of the old price, and asks of the new one."""

    credit: Decimal
    charge: Decimal

    @property
    def net(self) -> Decimal:
        """What is to be paid; below 0: what is to be given back."""
        return EXACT.subtract(self.charge, self.credit)


def changed(
    old: Decimal,
    new: Decimal,
    share: Fraction,
    *,
    digits: int,
    mode: Rounding = Rounding.HALF_UP,
) -> Change:
    """Return what a change costs where ``share`` of the period is left; both parts are rounded.

    >>> changed(Decimal(10), Decimal(20), Fraction(17, 31), digits=2)
    Change(credit=Decimal('5.48'), charge=Decimal('10.97'))
    """
    credit, charge = (prorated(one, share, digits=digits, mode=mode) for one in (old, new))
    return Change(credit, charge)


def credit_within(wanted: Decimal, *, paid: Decimal, credited: Decimal = ZERO) -> Decimal:
    """Return what of a credit can be given: never more than was paid and not given back yet.

    >>> credit_within(Decimal(300), paid=Decimal(200), credited=Decimal(50))
    Decimal('150')
    """
    return max(min(wanted, EXACT.subtract(paid, credited)), ZERO)
