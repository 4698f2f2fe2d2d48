"""Zones come from the tzdata package, and wall times lie where they should."""

import zoneinfo
from datetime import datetime, timedelta

import pytest

from meterhouse.core.instant import DAY, SECOND, parse_instant
from meterhouse.core.timezone import (
    first_change,
    first_instant,
    instant_at,
    local_time,
    offset_of,
    zone,
    zone_names,
)

BERLIN = "Europe/Berlin"


def test_the_operating_system_is_not_asked_for_zones(tmp_path):
    folder = tmp_path / "Europe"
    folder.mkdir()
    (folder / "Berlin").write_bytes(b"not a table")
    old = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(tmp_path)])
    zone.cache_clear()
    try:
        assert offset_of(0, zone(BERLIN)) == timedelta(hours=1)
    finally:
        zoneinfo.reset_tzpath(old)


@pytest.mark.parametrize("name", ["Etc/UTC", "UTC", BERLIN, "America/Argentina/San_Luis", "EST"])
def test_a_zone_is_known_by_its_name(name):
    assert zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "europe/berlin",
        "Europe",
        "Europe/",
        "../zones",
        "/etc/localtime",
        "localtime",
        "posixrules",
    ],
)
def test_what_is_no_zone_name_is_a_key_error(name):
    assert name not in zone_names()
    with pytest.raises(KeyError, match="no time zone is named"):
        zone(name)


def test_local_time_says_which_of_two_showings_it_is():
    first, second = parse_instant("2026-10-25T00:30"), parse_instant("2026-10-25T01:30")

    assert local_time(first, zone(BERLIN)).replace(tzinfo=None) == datetime(2026, 10, 25, 2, 30)
    assert (local_time(first, zone(BERLIN)).fold, local_time(second, zone(BERLIN)).fold) == (0, 1)


def test_an_instant_follows_from_a_wall_time_and_an_offset():
    assert instant_at(datetime(1970, 1, 1, 1), timedelta(hours=1)) == 0


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        ("2026-03-29T01:59:59.999999", "2026-03-29T00:59:59.999999"),
        ("2026-03-29T02:00", "2026-03-29T01:00"),
        ("2026-03-29T02:59:59.999999", "2026-03-29T01:00"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-10-25T02:00", "2026-10-25T00:00"),
        ("2026-10-25T02:59:59.999999", "2026-10-25T00:59:59.999999"),
        ("2026-10-25T03:00", "2026-10-25T02:00"),
    ],
)
def test_the_first_instant_of_a_wall_time(wall, expected):
    assert first_instant(datetime.fromisoformat(wall), zone(BERLIN)) == parse_instant(expected)


def test_the_change_of_the_clocks_is_found_from_far_before():
    change = parse_instant("2026-03-29T01:00")

    assert first_change(change - 100 * DAY, change + 100 * DAY, zone(BERLIN)) == change


def test_a_change_at_the_end_of_the_span_belongs_to_it():
    change = parse_instant("2026-03-29T01:00")

    assert first_change(change - SECOND, change, zone(BERLIN)) == change
    assert first_change(change - SECOND, change - 1, zone(BERLIN)) is None


def test_a_change_at_the_beginning_of_the_span_does_not_belong_to_it():
    change = parse_instant("2026-03-29T01:00")

    assert first_change(change, change + DAY, zone(BERLIN)) is None
    assert first_change(change - 1, change + DAY, zone(BERLIN)) == change
