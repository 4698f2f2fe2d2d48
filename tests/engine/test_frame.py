"""What the types of Parquet and Avro become."""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.instant import read_timestamp
from meterhouse.engine.column import ColumnKind
from meterhouse.engine.frame import columns_of, field_column, json_value

UTC = dt.UTC


def values(series: pl.Series) -> list[object]:
    return field_column(series).to_values()


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64]
)
def test_integers_are_numbers(dtype):
    column = field_column(pl.Series([1, None, 100], dtype=dtype))

    assert column.kind is ColumnKind.NUMBER
    assert column.values.dtype == pl.Int64
    assert column.to_values() == [1, None, 100]


def test_integers_beyond_64_bits_are_decimals():
    assert values(pl.Series([2**64 - 1, 0], dtype=pl.UInt64)) == [Decimal(2**64 - 1), Decimal(0)]


def test_integers_beyond_20_digits_are_kept_as_json():
    column = field_column(pl.Series([2**100, -5], dtype=pl.Int128))

    assert column.kind is ColumnKind.JSON
    assert column.to_values() == [2**100, -5]


@pytest.mark.parametrize("scale", [0, 2, 18, 21, 38])
def test_decimals_keep_every_digit(scale):
    numbers = [Decimal(1).scaleb(-scale), Decimal(-12345).scaleb(-scale), None]

    assert values(pl.Series(numbers, dtype=pl.Decimal(38, scale))) == numbers


def test_decimals_beyond_20_integer_digits_are_kept_as_json():
    column = field_column(pl.Series([Decimal("123456789012345678901.5")], dtype=pl.Decimal(38, 1)))

    assert column.kind is ColumnKind.JSON
    assert column.to_values() == [Decimal("123456789012345678901.5")]


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_their_shortest_decimals(number):
    assert values(pl.Series([number])) == [Decimal(repr(number))]


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_short_floats_are_shortest_for_their_width(number):
    (value,) = values(pl.Series([number], dtype=pl.Float32))

    assert struct.unpack("f", struct.pack("f", float(value)))[0] == number
    assert len(Decimal(value).normalize().as_tuple().digits) <= 9


def test_floats_that_are_no_numbers_stay_visible():
    column = field_column(pl.Series([0.1, math.nan, math.inf, -math.inf, None]))

    assert column.kind is ColumnKind.JSON
    assert column.to_values() == [Decimal("0.1"), "NaN", "Infinity", "-Infinity", None]


def test_instants_are_utc_in_microseconds():
    moment = dt.datetime(2026, 3, 1, 12, 0, 0, 123456)
    naive = field_column(pl.Series([moment, None]))
    zoned = field_column(pl.Series([moment]).dt.replace_time_zone("Europe/Berlin"))
    coarse = field_column(pl.Series([moment], dtype=pl.Datetime("ms")))

    assert naive.kind is ColumnKind.TIMESTAMP
    assert naive.to_values() == ["2026-03-01T12:00:00.123456Z", None]
    assert zoned.to_values() == ["2026-03-01T11:00:00.123456Z"]
    assert coarse.to_values() == ["2026-03-01T12:00:00.123Z"]


def test_nanoseconds_are_cut_not_rounded():
    ticks = pl.Series([1_999, -1], dtype=pl.Int64).cast(pl.Datetime("ns"))

    texts = values(ticks)

    assert [read_timestamp(text) for text in texts] == [1, -1]


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_instants_outside_of_the_calendar_are_no_timestamps(unit):
    column = field_column(pl.Series([0, 2**62, None], dtype=pl.Int64).cast(pl.Datetime(unit)))

    assert column.to_values() == ["1970-01-01T00:00:00.000Z", str(2**62), None]


def test_dates_times_and_durations_are_iso_texts():
    frame = pl.DataFrame(
        {
            "date": [dt.date(2026, 1, 31)],
            "time": [dt.time(1, 2, 3, 450000)],
            "duration": [dt.timedelta(days=1, seconds=3)],
        }
    )

    columns = columns_of(frame)

    assert {name: column.to_values()[0] for name, column in columns.items()} == {
        "date": "2026-01-31",
        "time": "01:02:03.450",
        "duration": "P1DT3S",
    }


def test_categories_are_texts():
    assert values(pl.Series(["a", None], dtype=pl.Categorical)) == ["a", None]
    assert values(pl.Series(["a", None], dtype=pl.Enum(["a"]))) == ["a", None]


def test_bytes_are_text_where_they_are_utf_8():
    assert values(pl.Series([b"\xc3\xa9", b"\xff\x00", None])) == ["é", "/wA=", None]


def test_nested_values_are_json_with_exact_numbers():
    column = field_column(pl.Series([{"a": 0.1, "b": [dt.date(2026, 1, 1)]}, None]))

    assert column.kind is ColumnKind.JSON
    assert column.to_values() == [{"a": Decimal("0.1"), "b": ["2026-01-01"]}, None]


def test_absent_fields_have_no_column():
    assert list(columns_of(pl.DataFrame({"a": [None, None], "b": [None, 1]}))) == ["b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (math.nan, "NaN"),
        (
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            "2025-12-31T23:00:00.000Z",
        ),
        (dt.datetime(2026, 1, 1, microsecond=7), "2026-01-01T00:00:00.000007Z"),
        (dt.time(1, 2), "01:02:00"),
        (dt.timedelta(seconds=5), "PT5S"),
        ({1: 2}, {"1": 2}),
        (UTC, "UTC"),
    ],
)
def test_values_inside_of_nested_ones(value, expected):
    assert json_value(value) == expected
