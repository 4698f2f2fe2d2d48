"""Arithmetic of expressions against fractions, and expressions made up at random."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from meterhouse.core.expression import Expression, ExpressionError, evaluate, parse_expression
from meterhouse.core.expression.syntax import parts
from meterhouse.core.quantity import number_text

NUMBERS = st.decimals(
    min_value=Decimal(-(10**15)), max_value=Decimal(10**15), places=6, allow_nan=False
)
DEEP = 10**18


def half_even(exact: Fraction) -> Fraction:
    """Round to 18 digits after the point, as Python rounds fractions: half to even."""
    return Fraction(round(exact * DEEP), DEEP)


class Oracle:
    """Trees of arithmetic, written as text and computed with fractions."""

    def __init__(self, text: str, value: Fraction | None) -> None:
        self.text, self.value = text, value

    @classmethod
    def leaf(cls, number: Decimal) -> "Oracle":
        # A minus sign in front binds less tightly than nothing: it needs its parentheses.
        text = number_text(number)
        return cls(f"({text})" if text.startswith("-") else text, Fraction(number))

    @classmethod
    def tree(cls, made: "tuple[Oracle, str, Oracle]") -> "Oracle":
        left, operator, right = made
        text = f"({left.text} {operator} {right.text})"
        if left.value is None or right.value is None:
            return cls(text, None)
        if operator in "/%" and not right.value:
            return cls(text, None)
        return cls(text, _computed(left.value, operator, right.value))


def _computed(left: Fraction, operator: str, right: Fraction) -> Fraction:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return half_even(left / right)
    whole = abs(left) // abs(right)
    rest = abs(left) - whole * abs(right)
    return -rest if left < 0 else rest


TREES = st.recursive(
    NUMBERS.map(Oracle.leaf),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/%"), inner).map(Oracle.tree),
    max_leaves=8,
)


def digits_needed(value: Fraction) -> int:
    scaled, places = value, 0
    while scaled.denominator != 1:
        scaled, places = scaled * 10, places + 1
    return max(len(str(abs(scaled.numerator))), len(str(abs(value.numerator))))


def outcome(expression: Expression, record: dict) -> tuple[Any, ExpressionError | None]:
    try:
        return evaluate(expression, record, now=0), None
    except ExpressionError as error:
        return None, error


@given(TREES)
def test_arithmetic_is_that_of_fractions(tree: Oracle):
    expression = parse_expression(tree.text)
    found, refused = outcome(expression, {})
    if refused is not None:
        # Somewhere inside, a zero divides, or more digits are needed than there are.
        assert tree.value is None or "more than 80 digits" in refused.what
        return
    assert tree.value is not None
    assert Fraction(found) == tree.value


@given(NUMBERS, NUMBERS)
@example(Decimal("0.000000000000000001"), Decimal(2))
@example(Decimal("-0.000000000000000003"), Decimal(2))
@example(Decimal(10) ** 70, Decimal(7))
@example(Decimal(10) ** 61, Decimal(3))
def test_a_quotient_is_rounded_half_even_at_18_digits(left: Decimal, right: Decimal):
    assume(right)
    record = {"a": left, "b": right}
    expected = half_even(Fraction(left) / Fraction(right))
    if digits_needed(expected) > 80:
        with pytest.raises(ExpressionError, match="more than 80 digits"):
            evaluate(parse_expression("a / b"), record, now=0)
        return
    found = evaluate(parse_expression("a / b"), record, now=0)
    assert Fraction(found) == expected


@given(NUMBERS, st.integers(-5, 8))
@example(Decimal("0.5"), 0)
@example(Decimal("-0.5"), 0)
@example(Decimal("-2.5"), 0)
def test_rounding_to_places(number: Decimal, places: int):
    unit = Fraction(1, 10**places) if places >= 0 else Fraction(10**-places)
    below = Fraction(number) // unit
    rest = Fraction(number) - below * unit
    results = {
        "floor": below * unit,
        "ceil": (below + (rest > 0)) * unit,
        "trunc": (below + (rest > 0 and number < 0)) * unit,
        "round": (below + (rest * 2 > unit or (rest * 2 == unit and number > 0))) * unit,
    }
    for function, expected in results.items():
        text = f"{function}(x, {places})"
        found = evaluate(parse_expression(text), {"x": number}, now=0)
        assert Fraction(found) == expected, text


WORDS = st.sampled_from(
    "a b.c @{payload.x} 1 .5 'x' \"y\" true null ( ) [ ] , + - * / % == != < <= > >= "
    "and or not in ? : if round coalesce now date dateAdd text 1e999999999".split()
)


@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60))
@example("'a' in ['a']")
def test_whatever_is_written_is_computed_or_refused_with_its_place(text: str):
    record = {"a": 5, "b": {"c": "7"}, "x": None}
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        place = error.at
    else:
        _, refused = outcome(expression, record)
        place = 0 if refused is None else refused.at
        assert all(0 <= part.at < len(text) for part in parts(expression.root))
    assert 0 <= place <= len(text)
