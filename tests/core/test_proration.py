from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from meterhouse.core.billing_calendar import BillingCalendar
from meterhouse.core.instant import DAY, Instant, parse_instant
from meterhouse.core.proration import changed, credit_within, days_between, days_share, time_share


def instant(text: str) -> Instant:
    found = parse_instant(text)
    assert found is not None
    return found


def test_days_count_as_days_however_long_they_are() -> None:
    berlin = BillingCalendar(datetime(2026, 3, 1), timezone="Europe/Berlin")
    march = berlin.containing(instant("2026-03-15"))
    middle = instant("2026-03-29T22:00:00Z")  # midnight to the 30th, an hour after clocks went on
    assert days_share(march, march.start, middle) == Fraction(29, 31)
    assert days_share(march, middle, march.end) == Fraction(2, 31)
    assert time_share(march, middle, march.end) == Fraction(48, 31 * 24 - 1)


def test_what_lies_outside_the_period_is_no_share_of_it() -> None:
    march = BillingCalendar(datetime(2026, 3, 1)).containing(instant("2026-03-15"))
    assert days_share(march, march.end, march.end + DAY) == 0
    assert time_share(march, march.end, march.end + DAY) == 0
    assert days_share(march, march.start - DAY, march.end + DAY) == 1


def test_days_between_are_midnights_of_the_zone() -> None:
    assert days_between(instant("2026-07-01T21:59Z"), instant("2026-07-01T22:00Z"), "Europe/Berlin")
    assert not days_between(instant("2026-07-01T21:59Z"), instant("2026-07-01T22:00Z"), "Etc/UTC")


@pytest.mark.parametrize("seed", range(200))
def test_shares_of_parts_add_up(seed: int) -> None:
    random = Random(seed)
    zone = random.choice(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
    calendar = BillingCalendar(datetime(2020, 1, 31), timezone=zone)
    period = calendar.containing(instant("2020-01-01") + random.randrange(3000 * DAY))
    cut = random.randrange(period.start, period.end)
    for share in (days_share, time_share):
        assert share(period, period.start, cut) + share(period, cut, period.end) == 1


def test_a_change_gives_back_and_asks() -> None:
    change = changed(Decimal(100), Decimal(30), Fraction(17, 31), digits=2)
    assert (change.credit, change.charge, change.net) == (
        Decimal("54.84"),
        Decimal("16.45"),
        Decimal("-38.39"),
    )


def test_no_more_is_given_back_than_was_paid() -> None:
    paid = Decimal(200)
    assert credit_within(Decimal(50), paid=paid) == 50
    assert credit_within(Decimal(300), paid=paid, credited=Decimal(50)) == 150
    assert credit_within(Decimal(1), paid=paid, credited=Decimal(250)) == 0
