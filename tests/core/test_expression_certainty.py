"""What is said never to fail does not, whatever a record holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.expression import (
    always_decides,
    evaluate,
    never_fails,
    parse_expression,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.dictionaries(st.sampled_from("ab"), VALUES)
DECIDING = (
    *("a == b", "a != 1", 'a.x == "y"', "not (a == b)", "a in [1, b, null]", "a not in []"),
    *("a == b and b == 2 or not (a in [b])", "(a == b) == (b == a)", "[a] == [b]"),
)
CERTAIN = (*DECIDING, "a", "a.b", "payload", "5", "null", "[a, [b]]")
UNCERTAIN = ("a + 1", "-a", "a < b", "a and b == 1", "not a", "a in b", "a == b + 1", "[-a]")


@pytest.mark.parametrize("text", CERTAIN)
@given(record=RECORDS)
def test_what_never_fails_gives_a_value(text, record):
    expression = parse_expression(text)
    assert never_fails(expression)
    found = evaluate(expression, record, now=0)
    assert always_decides(expression) == (text in DECIDING)
    assert text not in DECIDING or isinstance(found, bool)


@pytest.mark.parametrize("text", [*UNCERTAIN, "a == 1 ? 2 : 3", "upper(a)"])
def test_what_may_fail_is_not_said_to_be_certain(text):
    expression = parse_expression(text)
    assert not never_fails(expression)
    assert not always_decides(expression)
