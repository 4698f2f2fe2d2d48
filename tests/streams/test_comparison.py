"""The operators of split, against a plain reading of what they mean."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.json_text import canonical_text
from meterhouse.core.quantity import number_from_text
from meterhouse.engine.column import Column
from meterhouse.streams.comparison import Comparison, Operator

ORDERS = {
    Operator.LT: lambda left, right: left < right,
    Operator.LE: lambda left, right: left <= right,
    Operator.GT: lambda left, right: left > right,
    Operator.GE: lambda left, right: left >= right,
}
LENGTHS = {
    Operator.LIST_LT: Operator.LT,
    Operator.LIST_EQ: Operator.EQ,
    Operator.LIST_GT: Operator.GT,
}


def holds(operator: Operator, bound: str, value) -> bool:
    """What an operator means for one value, in plain Python."""
    if operator is Operator.NE:
        return not holds(Operator.EQ, bound, value)
    if value is None:
        return False
    if operator in LENGTHS:
        if not isinstance(value, list) or not is_number(bound):
            return False
        return compares(LENGTHS[operator], number_from_text(bound), len(value))
    if operator is Operator.REGEX:
        return re.search(bound, text_of(value)) is not None
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return is_number(bound) and compares(operator, number_from_text(bound), value)
    if operator is Operator.EQ:
        return text_of(value) == bound
    if not isinstance(value, str):
        return False
    if is_number(bound):
        return is_number(value) and compares(
            operator, number_from_text(bound), number_from_text(value)
        )
    return compares(operator, bound, value)


def compares(operator: Operator, bound, value) -> bool:
    return value == bound if operator is Operator.EQ else ORDERS[operator](value, bound)


def is_number(text: str) -> bool:
    return number_from_text(text) is not None


def text_of(value) -> str:
    return value if isinstance(value, str) else canonical_text(value)


NUMBERS = st.one_of(
    st.integers(-5, 120),
    st.decimals(-10, 100, places=2),
    st.sampled_from([0, 10**30, -(10**30), 2**63 - 1, -(2**63), Decimal("0.000000000000000001")]),
)
TEXTS = st.sampled_from(["", "a", "abc", "B", "90", "100", "90.0", "1e2", "+5", "007", "true", "é"])
MIXED = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    st.lists(st.integers(0, 3), max_size=3),
    st.fixed_dictionaries({"x": st.integers(0, 1)}),
)
VALUES = st.one_of(
    st.lists(st.one_of(st.none(), NUMBERS), min_size=1),
    st.lists(st.one_of(st.none(), st.integers(-5, 120)), min_size=1),
    st.lists(st.one_of(st.none(), TEXTS), min_size=1),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=1),
    st.lists(MIXED, min_size=1),
)
BOUNDS = st.one_of(
    TEXTS,
    NUMBERS.map(canonical_text),
    st.sampled_from(["2", '{"x":1}', "[]", "1e400", "-1e400", "0.0000000000000000000001"]),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([o for o in Operator if o is not Operator.REGEX]), BOUNDS, VALUES)
def test_a_column_compares_as_its_values_do(operator, bound, values):
    mask = Comparison(operator, bound).mask(Column.from_values(values))
    assert mask.to_list() == [holds(operator, bound, value) for value in values]


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["^a", "0", "b$", "e|x", "[0-9]+"]), VALUES)
def test_regular_expressions_search_in_texts_and_in_the_text_of_other_values(pattern, values):
    mask = Comparison(Operator.REGEX, pattern).mask(Column.from_values(values))
    assert mask.to_list() == [holds(Operator.REGEX, pattern, value) for value in values]


@pytest.mark.parametrize(
    ("value", "operator", "bound", "expected"),
    [
        (90.5, Operator.GT, "90", True),
        (100, Operator.LT, "21", False),
        ("100", Operator.LT, "21", False),
        ("5", Operator.EQ, "5", True),
        (5, Operator.EQ, "5.0", True),
        ("5.0", Operator.EQ, "5", False),
        (None, Operator.NE, "x", True),
        (None, Operator.EQ, "", False),
    ],
)
def test_numbers_compare_as_numbers_and_texts_as_texts(value, operator, bound, expected):
    exact = Decimal(str(value)) if isinstance(value, float) else value
    mask = Comparison(operator, bound).mask(Column.from_values([exact]))
    assert mask.to_list() == [expected]
