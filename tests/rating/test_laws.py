"""Laws of money: what holds for any usage, any tiers and any currency."""

from decimal import Decimal
from fractions import Fraction
from functools import reduce
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.currency import currency_digits
from meterhouse.core.price_book import Graduated, Package, PerUnit, Volume
from meterhouse.core.quantity import EXACT
from meterhouse.rating.measure import Measure
from meterhouse.rating.models import priced
from meterhouse.rating.ratio import total_of
from tests.rating import cases, oracle
from tests.rating.books import book, charged, dec, late, price, rated, tier, used

SEEDS = st.integers(0, 2**32)


def exact(model, quantity, per=1):
    amount = total_of(part.amount for part in priced(model, Measure(quantity, per=dec(per))))
    return Fraction(amount.numerator) / Fraction(amount.denominator)


def whole(numbers):
    """Their sum, whatever the precision of decimals here."""
    return sum(map(Fraction, numbers))


def compare_with_the_oracle(seed):
    """Twenty quantities, bounds of tiers among them, each a line of its own."""
    chance = Random(seed)
    model = chance.choice((Graduated, Volume, None))
    model = cases.package(chance) if model is None else model(cases.tiers(chance))
    per = chance.choice((1, 1000, 3, 7))
    one = price(model, per=dec(per), line_by=("user",))
    of_book = book(one, currency=chance.choice(cases.CURRENCIES))
    digits = currency_digits(of_book.currency)
    quantities = [end.up_to for end in getattr(model, "tiers", ()) if end.up_to is not None]
    quantities += [cases.quantity(chance) for _ in range(20 - len(quantities))]
    usage = [used(number, user=f"{place:02}") for place, number in enumerate(quantities)]
    for number, charge in zip(quantities, rated(of_book, *usage).charges, strict=True):
        cost = oracle.cost(model, Fraction(number), per=Fraction(per))
        assert exact(model, number, per) == cost
        assert Fraction(charge.net) == oracle.half_up(cost, digits)


@pytest.mark.parametrize("block", range(10))
def test_20_000_cases_agree_with_the_oracle(block):
    for seed in range(100):
        compare_with_the_oracle(100 * block + seed)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(10, 60))
def test_100_000_cases_agree_with_the_oracle(block):
    for seed in range(100):
        compare_with_the_oracle(100 * block + seed)


@settings(deadline=None)
@given(SEEDS)
def test_graduated_tiers_meet_at_their_bounds(seed):
    """Without flat amounts nothing jumps: a little more costs a little more."""
    tiers = cases.tiers(Random(seed), flats=False)
    little = Decimal("0.000000000000000001")
    greatest = max(one.price for one in tiers)
    for bound in (one.up_to for one in tiers[:-1]):
        step = exact(Graduated(tiers), EXACT.add(bound, little)) - exact(Graduated(tiers), bound)
        assert 0 <= step <= Fraction(little) * Fraction(greatest)


@settings(deadline=None)
@given(SEEDS)
def test_at_a_bound_the_next_flat_amount_is_not_due(seed):
    tiers = cases.tiers(Random(seed))
    for number, one in enumerate(tiers[:-1]):
        for model in (Graduated, Volume):
            cut = model((*tiers[:number], tier(None, one.price, one.flat)))
            assert exact(model(tiers), one.up_to) == exact(cut, one.up_to)


@settings(deadline=None)
@given(SEEDS)
def test_graduated_costs_never_fall(seed):
    chance = Random(seed)
    model = Graduated(cases.tiers(chance))
    quantities = sorted(cases.quantity(chance) for _ in range(10))
    costs = [exact(model, quantity) for quantity in quantities]
    assert costs == sorted(costs)


@settings(deadline=None)
@given(SEEDS)
def test_slices_of_a_period_add_up_to_the_whole(seed):
    """Billing what is new each time (cost of all so far less what was billed) bills the whole."""
    chance = Random(seed)
    of_book = book(price(cases.model(chance), match={"user": "ann"}))
    usage = [used(cases.quantity(chance), f"r{number}") for number in range(4)]
    billed = [rated(of_book, *usage[:1]).net]
    for count in range(1, 4):
        before, after = usage[:count], usage[: count + 1]
        billed += (charge.net for charge in late(of_book, before, after))
    assert whole(billed) == Fraction(rated(of_book, *usage).net)


@settings(deadline=None)
@given(SEEDS)
def test_a_line_is_rounded_once(seed):
    """At most half of the smallest unit is between the exact and the rounded amount."""
    chance = Random(seed)
    of_book = book(price(Graduated(cases.tiers(chance))), currency=chance.choice(cases.CURRENCIES))
    charge = charged(of_book, used(cases.quantity(chance)))
    half = Decimal(5).scaleb(-currency_digits(of_book.currency) - 1)
    assert abs(charge.gross - charge.exact) <= half
    assert Fraction(charge.exact) == whole(part.amount for part in charge.parts)


@pytest.mark.parametrize(
    ("currency", "amount"),
    [
        ("CLP", "1235"),
        ("JPY", "1235"),
        ("EUR", "1234.57"),
        ("KWD", "1234.568"),
        ("BHD", "1234.568"),
        ("CLF", "1234.5678"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(currency, amount):
    charge = charged(book(price(PerUnit(dec("1234.56784"))), currency=currency), used(1))
    assert str(charge.net) == amount


def test_zero_decimal_currency():
    """CLP and JPY have no digits after the point, KWD has three."""
    for currency, digits in (("CLP", 0), ("JPY", 0), ("KWD", 3)):
        charge = charged(book(price(PerUnit(dec("0.5555"))), currency=currency), used(1))
        assert charge.net == Decimal("0.5555").quantize(Decimal(1).scaleb(-digits), "ROUND_HALF_UP")
        assert -charge.net.as_tuple().exponent == digits


def test_big_amounts_present():
    """10**15 units at a millionth keep every digit."""
    charge = charged(price(PerUnit(dec("0.000001"))), used(10**15 + 1))
    assert (str(charge.exact), str(charge.net)) == ("1000000000.000001", "1000000000.00")
    tiny = charged(
        price(PerUnit(dec("0.000000000001"))), used("99999999999999999999.999999999999999999")
    )
    assert str(tiny.exact) == "99999999.999999999999999999999999999999"


@settings(deadline=None)
@given(SEEDS)
def test_the_order_of_usage_changes_nothing(seed):
    chance = Random(seed)
    of_book = book(
        price(Graduated(cases.tiers(chance)), line_by=("user",)),
        price(PerUnit(dec(2)), "tokens", match={"meter_type": "tokens"}),
    )
    usage = [
        used(cases.quantity(chance), f"r{number}", user=chance.choice("abc"), meter_type=kind)
        for number, kind in enumerate(chance.choices(("calls", "tokens"), k=8))
    ]
    shuffled = chance.sample(usage, len(usage))
    assert rated(of_book, *usage) == rated(of_book, *shuffled)


@settings(deadline=None)
@given(SEEDS)
def test_quantities_are_conserved(seed):
    chance = Random(seed)
    models = "opus", "haiku", "sonnet"
    of_book = book(
        price(PerUnit(dec(1)), "opus", match={"model": "opus"}),
        price(PerUnit(dec(1)), "haiku", match={"model": "haiku"}, line_by=("region",)),
    )
    usage = []
    for number in range(5):
        entries = [
            ((chance.choice(models), chance.choice("ab")), cases.quantity(chance)) for _ in range(3)
        ]
        rest = chance.choice((0, 5))
        total = reduce(EXACT.add, [value for _, value in entries], Decimal(rest))
        usage.append(used(total, f"r{number}", breakdowns={"model,region": entries}))
    rating = rated(of_book, *usage)
    found = [charge.quantity for charge in rating.charges] + [
        one.quantity for one in rating.unpriced
    ]
    assert whole(found) == whole(one.value for one in usage)


def test_too_many_digits_are_an_error_and_never_a_wrong_number():
    one = price(PerUnit(dec("0." + "1" * 50)), line_by=("user",))
    rating = rated(one, used("9" * 38))
    assert not rating.charges
    [unpriced] = rating.unpriced
    assert (unpriced.reason, unpriced.quantity) == ("too_many_digits", dec("9" * 38))
    assert unpriced.fields == {"meter_type": '"calls"', "user": '"ann"'}


def test_38_digits_times_38_digits_are_exact():
    charge = charged(price(PerUnit(dec("9" * 38))), used("9" * 38))
    assert charge.net == (10**38 - 1) ** 2


def test_sums_beyond_all_digits_are_unpriced():
    usage = [used("1e70", "a"), used("1e-18", "b")]
    [unpriced] = rated(price(PerUnit(dec(1))), *usage).unpriced
    assert (unpriced.reason, unpriced.records) == ("too_many_digits", ("a", "b"))


def test_packages_of_three_at_a_third():
    assert exact(Package(dec(3), dec("0.1")), dec("3.000000000000000001")) == Fraction(1, 5)
