"""Declared fields: a value and a column are read alike."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.connectors.declared import Misfit, typed_batch, typed_chunk, typed_record
from meterhouse.core.json_text import canonical_text
from meterhouse.core.quantity import number_from_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import ColumnKind
from meterhouse.engine.numerals import number_column
from meterhouse.streams.ports import ReadChunk, Unreadable

NUMERALS = [
    *("5", "-5", "+5", "007", "0.1", ".5", "5.", "1e3", "1E-2", "1e400", "-0", "-0.0", "0e5"),
    *("0.1234567890123456789", "0.1000000000000000000000", "99999999999999999999.9", "1e-30"),
    *("100000000000000000000", "123456789012345678901234567890123456789012", "9223372036854775808"),
    *("9" * 60 + "." + "9" * 60, "1e9999999999", "1e99999999999999999999", "1e+05", "1e-0"),
    *(
        "",
        " 5",
        "5 ",
        "1_000",
        "1,5",
        "NaN",
        "inf",
        "-",
        ".",
        "e5",
        "--5",
        "0x10",
        "٣",
        "5e",
        "1.2.3",
    ),
    *("true", "TRUE", "False", "falſe", "yes", "1", "0", "a", "5\n"),
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMERALS),
    st.integers(-(10**30), 10**30),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.sampled_from([Decimal("0.1234567890123456789"), [1, Decimal("2.50")], {"a": None}]),
)
NUMBER_CHARACTERS = st.text("0123456789+-.eE ", max_size=45)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(VALUES, min_size=1, max_size=6),
    kind=st.sampled_from(["string", "number", "boolean"]),
)
def test_a_column_is_read_like_its_values(values, kind):
    rows = [{} if value is None else {"f": value} for value in values]
    batch = UsageBatch.from_rows(rows)

    typed, misfits = typed_batch(batch, {"f": kind})

    expected, wrong = {}, {}
    for place, row in enumerate(rows):
        try:
            expected[place] = canonical_text(typed_record(row, {"f": kind}))
        except Misfit as misfit:
            wrong[place] = str(misfit)
    assert {place: str(misfit) for place, misfit in misfits.items()} == wrong
    result = typed.rows()
    assert {place: canonical_text(result[place]) for place in expected} == expected


@settings(max_examples=250, deadline=None)
@given(st.lists(NUMBER_CHARACTERS | st.sampled_from(NUMERALS) | st.none(), min_size=1, max_size=5))
def test_numbers_in_text_are_read_as_the_core_reads_them(texts):
    column, wrong = number_column(pl.Series(texts, dtype=pl.String))

    for text, value, is_wrong in zip(texts, column.to_values(), wrong, strict=True):
        number = None if text is None else number_from_text(text)
        assert is_wrong == (text is not None and number is None)
        assert canonical_text(value) == canonical_text(number)


def test_whole_numbers_stay_integers():
    column, _ = number_column(pl.Series(["1", None, "-2"]))

    assert column.kind is ColumnKind.NUMBER
    assert column.values.dtype == pl.Int64


def test_a_misfit_names_the_field_the_value_and_the_type():
    with pytest.raises(Misfit) as caught:
        typed_record({"value": "many"}, {"value": "number"})

    assert str(caught.value) == 'value is "many", which is not a number'


def test_a_long_misfit_is_shown_in_short():
    assert len(str(Misfit("f", "x" * 1000, "number"))) < 100


def test_undeclared_and_absent_fields_stay():
    assert typed_record({"a": 1, "b": "2"}, {"b": "number", "c": "number"}) == {"a": 1, "b": 2}


@pytest.mark.parametrize("columnar", [False, True])
def test_misfits_leave_the_batch_and_join_the_unreadable(columnar):
    batch = UsageBatch.from_rows([{"v": "1"}, {"v": "x"}, {"v": "3"}], [(0, 4), (0, 6), (0, 7)])
    if columnar:
        columns, offsets = batch.columns(), batch.origin_frame()["offset"]
        batch = UsageBatch.from_columns(columns, length=3, offsets=offsets)
    chunk = ReadChunk(batch, [Unreadable(5, "?", "not JSON")])

    typed = typed_chunk(
        chunk, {"v": "number"}, written=lambda offset: (f"line {offset}", {"v": "x"})
    )

    assert typed.batch.rows() == [{"v": 1}, {"v": 3}]
    assert typed.batch.origins() == [(0, 4), (0, 7)]
    assert [(bad.offset, bad.raw, bad.record) for bad in typed.unreadable] == [
        (5, "?", None),
        (6, "line 6", {"v": "x"}),
    ]
