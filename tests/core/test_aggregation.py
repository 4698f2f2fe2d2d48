"""The four aggregations, record by record."""

from decimal import Decimal, localcontext
from fractions import Fraction
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.aggregation import Aggregation

VALUES = st.lists(
    st.decimals(Decimal(-(10**15)), Decimal(10**15), places=18, allow_nan=False), min_size=1
)


@pytest.mark.parametrize(
    ("text", "member"),
    [
        ("sum", Aggregation.SUM),
        ("increment", Aggregation.INCREMENT),
        ("count", Aggregation.INCREMENT),
        ("min", Aggregation.MIN),
        ("max", Aggregation.MAX),
        ("SUM", None),
        ("average", None),
        ("", None),
    ],
)
def test_an_aggregation_is_known_by_its_wire_name(text, member):
    assert Aggregation.from_text(text) is member


def test_there_are_exactly_four():
    assert [member.value for member in Aggregation] == ["sum", "increment", "min", "max"]


@pytest.mark.parametrize(
    ("aggregation", "initial"),
    [
        (Aggregation.SUM, Decimal(0)),
        (Aggregation.INCREMENT, Decimal(0)),
        (Aggregation.MIN, None),
        (Aggregation.MAX, None),
    ],
)
def test_an_untouched_bucket_holds_zero_or_nothing(aggregation, initial):
    assert aggregation.initial == initial


@pytest.mark.parametrize(
    ("aggregation", "values", "result"),
    [
        (Aggregation.SUM, ["1.5", "-2", "0.25"], "-0.25"),
        (Aggregation.SUM, ["99999999999999999999", "0.000000000000000001"], None),
        (Aggregation.INCREMENT, ["100", "-5", "0"], "3"),
        (Aggregation.MIN, ["5", "-2", "7"], "-2"),
        (Aggregation.MIN, ["5"], "5"),
        (Aggregation.MIN, ["-0.1", "0"], "-0.1"),
        (Aggregation.MAX, ["-5", "-2", "-7"], "-2"),
        (Aggregation.MAX, ["-5"], "-5"),
        (Aggregation.MAX, ["1.0000000000000000001", "1"], "1.0000000000000000001"),
    ],
)
def test_records_are_folded_one_after_the_other(aggregation, values, result):
    numbers = [Decimal(value) for value in values]
    folded = reduce(aggregation.fold, numbers, aggregation.initial)

    assert folded == Decimal(result or "99999999999999999999.000000000000000001")


@given(VALUES)
def test_each_aggregation_is_what_its_name_says(values):
    def fold(aggregation: Aggregation) -> Decimal:
        return reduce(aggregation.fold, values, aggregation.initial)

    assert Fraction(fold(Aggregation.SUM)) == sum(map(Fraction, values))
    assert fold(Aggregation.INCREMENT) == len(values)
    assert fold(Aggregation.MIN) == min(values)
    assert fold(Aggregation.MAX) == max(values)


def test_folding_does_not_depend_on_the_callers_decimal_context():
    with localcontext() as context:
        context.prec = 2
        assert Aggregation.SUM.fold(Decimal("1234.5"), Decimal("0.01")) == Decimal("1234.51")
        assert Aggregation.INCREMENT.fold(Decimal(9999), Decimal(1)) == 10_000
