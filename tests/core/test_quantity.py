"""Quantities are exact: what is read, what is refused, what is written."""

import re
import sys
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.quantity import (
    EXACT,
    GREATEST,
    LIMIT,
    NUMBER_PATTERN,
    add,
    fraction_digits,
    in_range,
    number_from_text,
    number_text,
    quantity,
)
from meterhouse.core.suspense import Reason

BIGGEST = Decimal("99999999999999999999.999999999999999999")
SMALLEST = Decimal("0.000000000000000001")
# Not -BIGGEST: every operator of Decimal rounds to the 28 digits of the default context.
LEAST = BIGGEST.copy_negate()
NOT_NUMERIC = Reason.VALUE_NOT_NUMERIC
TOO_PRECISE = Reason.VALUE_TOO_PRECISE
OUT_OF_RANGE = Reason.VALUE_OUT_OF_RANGE

#: Every quantity: 38 digits with the point before the last 18, or further left.
QUANTITIES = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places, EXACT),
    st.integers(-(10**20) + 1, 10**20 - 1),
    st.integers(0, 18),
)
NUMBERS = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(-(10**60), 10**60),
    st.integers(-(10**9) + 100, 10**9 - 100),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (-7, "-7"),
        (10**20 - 1, "99999999999999999999"),
        (-(10**20) + 1, "-99999999999999999999"),
        (Decimal("0.1"), "0.1"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+19"), "1E+19"),
        (Decimal("1.0000000000000000000000"), "1.0000000000000000000000"),
        (BIGGEST, str(BIGGEST)),
        (LEAST, str(LEAST)),
        (SMALLEST, str(SMALLEST)),
        (-SMALLEST, str(-SMALLEST)),
        ("12.50", "12.50"),
        ("+5", "5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("1e3", "1E+3"),
        ("1E-18", "1E-18"),
        ("0.1000000000000000000000000000", "0.1000000000000000000000000000"),
    ],
)
def test_a_number_is_taken_as_written(value, expected):
    assert str(quantity(value)) == str(Decimal(expected))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, NOT_NUMERIC),
        (True, NOT_NUMERIC),
        (False, NOT_NUMERIC),
        ("", NOT_NUMERIC),
        ("five", NOT_NUMERIC),
        ([5], NOT_NUMERIC),
        ({"value": 5}, NOT_NUMERIC),
        (5.0, NOT_NUMERIC),
        (Decimal("NaN"), NOT_NUMERIC),
        (Decimal("sNaN"), NOT_NUMERIC),
        (Decimal("Infinity"), NOT_NUMERIC),
        ("NaN", NOT_NUMERIC),
        ("-inf", NOT_NUMERIC),
        (Decimal("1E-19"), TOO_PRECISE),
        (Decimal("0.1234567890123456789"), TOO_PRECISE),
        ("1e-999999999", TOO_PRECISE),
        (Decimal("1E-1000050"), TOO_PRECISE),
        (10**20, OUT_OF_RANGE),
        (-(10**20), OUT_OF_RANGE),
        (LIMIT, OUT_OF_RANGE),
        ("1e400", OUT_OF_RANGE),
        ("1e999999999", OUT_OF_RANGE),
        pytest.param(10**5000, OUT_OF_RANGE, id="an int of 5001 digits"),
        pytest.param("9" * 5000, OUT_OF_RANGE, id="a text of 5000 digits"),
        # too precise goes before out of range
        (Decimal("100000000000000000000.0000000000000000001"), TOO_PRECISE),
    ],
)
def test_what_is_no_quantity_has_its_reason(value, reason):
    assert quantity(value) is reason


@pytest.mark.parametrize(
    "zero", ["0e999999999", "-0", "0e-999999999", "0." + "0" * 40, "-0.0", "0E+5"]
)
def test_a_zero_of_any_exponent_is_zero(zero):
    assert str(quantity(zero)) == str(quantity(Decimal(zero))) == "0"


@given(QUANTITIES, QUANTITIES)
def test_the_sum_of_two_quantities_is_exact(left, right):
    assert Fraction(add(left, right)) == Fraction(left) + Fraction(right)


def test_adding_does_not_depend_on_the_callers_decimal_context():
    with localcontext() as context:
        context.prec = 3
        assert add(BIGGEST, SMALLEST) == LIMIT


def test_between_the_greatest_quantity_and_the_limit_there_is_none():
    assert add(GREATEST, SMALLEST) == LIMIT


def test_a_sum_that_would_have_to_be_rounded_is_an_error():
    with pytest.raises(ArithmeticError):
        add(Decimal("1E+79"), Decimal("0.1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "1,5",
        "0x10",
        "1e",
        "e5",
        ".",
        "+",
        "--1",
        "1.2.3",
        "1e1.5",
        "1e1000000000",
        "Infinity",
        "nan",
        "٣",
        "１２",
        "1²",
        "true",
    ],
)
def test_a_text_that_is_no_number_is_refused(text):
    assert number_from_text(text) is None


@pytest.mark.parametrize("text", ["1", "-.5", "+5.", "1e9", "007", "x", "", "1e", "1 ", "٣"])
def test_other_engines_tell_numbers_by_the_same_pattern(text):
    matches = re.search(NUMBER_PATTERN, text) is not None

    assert matches is (number_from_text(text) is not None)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-5, "-5"),
        (Decimal("-0"), "0"),
        (Decimal("-0.00"), "0"),
        (Decimal("0E+999999999"), "0"),
        (Decimal("0E-999999999"), "0"),
        (Decimal("1.50"), "1.5"),
        (Decimal("100"), "100"),
        (Decimal("100.0"), "100"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E-18"), "0.000000000000000001"),
        (Decimal("-120.0340"), "-120.034"),
        (10**99, "1" + "0" * 99),
        (Decimal("1E+99"), "1" + "0" * 99),
        (10**100, "1E+100"),
        (-(10**100), "-1E+100"),
        (Decimal("1E+100"), "1E+100"),
        (Decimal("1E-99"), "0." + "0" * 98 + "1"),
        (Decimal("1E-100"), "1E-100"),
        (Decimal("-1.2340E+500"), "-1.234E+500"),
        (Decimal("1E+999999999"), "1E+999999999"),
        (Decimal("-3E-999999999"), "-3E-999999999"),
        pytest.param(10**5000, "1E+5000", id="1 and 5000 zeros"),
        pytest.param(12 * 10**5000, "1.2E+5001", id="12 and 5000 zeros"),
    ],
)
def test_a_number_is_written_plainly_and_a_huge_one_with_its_exponent(number, text):
    assert number_text(number) == text


def test_writing_does_not_depend_on_the_callers_decimal_context():
    with localcontext() as context:
        context.prec = 3
        assert number_text(LEAST) == "-99999999999999999999.999999999999999999"


@given(NUMBERS)
def test_a_written_number_reads_back_as_itself(number):
    assert number_from_text(number_text(number)) == number


@given(QUANTITIES)
def test_a_quantity_is_written_without_exponent_trailing_zero_or_negative_zero(number):
    text = number_text(number)

    assert "E" not in text
    assert "." not in text or not text.endswith(("0", "."))
    assert text != "-0"


@given(st.integers(-(10**250), 10**250))
def test_equal_numbers_have_one_text(number):
    assert (
        number_text(number) == number_text(Decimal(number)) == number_text(Decimal(f"{number}.0"))
    )


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("0", 0),
        ("0.000", 0),
        ("0E-999999999", 0),
        ("5", 0),
        ("1E+999999999", 0),
        ("5.0", 0),
        ("5.10", 1),
        ("-0.25", 2),
        ("100E-2", 0),
        ("101E-2", 2),
        ("1E-18", 18),
        ("1E-999999999", 999_999_999),
    ],
)
def test_fraction_digits_are_those_that_a_number_needs(number, digits):
    assert fraction_digits(Decimal(number)) == digits


@given(QUANTITIES)
def test_a_number_needs_as_many_fraction_digits_as_its_text_shows(number):
    assert fraction_digits(number) == len(number_text(number).partition(".")[2])


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (BIGGEST, True),
        (LEAST, True),
        (LIMIT, False),
        (-LIMIT, False),
        (Decimal("0E+99"), True),
        (Decimal("1E-99"), True),
        (Decimal("9.9E+20"), False),
    ],
)
def test_the_range_has_20_integer_digits(number, expected):
    assert in_range(number) is expected


@given(NUMBERS)
def test_quantities_are_the_numbers_in_range_with_at_most_18_fraction_digits(number):
    fits = in_range(number) and fraction_digits(number) <= 18

    assert isinstance(quantity(number), Decimal) is fits


def test_huge_exponents_cost_no_memory():
    before = sys.getallocatedblocks()
    for text in ("1e999999999", "1e-999999999", "-9.99e999999999", "0e999999999"):
        number = number_from_text(text)
        quantity(text)

        assert len(number_text(number)) < 20
    assert sys.getallocatedblocks() - before < 10_000
