"""Columns: their kinds, their parts, and what becomes of them together."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.engine.column import (
    Coded,
    Column,
    ColumnKind,
    absent_column,
    coded,
    concat_columns,
)
from meterhouse.engine.frame import columns_of
from meterhouse.engine.numerals import number_column
from meterhouse.streams.target import overlaid

_COLUMNS = {
    "texts": Column.from_values(["a", None, 'b"']),
    "numbers": Column.from_values([1, None, Decimal("2.50")]),
    "whole": Column.from_values([1, None, -3]),
    "truths": Column.from_values([True, None, False]),
    "mixed": Column.from_values([1, None, {"a": [Decimal("1.5")]}]),
    "instants": Column(
        ColumnKind.TIMESTAMP,
        pl.Series([datetime(2026, 1, 31, tzinfo=UTC), None, datetime(2026, 1, 31, 0, 0, 0, 5, UTC)])
        .dt.replace_time_zone("UTC")
        .cast(pl.Datetime("us", "UTC")),
    ),
    "coded": Column.of_codes(Coded(pl.Series([1, None, 0]), pl.Series(["b", "a"]))),
    "absent": absent_column(3),
}
_VALUES = {
    "texts": ["a", None, 'b"'],
    "numbers": [1, None, Decimal("2.5")],
    "whole": [1, None, -3],
    "truths": [True, None, False],
    "mixed": [1, None, {"a": [Decimal("1.5")]}],
    "instants": ["2026-01-31T00:00:00.000Z", None, "2026-01-31T00:00:00.000005Z"],
    "coded": ["a", None, "b"],
    "absent": [None, None, None],
}
_CANONICAL = {
    "texts": ['"a"', None, '"b\\""'],
    "numbers": ["1", None, "2.5"],
    "whole": ["1", None, "-3"],
    "truths": ["true", None, "false"],
    "mixed": ["1", None, '{"a":[1.5]}'],
    "instants": ['"2026-01-31T00:00:00.000Z"', None, '"2026-01-31T00:00:00.000005Z"'],
    "coded": ['"a"', None, '"b"'],
    "absent": [None, None, None],
}


@pytest.mark.parametrize("name", _COLUMNS)
def test_a_column_gives_values_and_canonical_texts(name: str) -> None:
    column = _COLUMNS[name]
    assert column.to_values() == _VALUES[name]
    assert column.canonical().to_list() == _CANONICAL[name]
    assert column.is_present().to_list() == [value is not None for value in _VALUES[name]]
    assert column.null_count() == _VALUES[name].count(None)


@pytest.mark.parametrize("name", _COLUMNS)
def test_a_part_of_a_column_has_the_same_values(name: str) -> None:
    column, values = _COLUMNS[name], _VALUES[name]
    assert column.slice(1, 2).to_values() == values[1:]
    assert column.gather(pl.Series([2, 0])).to_values() == [values[2], values[0]]
    assert len(column.slice(1, 2)) == 2


@pytest.mark.parametrize("first", _COLUMNS)
@pytest.mark.parametrize("second", _COLUMNS)
def test_columns_of_any_kinds_stand_behind_one_another(first: str, second: str) -> None:
    whole = concat_columns([_COLUMNS[first], _COLUMNS[second]])
    assert whole.to_values() == _VALUES[first] + _VALUES[second]
    assert whole.canonical().to_list() == _CANONICAL[first] + _CANONICAL[second]


@pytest.mark.parametrize("first", _COLUMNS)
@pytest.mark.parametrize("second", _COLUMNS)
def test_one_column_fills_the_gaps_of_another(first: str, second: str) -> None:
    filled = _COLUMNS[first].or_else(_COLUMNS[second].gather(pl.Series([1, 0, 1])))
    gaps = [None, _VALUES[second][0], None]
    pairs = zip(_VALUES[first], gaps, strict=True)
    assert filled.to_values() == [a if a is not None else b for a, b in pairs]


def test_a_column_without_gaps_stays_as_it_is() -> None:
    column = Column.from_values([1, 2])
    assert column.or_else(absent_column(2)) is column


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([10**20 - 1, 1], ColumnKind.NUMBER),
        ([10**20, 1], ColumnKind.JSON),
        ([2**63 - 1, None], ColumnKind.NUMBER),
        ([Decimal("1e-18")], ColumnKind.NUMBER),
        ([Decimal("1e-19")], ColumnKind.JSON),
        ([True, 1], ColumnKind.JSON),
        ([["a"]], ColumnKind.JSON),
    ],
)
def test_values_lie_in_the_narrowest_kind_that_keeps_them(values: list, kind: ColumnKind) -> None:
    column = Column.from_values(values)
    assert column.kind is kind
    assert column.to_values() == values


def test_texts_of_numbers_beyond_the_range_of_quantities_stay_numbers() -> None:
    column, wrong = number_column(pl.Series(["1e25", "x", None, "0.1234567890123456789"]))
    assert column.kind is ColumnKind.JSON
    assert column.to_values()[0] == Decimal("1e25")
    assert column.to_values()[3] == Decimal("0.1234567890123456789")
    assert wrong.to_list() == [False, True, False, False]


def test_texts_of_decimals_are_numbers() -> None:
    column, wrong = number_column(pl.Series(["1.5", None, "-2"]))
    assert column.to_values() == [Decimal("1.5"), None, -2]
    assert not wrong.any()


def test_texts_of_whole_numbers_are_whole_numbers() -> None:
    column, wrong = number_column(pl.Series(["12", None, "-3"]))
    assert column.values.dtype == pl.Int64
    assert column.to_values() == [12, None, -3]
    assert not wrong.any()


@pytest.mark.parametrize("name", ["texts", "instants", "mixed"])
def test_any_kind_can_become_json(name: str) -> None:
    widened = _COLUMNS[name].widened(ColumnKind.JSON)
    assert widened.kind is ColumnKind.JSON
    assert widened.to_values() == _VALUES[name]


def test_texts_that_need_no_escaping_are_quoted_without_a_look() -> None:
    plain = Column.from_values(["a", None, "é"])
    assert plain.is_plain()
    assert plain.canonical(plain=True).to_list() == ['"a"', None, '"é"']
    assert not _COLUMNS["texts"].is_plain()
    assert not _COLUMNS["whole"].is_plain()


def test_frames_give_the_columns_that_hold_anything() -> None:
    columns = columns_of(pl.DataFrame({"a": ["x", None], "b": [None, None], "c": [True, None]}))
    assert list(columns) == ["a", "c"]
    assert columns["a"].to_values() == ["x", None]
    assert columns["c"].to_values() == [True, None]


@pytest.mark.parametrize("name", _COLUMNS)
@pytest.mark.parametrize("kept", [[True, False, True], [False] * 3, [True] * 3], ids=str)
def test_a_mask_keeps_what_its_positions_name(name: str, kept: list[bool]) -> None:
    column, mask = _COLUMNS[name], pl.Series(kept, dtype=pl.Boolean)
    found = column.filter(mask)
    assert found.kind is column.kind
    assert found.to_values() == column.gather(mask.arg_true()).to_values()


def test_stacked_codes_keep_their_values() -> None:
    parts = [
        Column.of_codes(Coded(pl.Series([1, None, 0, 2]), pl.Series(["b", "a", "b"]))),
        absent_column(2),
        Column.from_values(["c", None, "a"]),
        Column.of_codes(Coded(pl.Series([0, 0], dtype=pl.UInt8), pl.Series(["c"]))),
    ]
    whole = concat_columns(parts)
    assert whole.coded is not None
    assert whole.coded.texts.to_list() == ["a", "b", "c"]
    assert whole.to_values() == [value for part in parts for value in part.to_values()]


def test_codes_are_laid_over_codes() -> None:
    earlier = Column.of_codes(Coded(pl.Series([0, 1, None, 0]), pl.Series(["a", "b"])))
    later = Column.of_codes(Coded(pl.Series([None, 1, 1, None]), pl.Series(["x", "b"])))
    found = overlaid(earlier, later)
    assert found.coded is not None
    assert found.to_values() == ["a", "b", "b", "a"]


def test_what_was_worked_out_goes_with_the_records() -> None:
    def lengths(column: Column) -> list[int | None]:
        return column.once("length", lambda: column.values.str.len_bytes()).to_list()

    def never() -> pl.Series:
        raise AssertionError("it is known already")

    texts = [Column.from_values(["a", None, "ccc"]), Column.from_values(["dd"])]
    assert [lengths(column) for column in texts] == [[1, None, 3], [2]]
    whole = concat_columns(texts)
    kept = whole.gather(pl.Series([3, 2, 1])).filter(pl.Series([True, False, True])).slice(0, 2)
    assert kept.to_values() == ["dd", None]
    assert kept.once("length", never).to_list() == [2, None]
    # Of a column that knows nothing, the whole knows nothing.
    mixed = concat_columns([texts[0], Column.from_values(["eeee"])])
    assert lengths(mixed) == [1, None, 3, 4]


@pytest.mark.parametrize("last", ["a", "b", None])
def test_a_text_that_all_records_have_is_one_number(last: str | None) -> None:
    values = [*(["a"] * 2_000), last]
    found = coded(Column.from_values(values))
    assert found.coded is not None
    assert found.to_values() == values
    assert len(found.coded.texts) == len({*values} - {None})


def test_texts_that_differ_stay_texts() -> None:
    assert coded(Column.from_values([str(n) for n in range(2_000)])).coded is None
    assert coded(Column.from_values([None] * 2_000)).coded is None
