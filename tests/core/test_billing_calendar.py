from __future__ import annotations

from datetime import datetime
from random import Random

import pytest

from meterhouse.core.billing_calendar import BillingCalendar, Interval
from meterhouse.core.instant import DAY, Instant, instant_text, parse_instant
from meterhouse.core.timezone import local_time, zone


def instant(text: str) -> Instant:
    found = parse_instant(text)
    assert found is not None
    return found


def test_month_end_anchor() -> None:
    calendar = BillingCalendar(datetime(2026, 1, 31))
    period = calendar.containing(instant("2026-01-31"))
    starts = []
    for _ in range(4):
        starts.append(instant_text(period.start)[:10])
        period = calendar.following(period)
    assert starts == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]


def test_a_leap_day_comes_back() -> None:
    yearly = BillingCalendar(datetime(2024, 2, 29), Interval.YEAR)
    starts = [instant_text(yearly.boundary(number))[:10] for number in range(5)]
    assert starts == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_the_day_may_be_one_that_the_first_month_does_not_have() -> None:
    monthly = BillingCalendar(datetime(2026, 2, 1), day=31)
    starts = [instant_text(monthly.boundary(number))[:10] for number in range(3)]
    assert starts == ["2026-02-28", "2026-03-31", "2026-04-30"]


def test_what_has_ended_is_billed_in_arrears_what_begins_in_advance() -> None:
    monthly = BillingCalendar(datetime(2026, 1, 1))
    first, second = instant("2026-02-01"), instant("2026-03-01")
    arrears, advance = monthly.in_arrears(second), monthly.in_advance(second)
    assert arrears is not None and advance is not None
    assert (arrears.start, arrears.end, advance.start) == (first, second, second)
    started = instant("2026-02-10")
    cut = monthly.in_arrears(second, service_start=started)
    assert cut is not None and (cut.start, cut.end) == (started, second)
    assert monthly.in_arrears(second, service_start=second) is None


def test_a_start_that_clocks_skip_is_the_first_instant_after_it() -> None:
    daily = BillingCalendar(datetime(2026, 3, 28, 2, 30), Interval.DAY, timezone="Europe/Berlin")
    assert instant_text(daily.boundary(1)) == "2026-03-29T01:00:00.000Z"
    assert instant_text(daily.boundary(2)) == "2026-03-30T00:30:00.000Z"


_ZONES = ("Etc/UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe")


@pytest.mark.parametrize("seed", range(400))
def test_periods_follow_each_other(seed: int) -> None:
    random = Random(seed)
    anchor = datetime(
        random.randrange(1995, 2035),
        random.randrange(1, 13),
        random.choice([1, 15, 28]),
        random.choice([0, 0, 2, 23]),
        random.choice([0, 30]),
    )
    calendar = BillingCalendar(
        anchor,
        random.choice(list(Interval)),
        random.choice([1, 1, 2, 3, 5]),
        random.choice(_ZONES),
        day=random.choice([None, 29, 30, 31]),
    )
    at = instant("2011-12-20") + random.randrange(-3000 * DAY, 5000 * DAY)
    period = calendar.containing(at)
    assert period.start <= at < period.end
    assert calendar.containing(period.start) == calendar.containing(period.end - 1) == period
    following, previous = calendar.following(period), calendar.previous(period)
    assert following.start == period.end == calendar.next_after(at)
    assert previous.end == period.start
    assert calendar.last_before(period.start) == previous.start
    assert calendar.next_after(period.start - 1) == period.start
    assert calendar.count_between(previous.start, following.end) == 3
    if calendar.interval in (Interval.MONTH, Interval.YEAR):
        wall = local_time(following.start, zone(calendar.timezone))
        tomorrow = local_time(following.start + DAY + DAY // 8, zone(calendar.timezone))
        asked = calendar.day or anchor.day
        # The day that was asked for, or the last of a shorter month, or after a skipped time.
        assert wall.day == asked or tomorrow.month != wall.month or wall.hour != anchor.hour
