"""Every zone, 2000 to 2040: periods end where a table of transitions says local midnight is."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest

from meterhouse.core.instant import SECOND, from_datetime, to_datetime
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.timezone import zone, zone_names
from tests.core.zone_tables import (
    AMENDMENTS,
    DAY,
    Table,
    first_shown,
    links,
    offset_at,
    published,
    seconds,
    tables,
    transitions,
)

BEGIN, END = seconds("2000-01-01"), seconds("2041-01-01")
MIDNIGHTS = range(BEGIN, END, DAY)
MONTHS = [seconds(f"{year}-{month:02}-01") for year in range(2000, 2041) for month in range(1, 13)]
# 2000-01-03 was a Monday.
MONDAYS = range(BEGIN + 2 * DAY, END, 7 * DAY)

MONTHLY = ResetSchedule()
DAILY = ResetSchedule(day="*")
WEEKLY = ResetSchedule(day="*", weekday="1")
HOURLY = ResetSchedule(hour="*", day="*")

#: Whole ranges in every run of the tests: each known oddity of 2000 to 2040 once.
SAMPLE = (
    "Africa/Cairo",  # summer time given up, and taken up again
    "Africa/Casablanca",  # summer time interrupted in Ramadan
    "America/Argentina/San_Luis",  # clocks changed by decree
    "America/Caracas",  # half an hour, there and back
    "America/New_York",
    "America/Sao_Paulo",  # midnights that do not exist
    "America/Scoresbysund",
    "Antarctica/Casey",
    "Antarctica/Troll",  # two hours
    "Asia/Beirut",  # midnights that do not exist
    "Asia/Dhaka",
    "Asia/Gaza",
    "Asia/Kathmandu",  # a quarter of an hour off
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",  # half an hour, twice a year
    "Europe/Berlin",
    "Europe/Chisinau",
    "Europe/Dublin",  # negative winter time
    "Pacific/Apia",  # a day that does not exist
    "Pacific/Chatham",
)


def periods(schedule: ResetSchedule, timezone: str, *, start: int, count: int) -> list[int]:
    """The ends of ``count`` periods in a row, in seconds, from just before ``start``."""
    ends = []
    end = start * SECOND - 1
    for _ in range(count):
        end = schedule.next_after(end, timezone)
        ends.append(end // SECOND)
        assert end % SECOND == 0
    return ends


def differing(
    names: Iterable[str], schedule: ResetSchedule, walls: Sequence[int]
) -> dict[str, tuple[object, ...]]:
    """The zones whose periods differ from the table, each with its first difference."""
    faults: dict[str, tuple[object, ...]] = {}
    for name in names:
        expected = sorted(set(first_shown(tables()[links().get(name, name)], walls)))
        actual = periods(schedule, name, start=expected[0], count=len(expected))
        if actual != expected:
            faults[name] = next(p for p in zip(expected, actual, strict=True) if p[0] != p[1])
    return faults


def around(instants: Iterable[int], *, days: int) -> list[list[int]]:
    """Local midnights around instants, in groups: a few days before and after each."""
    return [
        [instant // DAY * DAY + step * DAY for step in range(-days, days + 1)]
        for instant in instants
    ]


def test_the_zones_are_those_of_the_table_and_the_placeholder_factory():
    assert {*tables(), *links(), "Factory"} == zone_names()


def test_time_zones_agree_with_the_table_and_its_amendments():
    # Where this fails, tzdata knows of a change that the list of amendments does not have yet.
    faults: dict[str, object] = {}
    for name in [*tables(), *links()]:
        table = tables()[links().get(name, name)]
        changes = transitions(table, BEGIN, END)
        probes = {
            BEGIN,
            *changes,
            *(change - 1 for change in changes),
            *range(BEGIN, END, 30 * DAY),
        }
        wrong = [
            probe
            for probe in sorted(probes)
            if to_datetime(probe * SECOND).astimezone(zone(name)).utcoffset().total_seconds()
            != offset_at(table, probe)
        ]
        if wrong:
            faults[name] = to_datetime(wrong[0] * SECOND)

    assert faults == {}


@pytest.mark.parametrize("amendment", AMENDMENTS, ids=lambda a: f"{a.version}-{a.zones[0]}")
def test_each_amendment_of_the_table_is_needed(amendment):
    if not amendment.in_force:
        pytest.skip(f"the installed time zones are older than {amendment.version}")
    begin = seconds(amendment.begin)
    moment = to_datetime(begin * SECOND)
    for name in amendment.zones:
        offset = moment.astimezone(zone(name)).utcoffset().total_seconds()

        assert offset != offset_at(published()[name], begin), name


def test_monthly_periods_of_every_zone_and_name_end_at_local_midnight():
    assert differing([*tables(), *links()], MONTHLY, MONTHS) == {}


def test_daily_periods_of_every_zone_end_at_local_midnight_around_every_transition():
    faults = []
    for name, table in tables().items():
        for walls in around(transitions(table, BEGIN, END), days=2):
            expected = sorted(set(first_shown(table, walls)))
            actual = periods(DAILY, name, start=expected[0], count=len(expected))
            if actual != expected:
                faults.append((name, expected, actual))

    assert faults == []


def test_daily_periods_of_the_odd_zones_end_at_local_midnight_on_every_day():
    assert differing(SAMPLE, DAILY, MIDNIGHTS) == {}


def test_weekly_periods_of_the_odd_zones_end_at_local_midnight_in_every_week():
    assert differing(SAMPLE, WEEKLY, MONDAYS) == {}


def hours(table: Table, begin: int, end: int) -> list[int]:
    """Every instant in ``[begin, end)`` at which local clocks show a full hour."""
    return [
        instant
        for instant in range(begin // 900 * 900, end, 900)
        if instant >= begin and (instant + offset_at(table, instant)) % 3600 == 0
    ]


def test_hourly_periods_end_at_every_full_local_hour_around_each_kind_of_transition():
    kinds: dict[tuple[int, int, int], tuple[str, int]] = {}
    for name, table in tables().items():
        for before, after in pairwise(table):
            if BEGIN < before.end < END:
                kind = (before.offset, after.offset, before.end % DAY)
                kinds.setdefault(kind, (name, before.end))
    faults = []
    for name, change in kinds.values():
        expected = hours(tables()[name], change - DAY, change + DAY)
        actual = periods(HOURLY, name, start=expected[0], count=len(expected))
        if actual != expected:
            faults.append((name, change))

    assert len(kinds) > 100
    assert faults == []


def day_lengths(name: str) -> dict[int, int]:
    """How many seconds each day of a zone has, where it is not 24 hours."""
    ends = periods(DAILY, name, start=BEGIN, count=len(MIDNIGHTS) - 2)
    return {end: end - start for start, end in pairwise(ends) if end - start != DAY}


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("Etc/UTC", set()),
        ("Europe/Berlin", {23, 25}),
        ("Australia/Lord_Howe", {23.5, 24.5}),
        ("Antarctica/Troll", {22, 26}),
        ("America/Caracas", {24.5, 23.5}),
        # The 30th of December 2011 was left out: two daily periods became one.
        ("Pacific/Apia", {23, 25}),
        ("Asia/Kathmandu", set()),
    ],
)
def test_a_day_is_as_long_as_the_clocks_of_its_zone_make_it(name, hours):
    assert {length / 3600 for length in day_lengths(name).values()} == hours


@pytest.mark.nightly
def test_daily_periods_of_every_zone_end_at_local_midnight_on_every_day():
    assert differing(tables(), DAILY, MIDNIGHTS) == {}


@pytest.mark.nightly
def test_weekly_periods_of_every_zone_end_at_local_midnight_in_every_week():
    assert differing(tables(), WEEKLY, MONDAYS) == {}


@pytest.mark.nightly
@pytest.mark.parametrize("hour", [1, 2, 3, 23])
def test_daily_periods_of_every_zone_end_at_other_hours_too(hour):
    schedule = ResetSchedule(hour=str(hour), day="*")

    assert differing(tables(), schedule, [wall + hour * 3600 for wall in MIDNIGHTS]) == {}


@pytest.mark.parametrize("name", ["Pacific/Apia", "Pacific/Fakaofo"])
def test_the_day_that_samoa_left_out_belongs_to_the_period_of_the_day_before(name):
    start = seconds("2011-12-29T12:00")
    ends = periods(DAILY, name, start=start, count=2)

    assert len({to_datetime(end * SECOND).astimezone(zone(name)).date().day for end in ends}) == 2
    assert [to_datetime(end * SECOND).astimezone(zone(name)).date().day for end in ends] == [31, 1]


def test_a_day_off_by_one_microsecond_belongs_to_the_next_period():
    midnight = from_datetime(to_datetime(BEGIN * SECOND))

    assert DAILY.next_after(midnight - 1, "Etc/UTC") == midnight
    assert DAILY.next_after(midnight, "Etc/UTC") == midnight + DAY * SECOND
