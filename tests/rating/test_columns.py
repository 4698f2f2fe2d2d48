"""Whole columns are rated as single lines are, to the digit."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    CostPlus,
    Flat,
    Graduated,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    Volume,
)
from meterhouse.core.quantity import EXACT
from meterhouse.rating import RatingError
from meterhouse.rating.columns import rate_column, rate_frame
from tests.rating.books import book, charged, dec, price, rated, tier, used
from tests.rating.cases import any_book, any_price, quantity

TIERS = (tier(1000, "0.02"), tier(10000, "0.015", 5), tier(None, "0.01"))


def assert_equal_to_lines(of_book, quantities, dtype):
    """Rate quantities as a column, and each as a line of one rating; return the column."""
    (one,) = of_book.prices
    made = pl.Series("q", quantities, dtype=pl.Decimal(38, 18)).cast(dtype)
    column = rate_column(of_book, one, made)
    by_user = replace(of_book, prices=(replace(one, line_by=("user",)),))
    records = [
        used(number, user=f"{row:05}", events=(dec(number),))
        for row, number in enumerate(quantities)
    ]
    lines = rated(by_user, *records).charges
    for row, (number, line) in enumerate(zip(quantities, lines, strict=True)):
        assert (column.net(row), column.exact(row).shown()) == (line.net, line.exact), number
    return column


def compare_generated(seed, rows):
    chance = Random(seed)
    one = any_price(chance)
    quantities = [quantity(chance) for _ in range(rows)]
    assert_equal_to_lines(any_book(chance, one), quantities, pl.Decimal(38, 18))


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_columns_are_lines(seed):
    compare_generated(seed, 5)


@pytest.mark.parametrize("block", range(10))
def test_20_000_generated_lines(block):
    for seed in range(50):
        compare_generated(100 * block + seed, 40)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(10, 60))
def test_100_000_generated_lines(block):
    for seed in range(50):
        compare_generated(100 * block + seed, 40)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int128, pl.UInt32, pl.Decimal(38, 0)])
def test_types_of_quantities(dtype):
    of_book = book(price(Graduated(TIERS)))
    assert_equal_to_lines(of_book, [dec(n) for n in (0, 1000, 1001, 12500)], dtype)


@pytest.mark.parametrize("rare", ["0.25", "0.000000000000000001"])
def test_digits_that_only_some_quantities_have(rare):
    """Most are whole; the units are as many digits as the one that has most."""
    quantities = [dec(number) for number in range(10, 1200)] + [dec(rare)]
    of_book = book(price(Graduated(TIERS)))
    column = assert_equal_to_lines(of_book, quantities, pl.Decimal(38, 18))
    assert column.units.null_count() == 0


def test_a_thousand_tiers():
    tiers = [tier(bound * 7, "0.001", bound % 3) for bound in range(1, 1000)]
    of_book = book(price(Graduated((*tiers, tier(None, "0.0005")))))
    assert_equal_to_lines(of_book, [dec(n * 97) for n in range(80)], pl.Int64)


def test_no_rows():
    column = rate_column(book(), price(PerUnit(dec(1))), pl.Series("q", [], dtype=pl.Int64))
    assert (len(column.minor), len(column.units)) == (0, 0)


@pytest.mark.parametrize("mode", list(Rounding))
@pytest.mark.parametrize("per", ["1", "3", "8"])
def test_rounding_of_halves(mode, per):
    of_book = book(price(PerUnit(dec("0.005")), per=dec(per)), rounding=mode)
    assert_equal_to_lines(of_book, [dec(n) for n in range(40)], pl.Int64)


def test_units_and_denominator_are_the_exact_amount():
    column = rate_column(book(), price(PerUnit(dec("0.0021"))), pl.Series("q", [184230]))
    assert column.minor.to_list() == [38688]
    assert Decimal(column.units[0]) / column.denominator == dec("386.883")


@pytest.mark.parametrize(
    "model",
    [
        PerUnit(dec("999999999999.123456789012")),
        Graduated((tier(10**19, "0.1"), tier(None, "987654321987654321.5"))),
        Volume((tier(7, "0.000000000001"), tier(None, "10000000000000000000"))),
        Package(dec("0.000000000000000001"), dec("0.01")),
        PerUnit(dec(10) ** 20),
    ],
)
def test_what_may_not_fit_is_rated_by_line(model):
    greatest = dec("9" * 20 + "." + "9" * 18)
    quantities = [dec(0), dec(3), dec("0.000000000000000001"), dec(10) ** 15]
    assert_equal_to_lines(book(price(model)), quantities, pl.Decimal(38, 18))
    column = pl.Series("q", [greatest], dtype=pl.Decimal(38, 18))
    line = charged(price(model), used(greatest))
    if line.net >= dec(10) ** 36:
        with pytest.raises(RatingError, match=r"row 0: the amount .* has more than 38 digits"):
            rate_column(book(), price(model), column)
    else:
        assert rate_column(book(), price(model), column).net(0) == line.net


def test_a_denominator_beyond_128_bits_is_rated_by_line():
    one = price(PerUnit(dec("1e-30")), per=dec(7) ** 20)
    column = assert_equal_to_lines(book(one), [dec(10) ** 18], pl.Decimal(38, 18))
    assert column.units.null_count() == 1


@pytest.mark.parametrize(
    "model",
    [PerUnit(dec(-1)), Graduated((tier(None, -1),)), CostPlus(dec(-1)), Percentage(dec(3), dec(1))],
)
def test_models_without_pieces_are_rated_by_line(model):
    assert_equal_to_lines(book(price(model)), [dec(3), dec(0)], pl.Int64)


def test_flat_amounts_do_not_mind_free_units():
    one = price(Flat(dec(9), only_if_used=True), match={"meter_type": "calls"}, included=dec(100))
    assert_equal_to_lines(book(one), [dec(0), dec(50), dec(200)], pl.Int64)


def test_a_negative_free_amount_is_rated_by_line():
    assert_equal_to_lines(book(price(PerUnit(dec(1)), included=dec(-5))), [dec(3)], pl.Int64)


def test_a_quantity_below_0_is_an_error():
    with pytest.raises(RatingError, match="price calls: the quantity -1 is less than 0"):
        rate_column(book(), price(PerUnit(dec(1))), pl.Series("q", [5, -1]))


def test_a_quantity_above_the_last_tier_is_an_error():
    one = price(Graduated((tier(10, 1), tier(20, 2))))
    assert rate_column(book(), one, pl.Series("q", [20])).minor.to_list() == [3000]
    with pytest.raises(RatingError, match="the quantity 21 is above the last tier"):
        rate_column(book(), one, pl.Series("q", [20, 21]))


def test_absent_quantities_are_an_error():
    with pytest.raises(RatingError, match="the column 'q' has no quantity in row 1"):
        rate_column(book(), price(PerUnit(dec(1))), pl.Series("q", [1, None]))


def test_floats_are_an_error():
    with pytest.raises(RatingError, match="the column 'q' has the type Float64"):
        rate_column(book(), price(PerUnit(dec(1))), pl.Series("q", [1.5]))


def test_a_matrix_needs_fields():
    one = price(Matrix(("model",), {}, dec(1)))
    with pytest.raises(RatingError, match="price calls asks for model"):
        rate_column(book(), one, pl.Series("q", [1]))


FRAME = pl.DataFrame(
    {
        "customer": ["b", "a", "b", "a"],
        "sku": ["calls", "calls", "tokens", "calls"],
        "quantity": [600, 700, 5, 801],
    }
)
BOOK = book(price(Graduated(TIERS)), price(PerUnit(dec("0.5")), "tokens"))


def test_frames_row_by_row():
    assert rate_frame(BOOK, FRAME)["minor"].to_list() == [1200, 1400, 250, 1602]


def test_frames_by_customer():
    lines = rate_frame(BOOK, FRAME, keys=["customer"])
    assert lines.rows() == [
        ("b", "calls", 600, 1200),
        ("a", "calls", 1501, 3252),
        ("b", "tokens", 5, 250),
    ]


def test_frames_of_no_rows():
    assert rate_frame(BOOK, FRAME.clear()).height == 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["minor"], "the frame has a column 'minor'"),
        ([], "the frame has a column 'minor'"),
        (["sku"], "the column 'sku' is named twice"),
        (["quantity"], "the column 'quantity' is named twice"),
        (["customer", "customer"], "the column 'customer' is named twice"),
    ],
)
def test_columns_that_would_be_overwritten_are_refused(keys: list[str], said: str):
    frame = FRAME.with_columns(minor=pl.lit(9)) if "minor" in said else FRAME
    with pytest.raises(RatingError, match=said):
        rate_frame(BOOK, frame, keys=keys)


def test_decimals_by_customer():
    frame = FRAME.with_columns(pl.col("quantity").cast(pl.Decimal(38, 18)))
    lines = rate_frame(BOOK, frame, keys=["customer"])
    assert lines["minor"].to_list() == [1200, 3252, 250]


def test_unknown_skus_are_an_error():
    with pytest.raises(RatingError, match=r"has no price 'calls'. It has: tokens"):
        rate_frame(book(price(PerUnit(dec(1)), "tokens")), FRAME)


@pytest.mark.parametrize(("count", "fits"), [(9, True), (11, False)])
def test_sums_beyond_38_digits_are_an_error(count, fits):
    values = [EXACT.scaleb(dec(1), 37)] * count + [dec(0)] * 5
    frame = pl.DataFrame(
        {"k": "a", "sku": "tokens", "quantity": pl.Series(values, dtype=pl.Decimal(38, 0))}
    )
    if fits:
        lines = rate_frame(book(price(PerUnit(dec("0.01")), "tokens")), frame, keys=["k"])
        assert lines["minor"].to_list() == [count * 10**37]
    else:
        with pytest.raises(RatingError, match="add up to more than 38 digits"):
            rate_frame(BOOK, frame, keys=["k"])
