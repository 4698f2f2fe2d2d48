"""The next instant of a schedule, held against brute force."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.instant import EARLIEST, LATEST, SECOND, Instant, from_datetime, parse_instant
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.timezone import first_change, zone
from tests.core.cron_oracle import clock, fires_on, firings

WINDOW_MINUTES = 3 * 1440

#: Three days in which the clocks of a zone are changed.
WINDOWS = (
    ("Africa/Cairo", "2010-08-10"),
    ("Africa/Casablanca", "2024-03-09"),
    ("Africa/Casablanca", "2024-04-13"),
    ("America/Caracas", "2007-12-08"),
    ("America/Caracas", "2016-04-30"),
    ("America/Havana", "2025-03-08"),
    ("America/Havana", "2025-11-01"),
    ("America/New_York", "2025-03-08"),
    ("America/New_York", "2025-11-01"),
    ("America/Sao_Paulo", "2018-02-17"),
    ("America/Sao_Paulo", "2018-11-03"),
    ("America/Nuuk", "2023-03-25"),
    ("Antarctica/Casey", "2020-10-03"),
    ("Antarctica/Troll", "2025-03-29"),
    ("Antarctica/Troll", "2025-10-25"),
    ("Asia/Amman", "2021-03-25"),
    ("Asia/Beirut", "2024-03-30"),
    ("Asia/Beirut", "2024-10-26"),
    ("Asia/Dhaka", "2009-06-18"),
    ("Asia/Pyongyang", "2015-08-14"),
    ("Asia/Pyongyang", "2018-05-04"),
    ("Asia/Tehran", "2021-03-21"),
    ("Australia/Lord_Howe", "2025-04-04"),
    ("Australia/Lord_Howe", "2025-10-04"),
    ("Europe/Berlin", "2026-03-28"),
    ("Europe/Berlin", "2026-10-24"),
    ("Europe/Dublin", "2025-10-25"),
    ("Pacific/Apia", "2011-12-29"),
    ("Pacific/Chatham", "2025-09-26"),
    ("Pacific/Fakaofo", "2011-12-29"),
    ("Pacific/Kiritimati", "1994-12-30"),
    ("Pacific/Kwajalein", "1993-08-20"),
)
CALM = (("Etc/UTC", "2024-02-28"), ("Asia/Kathmandu", "2023-02-27"))


@cache
def minutes_of(timezone: str, day: str) -> list[tuple[datetime, datetime]]:
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return clock(zone(timezone), begin, WINDOW_MINUTES)


def walk(schedule: ResetSchedule, timezone: str, *, begin: Instant, end: Instant) -> list[Instant]:
    """The instants of a schedule in ``(begin, end)``, each found from the one before."""
    found: list[Instant] = []
    while True:
        begin = schedule.next_after(begin, timezone)
        if begin >= end:
            return found
        found.append(begin)


def field(low: int, high: int, *more: str, every: bool = True) -> st.SearchStrategy[str]:
    """The texts of one field: lists of numbers, ranges and steps, or ``*``."""
    number = st.integers(low, high)
    step = st.integers(1, high)
    span = st.tuples(number, number).map(sorted)
    parts = [
        number.map(str),
        span.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.builds(lambda ends, by: f"{ends[0]}-{ends[1]}/{by}", span, step),
        st.builds(lambda start, by: f"{start}/{by}", number, step),
        *(st.just(text) for text in more),
    ]
    if every:
        parts.append(step.map(lambda by: f"*/{by}"))
    lists = st.lists(st.one_of(parts), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), lists) if every else lists


DATES = {"month": field(1, 12), "weekday": field(0, 7), "day": field(1, 31, "L")}
FIXED = st.builds(
    ResetSchedule, minute=field(0, 59, every=False), hour=field(0, 23, every=False), **DATES
)
FINE = st.one_of(
    st.builds(ResetSchedule, minute=field(0, 59), hour=st.just("*"), **DATES),
    st.builds(ResetSchedule, minute=st.just("*/7"), hour=field(0, 23), **DATES),
    st.builds(ResetSchedule, minute=field(0, 59), hour=st.just("*/3,1"), **DATES),
)


def everyday(schedule: ResetSchedule) -> ResetSchedule:
    """The schedule's times on every day."""
    return ResetSchedule(minute=schedule.minute, hour=schedule.hour, day="*")


@pytest.mark.parametrize(("timezone", "day"), WINDOWS)
def test_the_clocks_are_changed_in_each_window(timezone, day):
    begin = parse_instant(day)
    end = begin + WINDOW_MINUTES * 60 * SECOND

    assert first_change(begin, end, zone(timezone)) is not None


@pytest.mark.parametrize("kind", ["fixed", "fine"])
@pytest.mark.parametrize("dates", ["every day", "some days"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_schedule_fires_when_the_clock_passes_what_it_names(kind, dates, data):
    schedule = data.draw(FIXED if kind == "fixed" else FINE)
    if schedule.problems():
        return
    if dates == "every day":
        schedule = everyday(schedule)
    timezone, day = data.draw(st.sampled_from(WINDOWS + CALM))
    minutes = minutes_of(timezone, day)
    begin, end = from_datetime(minutes[0][0]), from_datetime(minutes[-1][0])

    expected = [from_datetime(moment) for moment in firings(schedule, minutes[:-1])]

    assert walk(schedule, timezone, begin=begin, end=end) == expected


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_questions_in_any_order_get_the_answers_of_a_walk(data):
    schedule = everyday(data.draw(st.one_of(FIXED, FINE)))
    timezone, day = data.draw(st.sampled_from(WINDOWS))
    minutes = minutes_of(timezone, day)
    expected = [from_datetime(moment) for moment in firings(schedule, minutes)]
    span = st.integers(from_datetime(minutes[0][0]), (expected or [0])[-1] - 1)
    for instant in data.draw(st.lists(span, max_size=20) if expected else st.just([])):
        following = expected[bisect_right(expected, instant)]

        assert schedule.next_after(instant, timezone) == following


@settings(max_examples=100, deadline=None)
@given(
    st.builds(ResetSchedule, minute=st.just("17"), hour=st.just("5"), **DATES),
    st.sampled_from([2000, 2017, 2096]),
)
def test_a_schedule_fires_on_exactly_the_days_that_it_names(schedule, year):
    begin = date(year, 1, 1)
    days = [day for n in range(9 * 365 + 3) if fires_on(schedule, day := begin + timedelta(days=n))]
    expected = [
        from_datetime(datetime(day.year, day.month, day.day, 5, 17, tzinfo=UTC)) for day in days
    ]
    if schedule.problems():
        assert expected == []
        return

    start = from_datetime(datetime(year, 1, 1, tzinfo=UTC)) - 1
    actual = [start := schedule.next_after(start, "Etc/UTC") for _ in expected]

    assert expected != []
    assert actual == expected


def at(text: str) -> Instant:
    instant = parse_instant(text)
    assert instant is not None
    return instant


def cron(text: str) -> ResetSchedule:
    """A schedule from the five fields of a cron line."""
    return ResetSchedule(*text.split())


@pytest.mark.parametrize(
    ("line", "timezone", "after", "expected"),
    [
        # the documented examples: a monthly meter in Berlin, over winter and summer time
        ("0 0 1 * *", "Europe/Berlin", "2025-11-10T14:16:12.852", "2025-11-30T23:00"),
        ("0 0 1 * *", "Europe/Berlin", "2026-03-05", "2026-03-31T22:00"),
        ("0 0 1 * *", "Etc/UTC", "2026-01-10", "2026-02-01"),
        # strictly after
        ("0 0 1 * *", "Etc/UTC", "2026-02-01", "2026-03-01"),
        ("0 0 1 * *", "Etc/UTC", "2026-01-31T23:59:59.999999", "2026-02-01"),
        # the last day of the month, alone and in a list
        ("0 0 L * *", "Etc/UTC", "2024-02-01", "2024-02-29"),
        ("0 0 L * *", "Etc/UTC", "2025-02-01", "2025-02-28"),
        ("0 0 15,L * *", "Etc/UTC", "2025-02-15", "2025-02-28"),
        ("0 0 30,L * *", "Etc/UTC", "2025-02-01", "2025-02-28"),
        # short months are skipped
        ("0 0 31 * *", "Etc/UTC", "2026-01-31", "2026-03-31"),
        ("0 0 29 2 *", "Etc/UTC", "2096-03-01", "2104-02-29"),
        # the last year of the calendar
        ("0 0 1 * *", "Etc/UTC", "9999-01-15", "9999-02-01"),
        ("0 0 1 1 *", "Etc/UTC", "9998-01-15", "9999-01-01"),
        # day or weekday: 2026-06-05 is a Friday
        ("0 0 13 * 5", "Etc/UTC", "2026-06-01", "2026-06-05"),
        ("0 0 13 * 5", "Etc/UTC", "2026-06-12", "2026-06-13"),
        # Sunday is 0 and 7
        ("0 0 * * 0", "Etc/UTC", "2026-06-01", "2026-06-07"),
        ("0 0 * * 7", "Etc/UTC", "2026-06-01", "2026-06-07"),
        ("0 0 * * 5-7", "Etc/UTC", "2026-06-06", "2026-06-07"),
        # a time that does not exist: the first instant after the gap
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T03:00"),
        ("0 0 * * *", "Asia/Beirut", "2024-03-30T12:00", "2024-03-30T22:00"),
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00", "2025-10-04T15:30"),
        # several times in one gap fire once
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29T01:00", "2026-03-30T00:00"),
        # a time that exists twice: the first
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15", "2026-10-26T01:30"),
        ("45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00", "2025-04-05T14:45"),
        ("45 1 * * *", "Australia/Lord_Howe", "2025-04-05T14:45", "2025-04-06T15:15"),
        # a day that does not exist: its end, which is also the next day's beginning
        ("0 12 30 12 *", "Pacific/Apia", "2011-12-29", "2011-12-30T10:00"),
        ("0 0 * * *", "Pacific/Apia", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("0 0 21 8 *", "Pacific/Kwajalein", "1993-08-20", "1993-08-21T12:00"),
        # hourly and finer: elapsed instants, so a gap's times do not fire and a fold's fire twice
        ("30 * * * *", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:30"),
        ("30 */2 * * *", "Europe/Berlin", "2026-03-28T23:30", "2026-03-29T02:30"),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:30"),
        ("*/15 2 * * *", "Europe/Berlin", "2026-10-25T00:45", "2026-10-25T01:00"),
        ("*/20 * * * *", "Asia/Kathmandu", "2026-01-01T00:00", "2026-01-01T00:15"),
        # a change of half an hour inside an hour
        ("0 * * * *", "Australia/Lord_Howe", "2025-04-05T14:00", "2025-04-05T15:30"),
        ("*/30 1 * * *", "Australia/Lord_Howe", "2025-04-05T14:30", "2025-04-05T15:00"),
        # offsets with seconds, before standard time
        ("0 0 * * *", "Africa/Monrovia", "1971-06-01T12:00", "1971-06-02T00:44:30"),
        ("0 * * * *", "Africa/Monrovia", "1971-06-01T12:00", "1971-06-01T12:44:30"),
    ],
)
def test_next_instant(line, timezone, after, expected):
    assert cron(line).next_after(at(after), timezone) == at(expected)


def test_month_ends_do_not_drift():
    ends = walk(
        cron("0 0 L * *"), "Europe/Berlin", begin=at("2026-01-01"), end=at("2027-01-01T00:00")
    )

    local = [
        datetime.fromtimestamp(end // SECOND, UTC).astimezone(zone("Europe/Berlin")) for end in ends
    ]
    assert [moment.day for moment in local] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def test_day_29_falls_in_february_of_leap_years_only():
    ends = walk(cron("0 0 29 * *"), "Etc/UTC", begin=at("2027-01-01"), end=at("2029-01-01"))
    months = [datetime.fromtimestamp(end // SECOND, UTC).strftime("%Y-%m") for end in ends]

    assert "2027-02" not in months
    assert "2028-02" in months
    assert len(months) == 23


@pytest.mark.parametrize(
    ("line", "timezone", "after"),
    [
        ("0 0 1 1 *", "Etc/UTC", "9999-01-01"),
        ("0 * 1 1 *", "Etc/UTC", "9999-01-01T23:00"),
        # still 9999 in New York, but the year 10000 in UTC
        ("0 23 31 12 *", "America/New_York", "9999-12-01"),
        ("0 */23 31 12 *", "America/New_York", "9999-12-31T06:00"),
    ],
)
def test_after_the_last_instant_of_the_calendar_there_is_none(line, timezone, after):
    with pytest.raises(OverflowError):
        cron(line).next_after(at(after), timezone)


@pytest.mark.parametrize("instant", [LATEST, LATEST + 1, EARLIEST - SECOND])
@pytest.mark.parametrize("line", ["0 0 * * *", "* * * * *"])
def test_outside_the_calendar_there_is_no_next_instant(line, instant):
    with pytest.raises(OverflowError):
        cron(line).next_after(instant, "Etc/UTC")


def test_the_first_instant_of_the_calendar_has_a_next_one():
    assert cron("0 0 * * *").next_after(EARLIEST, "Etc/UTC") == at("0001-01-02")


def test_a_zone_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError, match="Europe/Atlantis"):
        ResetSchedule().next_after(0, "Europe/Atlantis")
