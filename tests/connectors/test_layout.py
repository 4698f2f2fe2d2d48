"""Rows in columns: the same values as the engine would lay out."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from meterhouse.connectors.layout import in_columns
from meterhouse.core.json_text import canonical_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.ports import ReadChunk

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.text(st.characters(codec="utf-8"), max_size=4),
    st.integers(-(10**30), 10**30),
    st.integers(-9, 9),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal("-0"), Decimal("-0.0"), Decimal("1E+3"), Decimal("0.10"), 10**120]),
    st.sampled_from([Decimal(1).scaleb(-95), Decimal(1).scaleb(150), Decimal("1E+999999")]),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


def columns(one: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(one | st.none(), min_size=1, max_size=5)


OBJECTS = st.dictionaries(st.text(max_size=2), NESTED, max_size=3)
COLUMNS = st.one_of(
    columns(st.text(max_size=3)),
    columns(st.booleans()),
    columns(st.integers()),
    columns(st.lists(NESTED, max_size=3)),
    columns(OBJECTS),
    columns(NESTED),
)


@settings(max_examples=250, deadline=None)
@given(COLUMNS)
@example([['\x00\x1f\x7f\b\f\n\r\t"\\/\u2028é']])
@example([[-(2**63), 2**63, 2**64]])
@example([10**50, 2**63, -(2**63)])
def test_columns_are_those_of_the_engine(values):
    rows = [{} if value is None else {"f": value} for value in values]

    batch = in_columns(ReadChunk(UsageBatch.from_rows(rows))).batch

    expected = Column.from_values(values)
    column = batch.column("f")
    assert column.values.to_list() == expected.values.to_list()
    assert column.kind is expected.kind
    if column.kind is ColumnKind.JSON:
        assert column.values.to_list() == [
            None if value is None else canonical_text(value) for value in values
        ]
