"""Instants: how timestamps of records are read and how instants are written."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.instant import (
    DAY,
    EARLIEST,
    LATEST,
    MINUTE,
    SECOND,
    from_datetime,
    instant_text,
    parse_instant,
    read_timestamp,
    to_datetime,
)

#: 2026-01-31T12:34:56Z
NOON = 1_769_862_896_000_000
INSTANTS = st.integers(EARLIEST, LATEST)
MINUTES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-01-31T12:34:56.000Z", 0),
        ("2026-01-31T12:34:56Z", 0),
        ("2026-01-31t12:34:56z", 0),
        ("2026-01-31 12:34:56Z", 0),
        ("2026-01-31T12:34:56 Z", 0),
        ("2026-01-31T12:34:56.789Z", 789_000),
        ("2026-01-31T12:34:56,789Z", 789_000),
        ("2026-01-31T12:34:56.7Z", 700_000),
        ("2026-01-31T12:34:56.000001Z", 1),
        # digits beyond the microsecond are cut off
        ("2026-01-31T12:34:56.0000019Z", 1),
        ("2026-01-31T12:34:56.999999999Z", 999_999),
        # no zone is UTC
        ("2026-01-31T12:34:56", 0),
        ("2026-01-31 12:34:56.5", 500_000),
        # offsets
        ("2026-01-31T13:34:56+01:00", 0),
        ("2026-01-31T13:34:56+0100", 0),
        ("2026-01-31T13:34:56+01", 0),
        ("2026-01-31T13:34:56 +01:00", 0),
        ("2026-01-31T04:34:56-08:00", 0),
        ("2026-01-31T18:19:56+05:45", 0),
        ("2026-01-31T09:04:56-03:30", 0),
        ("2026-02-01T12:33:56+23:59", 0),
        ("2026-01-31T12:34:56-00:00", 0),
        ("2026-01-31T12:34Z", -56_000_000),
        ("2026-01-31T12:34", -56_000_000),
    ],
)
def test_iso_texts(text, microseconds):
    assert read_timestamp(text) == parse_instant(text) == NOON + microseconds


def test_a_date_alone_is_its_midnight_in_utc():
    assert read_timestamp("2026-01-31") == from_datetime(datetime(2026, 1, 31, tzinfo=UTC))


def test_a_leap_second_is_the_last_microsecond_of_its_minute():
    expected = from_datetime(datetime(2017, 1, 1, tzinfo=UTC)) - 1

    assert read_timestamp("2016-12-31T23:59:60Z") == expected
    assert read_timestamp("2016-12-31T23:59:60.250Z") == expected
    assert read_timestamp("2017-01-01T00:59:60+01:00") == expected


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (1_769_862_896_000, NOON),
        ("1769862896000", NOON),
        (Decimal("1769862896000"), NOON),
        (Decimal("1.769862896E+12"), NOON),
        ("1769862896000.0", NOON),
        (Decimal("1769862896000.5"), NOON + 500),
        ("1769862896000.001", NOON + 1),
        # digits beyond the microsecond are cut off, however many there are
        ("1769862896000.0019", NOON + 1),
        ("1769862896000.000" + "9" * 60, NOON),
        (0, 0),
        ("0", 0),
        ("-0", 0),
        ("0e99", 0),
        ("0e-999999999", 0),
        ("1e-999999999", 0),
        (-1, -1000),
        ("-1000", -1_000_000),
        ("-0.5", -500),
        (253_402_300_799_999, LATEST - 999),
        (-62_135_596_800_000, EARLIEST),
    ],
)
def test_unix_milliseconds(value, instant):
    assert read_timestamp(value) == instant


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "",
        " ",
        "now",
        [NOON],
        {},
        1.5,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        # dates and times that do not exist
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2025-02-29",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:34:61Z",
        # years that the calendar does not have
        "0000-01-01",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01",
        "-0001-01-01",
        "+2026-01-31",
        # offsets that no clock has
        "2026-01-31T12:34:56+24:00",
        "2026-01-31T12:34:56+99:99",
        "2026-01-31T12:34:56+01:60",
        "2026-01-31T12:34:56+1",
        "2026-01-31T12:34:56Europe/Berlin",
        "2026-01-31T12:34:56-",
        # spaces and other shapes
        " 2026-01-31T12:34:56Z",
        "2026-01-31T12:34:56Z ",
        "2026-01-31T12:34:56\nZ",
        "2026-01-31  12:34:56Z",
        "2026-01-31T",
        "2026-01-31T12",
        "2026-01-31T12:34:56.Z",
        "2026-01-31T12:34.5Z",
        "2026-1-31",
        "2026-01-31Z",
        "20260131T123456Z",
        "2026/01/31",
        "31-01-2026",
        "٢٠٢٦-01-31",
        "２０２６-01-31",
        # milliseconds out of range
        253_402_300_800_000,
        -62_135_596_800_001,
        "1e15",
        "1e16",
        "1e999999999",
        "-1e999999999",
        "9" * 5000,
        " 1769862896000",
        "1_769_862_896_000",
    ],
)
def test_what_is_no_timestamp(value):
    assert read_timestamp(value) is None


@pytest.mark.parametrize("value", [10**5000, -(10**5000)], ids=["plus", "minus"])
def test_a_huge_int_is_no_timestamp(value):
    assert read_timestamp(value) is None


def test_digits_are_milliseconds_even_where_they_look_like_a_date():
    assert read_timestamp("20260131") == 20_260_131_000


def test_a_person_may_not_give_milliseconds():
    assert parse_instant("1769862896000") is None
    assert parse_instant("2026-13-01") is None


def test_milliseconds_do_not_depend_on_the_callers_decimal_context():
    with localcontext() as context:
        context.prec = 3
        assert read_timestamp("1769862896000.001") == NOON + 1


@given(INSTANTS, MINUTES, st.sampled_from("T "), st.booleans())
def test_an_instant_reads_back_from_its_iso_text_in_any_offset(instant, minutes, joint, colon):
    moment = to_datetime(instant)
    try:
        text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat(joint)
    except OverflowError:
        return
    if not colon:
        text = text[:-3] + text[-2:]

    assert read_timestamp(text) == instant


@given(INSTANTS)
def test_an_instant_reads_back_from_its_milliseconds(instant):
    assert read_timestamp(Decimal(instant).scaleb(-3)) == instant


@given(INSTANTS)
def test_an_instant_is_a_datetime_and_back(instant):
    assert from_datetime(to_datetime(instant)) == instant


@given(INSTANTS)
def test_a_written_instant_has_24_characters_and_loses_less_than_a_millisecond(instant):
    text = instant_text(instant)

    assert len(text) == 24
    assert parse_instant(text) == instant - instant % 1000


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-1000, "1969-12-31T23:59:59.999Z"),
        (-1001, "1969-12-31T23:59:59.998Z"),
        (NOON + 999_999, "2026-01-31T12:34:56.999Z"),
        (EARLIEST, "0001-01-01T00:00:00.000Z"),
        (LATEST, "9999-12-31T23:59:59.999Z"),
        (parse_instant("0999-06-15T01:02:03"), "0999-06-15T01:02:03.000Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_milliseconds(instant, text):
    assert instant_text(instant) == text


@pytest.mark.parametrize("instant", [EARLIEST - 1, LATEST + 1])
def test_outside_the_calendar_nothing_can_be_written(instant):
    with pytest.raises(OverflowError):
        instant_text(instant)


def test_instants_count_microseconds():
    assert to_datetime(SECOND + MINUTE + DAY) == datetime(1970, 1, 2, 0, 1, 1, tzinfo=UTC)


def test_a_datetime_without_a_zone_is_utc():
    assert from_datetime(datetime(2026, 1, 31, 12, 34, 56)) == NOON


def test_a_datetime_with_a_zone_is_converted():
    berlin = timezone(timedelta(hours=1))

    assert from_datetime(datetime(2026, 1, 31, 13, 34, 56, tzinfo=berlin)) == NOON
