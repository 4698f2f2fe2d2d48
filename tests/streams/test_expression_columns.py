"""Expressions of whole columns against the evaluator of single records."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.expression import ExpressionError, evaluate, parse_expression
from meterhouse.core.json_text import canonical_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.expression_columns import BatchEvaluation
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


@settings(max_examples=3_000, deadline=None)
@given(EXPRESSIONS, batches())
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
