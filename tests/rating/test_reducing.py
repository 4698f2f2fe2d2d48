"""What becomes of quantities before they are priced, and of amounts after: in which order."""

from dataclasses import replace

import pytest

from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    Conversion,
    CostPlus,
    Discount,
    DiscountKind,
    Flat,
    Graduated,
    Hybrid,
    Matrix,
    Package,
    Percentage,
    PerUnit,
)
from meterhouse.rating import RatingError
from tests.rating.books import book, charged, dec, net, price, rated, tier, used

ONE = PerUnit(dec(1))
TIERS = (tier(10, 2), tier(None, 1))


def discount(kind, value, name=""):
    return Discount(DiscountKind(kind), dec(value), name)


def reductions(charge):
    return [(one.name, one.kind, str(one.amount)) for one in charge.reductions]


def test_conversion_then_discount_then_included_units():
    one = price(
        Graduated(TIERS),
        conversion=Conversion(divide=dec(60), digits=0),
        discounts=(discount("usage", 5),),
        included=dec(7),
    )
    charge = charged(one, used(1201))  # 21 started minutes, less 12
    assert (charge.quantity, charge.billable, charge.net) == (1201, 9, 18)


@pytest.mark.parametrize(
    ("mode", "amount"),
    [(Rounding.CEILING, "3.00"), (Rounding.FLOOR, "2.00"), (Rounding.HALF_UP, "2.00")],
)
def test_rounding_of_conversions(mode, amount):
    assert net(ONE, 7, conversion=Conversion(divide=dec(3), digits=0, rounding=mode)) == amount


def test_a_conversion_without_end_loses_nothing():
    """10,000 seconds are 2.777... hours; at 3.60 an hour they cost 10."""
    charge = charged(
        price(PerUnit(dec("3.60")), conversion=Conversion(divide=dec(3600))), used(10000)
    )
    assert (charge.exact, str(charge.billable)) == (10, "2.777777777777777777777777777778")


def test_bounds_of_tiers_are_in_converted_units():
    conversion = Conversion(multiply=dec(2), divide=dec(3))
    charge = charged(price(Graduated(TIERS), conversion=conversion), used(16))
    assert [str(part.quantity)[:5] for part in charge.parts] == ["10", "0.666"]
    assert str(charge.net) == "20.67"


def test_a_price_for_three_units():
    charge = charged(price(PerUnit(dec(1)), per=dec(3)), used(5))
    assert (str(charge.net), charge.per, charge.list_price) == ("1.67", 3, 1)


def test_sums_of_quotients_without_end_are_exact():
    model = Hybrid((Flat(dec(1), prorate=True), PerUnit(dec(1)), PerUnit(dec(2))))
    (charge,) = rated(price(model, per=dec(3)), used(1), share=(1, 7)).charges
    assert str(charge.net) == "1.14"  # 1/7 + 1/3 + 2/3


@pytest.mark.parametrize(("included", "amount"), [(10, "0.00"), (3, "2.00")])
def test_included_units(included, amount):
    assert net(ONE, 5, included=dec(included)) == amount


def test_included_units_are_taken_off_cell_by_cell():
    model = Matrix(("m",), {('"a"',): dec(10), ('"b"',): dec(1)})
    usage = used(9, breakdowns={"m": [(["b"], 5), (["a"], 4)]})
    charge = charged(price(model, included=dec(5)), usage)
    assert [(part.label, part.quantity) for part in charge.parts] == [("b", 4)]
    assert charge.billable == 4


def test_percentages_before_amounts_each_of_what_is_left():
    discounts = (
        discount("amount", 5),
        discount("percentage", 10),
        discount("percentage", 50, "half"),
    )
    charge = charged(price(ONE, discounts=discounts), used(100))
    assert reductions(charge) == [
        ("10 % discount", "discount", "10.00"),
        ("half", "discount", "45.00"),
        ("discount", "discount", "5.00"),
    ]
    assert (charge.gross, charge.net) == (100, 40)


def test_an_amount_is_never_reduced_below_0():
    charge = charged(price(ONE, discounts=(discount("amount", 500),)), used(100))
    assert (reductions(charge), charge.net) == ([("discount", "discount", "100.00")], 0)


def test_nothing_is_taken_off_nothing():
    assert reductions(charged(price(ONE, discounts=(discount("percentage", 10),)), used(0))) == []


def test_the_maximum_is_after_discounts():
    one = price(ONE, discounts=(discount("percentage", 10),), maximum=dec(80))
    charge = charged(one, used(100))
    assert reductions(charge)[1:] == [("maximum", "maximum", "10.00")]
    assert charge.net == 80
    assert charged(one, used(80)).net == 72


LEAST = price(ONE, minimum=dec(1000))


@pytest.mark.parametrize(
    ("prorated", "days", "due"),
    [
        (False, (17, 30), "1000.00"),
        (True, (17, 30), "566.67"),
        (True, (30, 30), "1000.00"),
        # Where no day is charged, what was used is, and nothing is due at least.
        (False, (0, 30), "412.37"),
        (True, (0, 30), "412.37"),
    ],
)
def test_a_minimum_is_for_a_whole_period_unless_it_is_prorated(prorated, days, due):
    one = replace(LEAST, prorate_minimum=prorated)
    (charge,) = rated(one, used("412.37"), share=days).charges
    assert str(charge.net) == due
    lacking = [str(part.amount) for part in charge.parts if part.label == "minimum"]
    assert lacking == ([] if due == "412.37" else [str(dec(due) - dec("412.37"))])


def test_a_prorated_minimum_has_the_digits_of_its_currency():
    yen = book(replace(LEAST, prorate_minimum=True), currency="JPY")
    (charge,) = rated(yen, used(400), share=(17, 30)).charges
    assert str(charge.net) == "567"


def test_a_minimum_without_usage_is_prorated_too():
    (charge,) = rated(replace(LEAST, prorate_minimum=True), share=(17, 30)).charges
    assert str(charge.net) == "566.67"


@pytest.mark.parametrize("quantity", [0, 7])
def test_of_a_period_of_which_no_day_is_charged_only_usage_is(quantity):
    none = {"share": (0, 30)}
    fee, bands = Flat(dec(5)), Graduated((tier(None, 1, 3),))
    used_up = {"match": {"meter_type": "calls"}}
    found = rated(price(fee, **used_up), used(quantity), **none).charges
    assert [one.net for one in found] == ([0] if quantity else [])
    found = rated(price(Hybrid((fee, bands)), **used_up), used(quantity), **none).charges
    assert [one.net for one in found] == ([10] if quantity else [])


@pytest.mark.parametrize(("quantity", "amount"), [(0, 50), (40, 50), (55, 55)])
def test_the_minimum_is_last(quantity, amount):
    charge = charged(price(ONE, minimum=dec(50)), used(quantity))
    assert charge.net == charge.gross == charge.exact == amount
    assert sum(part.amount for part in charge.parts) == amount


def test_with_a_minimum_gross_less_reductions_is_net():
    one = price(ONE, discounts=(discount("percentage", 10),), maximum=dec(30), minimum=dec(50))
    charge = charged(one, used(100))
    assert (
        charge.gross - sum(reduction.amount for reduction in charge.reductions) == charge.net == 50
    )
    assert charge.parts[-1].label == "minimum"


def test_unit_prices_are_shown_with_the_digits_of_the_book():
    of_book = book(price(PerUnit(dec("0.123456"))), unit_price_digits=4)
    charge = charged(of_book, used(1000000))
    assert (str(charge.list_price), str(charge.parts[0].unit_price)) == ("0.1235", "0.1235")
    assert charge.net == 123456


def test_labels_of_tiers():
    charge = charged(
        price(Graduated((tier(1000, 1), tier("2500.5", 1), tier(None, 1)))), used(9999)
    )
    assert [part.label for part in charge.parts] == [
        "0 to 1,000",
        "1,000 to 2,500.5",
        "over 2,500.5",
    ]


def test_above_the_last_tier_is_an_error():
    with pytest.raises(RatingError, match="above_tiers"):
        net(Graduated((tier(20, 1),)), 21)


def test_division_by_nothing_is_an_error():
    with pytest.raises(RatingError, match="too_many_digits"):
        net(ONE, 1, per=dec(0))


@pytest.mark.parametrize(
    ("size", "label"), [(1000, "2 packages of 1,000"), (5000, "1 package of 5,000")]
)
def test_labels_of_packages(size, label):
    charge = charged(price(Package(dec(size), dec(1))), used(1001))
    assert charge.parts[0].label == label


EVENTS = tuple(map(dec, ("50", "100", "250", "400")))


@pytest.mark.parametrize(
    ("free_events", "free_amount", "amount"),
    [
        (0, 0, "18.40"),
        (3, 250, "11.15"),  # the free amount ends in the third event
        (3, 500, "7.20"),  # the free events end first
        (5, 0, "0.00"),
        (0, 15, "18.21"),
    ],
)
def test_free_events_and_the_free_amount(free_events, free_amount, amount):
    model = Percentage(dec("1.3"), dec(2), dec(free_amount), free_events)
    charge = charged(price(model), used(800, events=EVENTS))
    assert str(charge.net) == amount


def test_limits_hold_for_paid_events_only():
    model = Percentage(dec("2.99"), free_amount=dec(30), minimum=dec("1.75"), maximum=dec(12))
    charge = charged(price(model), used(10090, events=(dec(10), dec(80), dec(10000))))
    assert (str(charge.exact), charge.parts[0].label) == (
        *(
            "13.7940",
            "2.99 % on 2 events, at least 1.75 each, at most 12 each, 1 free, up to 30 free",
        ),
    )


def test_an_event_that_is_included_is_not_charged():
    charge = charged(
        price(Percentage(dec(10), dec(1)), included=dec(50)), used(60, events=(dec(50), dec(10)))
    )
    assert (charge.net, charge.parts[0].label) == (2, "10 % on 1 event, plus 1 each")


def test_events_of_0_pay_the_fixed_amount():
    assert charged(price(Percentage(dec(10), dec(1))), used(0, events=(dec(0),))).net == 1


def test_percentages_of_converted_amounts():
    one = price(Percentage(dec(1), maximum=dec("0.5")), conversion=Conversion(divide=dec(3)))
    assert str(charged(one, used(100, events=(dec(100),))).exact) == "0." + "3" * 30


def test_percentages_by_cell_count_events():
    model = Hybrid((Percentage(dec(0), dec(1)), Matrix(("m",), {('"a"',): dec(1)})))
    usage = [
        replace(one, breakdowns={("m",): (replace(entry, events=(entry.value,)),)})
        for one in (
            used(3, "a", breakdowns={"m": [(["a"], 3)]}),
            used(4, "b", breakdowns={"m": [(["a"], 4)]}),
        )
        for entry in one.breakdowns["m",]
    ]
    assert charged(price(model), *usage).net == 9


@pytest.mark.parametrize("limits", [{"fixed": dec(1)}, {"free_events": 1}, {"maximum": dec(0)}])
def test_a_price_for_each_event_refuses_usage_whose_events_nobody_knows(limits):
    one = price(Percentage(dec(1), **limits))
    [unpriced] = rated(one, used(7)).unpriced
    assert (unpriced.reason, unpriced.skus, unpriced.quantity) == ("no_events", ("calls",), 7)
    assert charged(one, used(0)).net == 0


def test_a_factor_is_no_price_for_units():
    assert net(CostPlus(dec("1.2")), 10, per=dec(1000)) == "12.00"
