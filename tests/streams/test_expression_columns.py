"""Expressions of whole columns against the evaluator of single records."""

import random
import sys
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meterhouse.core.expression import ExpressionError, evaluate, parse_expression
from meterhouse.core.json_text import canonical_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.streams.expression_columns import BatchEvaluation
from meterhouse.streams.expression_columns.text_functions import SPACES
from tests.streams.made_expressions import EXPRESSIONS, batches, doubled

NOW = 1767225600123456


def by_rows(text: str, batch: UsageBatch) -> list[Any]:
    expression = parse_expression(text)
    found = []
    for record in batch.rows():
        try:
            found.append(canonical_text(evaluate(expression, record, now=NOW)))
        except ExpressionError as error:
            found.append((error.at, str(error)))
    return found


def by_columns(text: str, batch: UsageBatch) -> list[Any]:
    done = BatchEvaluation(batch, now=NOW).compute(parse_expression(text))
    found: list[Any] = list(done.column.canonical().fill_null("null"))
    assert len(found) == len(batch)
    assert [place for place, _ in done.faults] == sorted({place for place, _ in done.faults})
    for place, error in done.faults:
        assert found[place] == "null"
        found[place] = (error.at, str(error))
    return found


def texts_of_a(*texts: str) -> UsageBatch:
    return UsageBatch.from_columns({"a": Column.from_values(texts)}, length=len(texts))


@settings(max_examples=3_000, deadline=None)
@given(EXPRESSIONS, batches())
@example("0 in [text(0), round(a, a)]", texts_of_a("", ""))
@example("lower(coalesce(round(a, a), 'X'))", texts_of_a("", "x"))
@example("if((b == 0 ? a : [1, '5']), 'x', round(a, a))", texts_of_a("", ""))
def test_columns_give_what_rows_give_values_and_errors(text: str, batch: UsageBatch):
    assert by_columns(text, batch) == by_rows(text, batch)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, batches(size_max=3), st.sampled_from([100, 400]))
def test_so_they_do_where_records_repeat(text: str, batch: UsageBatch, times: int):
    many = doubled(batch, times)
    assert by_columns(text, many) == by_rows(text, batch) * times


@pytest.mark.nightly
@settings(max_examples=100_000, deadline=None)
@given(EXPRESSIONS, batches())
def test_columns_give_what_rows_give_at_length(text: str, batch: UsageBatch):
    assert by_columns(text, batch) == by_rows(text, batch)


# ------------------------------------------------------------ what the made-up ones may not meet

CHANCE = random.Random(7)
INSTANTS = [CHANCE.randrange(-6 * 10**16, 10**17) for _ in range(700)]
INSTANTS += [1792890000000000 + n * 7_000_001 for n in range(700)]  # Berlin puts the clocks back
DATES = [
    "formatDate(t, 'YYYY-MM-DD HH:mm Z', 'Europe/Berlin')",
    "formatDate(t, 'YYYY GGGG[%W]WW dddd h A', 'Asia/Kathmandu')",
    "formatDate(t, 'YYYY-MM-DD[T]HH:mm:ss.SSS')",
    "formatDate(t, 'DD.MM.YYYY ss', 'Africa/Monrovia')",
    "datePart(t, 'minute', 'America/St_Johns')",
    "datePart(t, 'weekday')",
    "datePart(t, 'second')",
    "dateTruncate(t, 'hour', 'Europe/Berlin')",
    "dateTruncate(t, 'week', 'Pacific/Apia')",
    "dateTruncate(t, 'second')",
    "dateAdd(t, -36, 'hours')",
    "dateAdd(t, 1, 'day')",
    "dateDiff(t, '2026-01-31', 'week')",
    "dateDiff('1999-12-31T23:59:59.999Z', t, 'millisecond')",
    "unixMillis(t)",
    "t < '2026-01-31' or date(t) >= date('2026-10-25T00:30:00Z')",
    "'at ' + date(t)",
]


@pytest.mark.parametrize("text", DATES)
@pytest.mark.parametrize("as_text", [False, True], ids=["instants", "texts"])
def test_dates_without_order_and_around_a_change_of_clocks(text, as_text):
    series = pl.Series(INSTANTS, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    column = Column(ColumnKind.TIMESTAMP, series)
    if as_text:
        column = Column.from_values(column.to_values())
    batch = UsageBatch.from_columns({"t": column}, length=len(INSTANTS))
    assert by_columns(text, batch) == by_rows(text, batch)


def coded(*texts: str, times: int) -> Column:
    codes = pl.Series([*range(len(texts))] * times, dtype=pl.UInt32)
    return Column.of_codes(Coded(codes, pl.Series(texts)))


@pytest.mark.parametrize(
    "text",
    [
        "a + '-' + b",
        "upper(a)",
        "a == 'x' ? a : b",
        "coalesce(missing, a)",
        "splitPart(a + '/' + b, '/', 1)",
        "'n' + n",
        "case(n > 1, 'many', 'few')",
        "formatDate(dateAdd('2026-01-31', n, 'day'), 'DD')",
    ],
)
def test_texts_made_of_texts_that_repeat_are_coded(text):
    columns = {"a": coded("x", "y", "z", times=50), "b": coded("p", "q", "p", times=50)}
    columns["n"] = Column(ColumnKind.NUMBER, pl.Series([1, 2, 3] * 50))
    batch = UsageBatch.from_columns(columns, length=150)
    made = BatchEvaluation(batch, now=NOW).compute(parse_expression(text))
    assert made.column.coded is not None
    assert len(made.column.coded.texts) <= 9
    assert by_columns(text, batch) == by_rows(text, batch)


def test_one_number_beyond_all_bounds_does_not_cost_the_others_their_column():
    values = [*range(1, 300), 10**18, -(2**63)]
    batch = UsageBatch.from_columns({"n": Column.from_values(values)}, length=len(values))
    text = "n * n * 0.000001"
    made = BatchEvaluation(batch, now=NOW).compute(parse_expression(text))
    assert made.column.kind is ColumnKind.JSON  # the two squares are no quantities
    assert by_columns(text, batch) == by_rows(text, batch)
    text = "round(n * n / 1e30, 4)"
    assert BatchEvaluation(batch, now=NOW).compute(parse_expression(text)).column.kind is (
        ColumnKind.NUMBER
    )
    assert by_columns(text, batch) == by_rows(text, batch)


@pytest.mark.parametrize("text", ["t + t", "concat(t, t, 'x')", "replace(t, 'é', 'éé')"])
def test_texts_that_would_grow_too_long_are_refused_record_by_record(text):
    columns = {"t": Column.from_values(["é", "é" * 600_000, "b"])}
    batch = UsageBatch.from_columns(columns, length=3)
    found = by_columns(text, batch)
    assert found == by_rows(text, batch)
    assert [isinstance(value, tuple) for value in found] == [False, True, False]


def test_white_space_is_what_python_strips():
    every = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
    assert sorted(SPACES) == sorted(every)
