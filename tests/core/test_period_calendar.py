"""The periods of a calendar: they hold their instants, touch, and are counted as they follow."""

from __future__ import annotations

import uuid
from dataclasses import replace
from random import Random

import pytest

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import DAY, EARLIEST, MINUTE, Instant, parse_instant
from meterhouse.core.meter import Meter
from meterhouse.core.period_calendar import PeriodCalendar, period_at
from meterhouse.core.schedule import ResetSchedule

_SCHEDULES = (
    ResetSchedule(),
    ResetSchedule(day="*"),
    ResetSchedule(hour="*/3", day="*"),
    ResetSchedule(day="L", hour="12"),
    ResetSchedule(day="*", weekday="1,4", minute="30", hour="2"),
    ResetSchedule(day="29", month="2"),
)
_ZONES = ("Etc/UTC", "Europe/Berlin", "America/Los_Angeles", "Africa/Cairo", "Pacific/Apia")
_START = parse_instant("2026-03-20T07:00:00Z") or 0


def _meter(schedule: ResetSchedule, zone: str, created_at: Instant = _START) -> Meter:
    fixed = ("ann", "key", "type", "Type", "U", Aggregation.SUM, "call")
    return Meter(1, str(uuid.UUID(int=1)), *fixed, schedule, zone, created_at, grace_period=0)


@pytest.mark.parametrize("schedule", _SCHEDULES)
@pytest.mark.parametrize("zone", _ZONES)
def test_a_period_holds_its_instant_and_nothing_fires_inside(
    schedule: ResetSchedule, zone: str
) -> None:
    random = Random(f"{schedule}{zone}")
    calendar = PeriodCalendar(schedule, zone)
    for _ in range(40):
        instant = _START + random.randint(-9000 * DAY, 9000 * DAY)
        start, end = calendar.around(instant)
        assert start <= instant < end
        assert schedule.next_after(start, zone) == end
        assert schedule.next_after(start - 1, zone) == start
        assert calendar.around(start) == (start, end)
        assert calendar.around(end)[0] == end


@pytest.mark.parametrize("schedule", _SCHEDULES)
def test_periods_count_up_from_the_creation_whatever_is_asked_first(
    schedule: ResetSchedule,
) -> None:
    zone, random = "Europe/Berlin", Random(1)
    meter = _meter(schedule, zone)
    period = period_at(meter, meter.created_at)
    assert (period.sequence, period.start) == (0, meter.created_at)
    following = []
    for sequence in range(1, 60):
        period = period_at(meter, period.end)
        assert period.sequence == sequence
        following.append(period)
    random.shuffle(following)
    later = replace(meter, created_at=meter.created_at)
    assert [period_at(later, p.start) for p in following] == following


def test_the_creation_is_a_bound() -> None:
    meter = _meter(ResetSchedule(), "Etc/UTC")
    before, first = period_at(meter, _START - 1), period_at(meter, _START)
    assert before.end == first.start == _START
    assert before.start == parse_instant("2026-03-01T00:00:00Z")
    earlier = period_at(meter, before.start - 1)
    assert (earlier.end, earlier.sequence < before.sequence < 0) == (before.start, True)


def test_a_creation_at_a_reset_cuts_nothing() -> None:
    created_at = parse_instant("2026-04-01T00:00:00Z") or 0
    meter = _meter(ResetSchedule(), "Etc/UTC", created_at)
    assert period_at(meter, created_at).sequence == 0
    march = period_at(meter, created_at - 1)
    assert (march.start, march.end) == (parse_instant("2026-03-01T00:00:00Z"), created_at)


def test_the_first_instants_of_the_calendar_have_a_period() -> None:
    meter = _meter(ResetSchedule(), "America/Los_Angeles")
    start, end = PeriodCalendar(ResetSchedule(), "America/Los_Angeles").around(EARLIEST + MINUTE)
    assert (start, start < end) == (EARLIEST, True)
    assert period_at(meter, EARLIEST).sequence < 0
