"""Which usage a price is for: cutting of records, matching, lines, and what is unpriced."""

import pytest

from meterhouse.core.charge import ChargeKind
from meterhouse.core.price_book import (
    Flat,
    Graduated,
    Hybrid,
    Included,
    Matrix,
    PerUnit,
    Stairstep,
    Volume,
)
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.rating import RatingError
from tests.core.price_books import EXAMPLE
from tests.rating.books import book, charged, dec, price, rated, tier, used

ONE, TWO, THREE = (PerUnit(dec(number)) for number in (1, 2, 3))


def quantities(rating):
    """Lines by sku and field values, and what is unpriced by its reason."""
    lines = {(c.sku, *c.fields.values()): int(c.quantity) for c in rating.charges}
    return lines | {one.reason: int(one.quantity) for one in rating.unpriced}


def test_the_price_with_the_most_fields_wins():
    of_book = book(
        price(ONE, "any"),
        price(TWO, "calls", match={"meter_type": "calls"}),
        price(THREE, "both", match={"meter_type": "calls", "user": "ann", "category": "api"}),
    )
    usage = used(1, "a"), used(2, "b", user="bob"), used(4, "c", meter_type="x")
    assert quantities(rated(of_book, *usage)) == {("both",): 1, ("calls",): 2, ("any",): 4}


def test_among_equals_the_higher_priority_wins():
    of_book = book(
        price(ONE, "low", match={"user": "ann"}),
        price(TWO, "high", match={"category": "api"}, priority=1),
    )
    assert quantities(rated(of_book, used(1))) == {("high",): 1}


def test_a_tie_is_unpriced():
    of_book = book(
        price(ONE, "a", match={"user": "ann"}), price(TWO, "b", match={"user": ["ann", "x"]})
    )
    (one,) = rated(of_book, used(5, "r1"), used(6, "r2")).unpriced
    assert (one.reason, one.skus, one.quantity, one.records) == (
        "ambiguous",
        ("a", "b"),
        11,
        ("r1", "r2"),
    )
    assert one.fields == {"meter_type": '"calls"', "user": '"ann"'}


def test_no_price_is_unpriced():
    of_book = book(price(ONE, match={"meter_type": "tokens"}))
    assert quantities(rated(of_book, used(5))) == {"no_price": 5}


def test_usage_of_0_needs_no_price():
    assert rated(book(price(ONE, match={"meter_type": "tokens"})), used(0)).unpriced == ()


def test_any_value_and_the_missing_one_hold():
    of_book = book(price(ONE, match={"region": "*"}))
    usage = used(1, "a", custom_fields={"region": "EU"}), used(2, "b")
    assert quantities(rated(of_book, *usage)) == {("calls",): 3}


def test_null_is_the_missing_value():
    of_book = book(
        price(ONE, "none", match={"region": None}),
        price(TWO, "eu", match={"region": ["eu", None, 5]}, priority=1),
    )
    usage = used(1, "a"), used(2, "b", breakdowns={"region": [(["eu"], 1), ([None], 1)]})
    assert quantities(rated(of_book, *usage)) == {("eu",): 3}
    assert quantities(rated(book(of_book.prices[0]), *usage)) == {("none",): 2, "no_price": 1}


def test_custom_fields_and_the_customer_match():
    of_book = book(
        price(ONE, "gold", match={"plan": "gold", "customer": "acme"}),
        price(TWO, "other", match={"customer": ["acme", "x"]}),
        price(THREE, "never", match={"customer": "x", "plan": "gold", "user": "ann"}),
    )
    usage = used(1, "a", custom_fields={"plan": "gold"}), used(2, "b", custom_fields={"plan": 5})
    assert quantities(rated(of_book, *usage)) == {("gold",): 1, ("other",): 2}


def test_own_fields_of_a_record_go_before_custom_ones_and_groups():
    usage = used(3, custom_fields={"user": "eve"}, breakdowns={"user": [(["eve"], 3)]})
    assert quantities(rated(book(price(ONE, match={"user": "ann"})), usage)) == {("calls",): 3}


MODELS = {
    "model": [(["opus"], 5), (["haiku"], 4)],
    "model,region": [(["opus", "eu"], 5), (["haiku", "us"], 4)],
}


def test_the_breakdown_with_the_fewest_fields_is_taken():
    of_book = book(price(ONE, line_by=("model",)))
    charges = rated(of_book, used(9, breakdowns=MODELS)).charges
    assert [dict(c.fields) for c in charges] == [{"model": '"haiku"'}, {"model": '"opus"'}]
    assert [dict(s.fields) for c in charges for s in c.sources] == [
        {"model": '"haiku"'},
        {"model": '"opus"'},
    ]


def test_fields_of_all_prices_are_in_the_breakdown():
    of_book = book(
        price(ONE, "opus", match={"model": "opus"}), price(TWO, "us", match={"region": "us"})
    )
    assert quantities(rated(of_book, used(9, breakdowns=MODELS))) == {("opus",): 5, ("us",): 4}


def test_without_groups_in_prices_the_record_is_one():
    charge = charged(price(ONE), used(9, breakdowns=MODELS))
    assert [(s.record_id, s.quantity, s.fields) for s in charge.sources] == [("r1", 9, {})]


def test_what_a_breakdown_lacks_is_an_item_of_its_own():
    of_book = book(price(ONE, "opus", match={"model": "opus"}), price(TWO, "rest"))
    usage = used(20, breakdowns=MODELS)
    assert quantities(rated(of_book, usage)) == {("opus",): 5, ("rest",): 15}
    assert quantities(rated(price(ONE, line_by=("model",)), usage)) == {
        ("calls", '"opus"'): 5,
        ("calls", '"haiku"'): 4,
        ("calls", "null"): 11,
    }


def test_no_breakdown_has_all_fields():
    of_book = book(price(ONE, "a", match={"model": "opus"}), price(TWO, "b", match={"app": "x"}))
    usage = used(9, breakdowns={"model": [(["opus"], 9)], "app": [(["x"], 9)]})
    assert quantities(rated(of_book, usage)) == {"no_breakdown": 9}


def test_a_price_book_as_it_is_written():
    """The example of price books, read from its document."""
    tokens = [
        ("gpt-4o", "input", 834567),
        ("gpt-4o", "cached", 400000),
        ("gpt-4o", "output", 98765),
    ]
    entries = [(("ai", model, kind), quantity) for model, kind, quantity in tokens]
    usage = (
        used(150000, "a", custom_fields={"service": "message", "component": "aura-groot"}),
        used(1333332, "b", breakdowns={"service,model,token_type": entries}),
    )
    rating = rated(read_price_book(EXAMPLE), *usage)
    assert rating.unpriced == ()
    assert [str(charge.net) for charge in rating.charges] == ["355.00", "3.57"]


def test_a_field_that_no_breakdown_has():
    of_book = book(price(ONE, match={"model": "opus"}))
    assert quantities(rated(of_book, used(9))) == {"no_breakdown": 9}
    other = book(*of_book.prices, price(TWO, "rest", match={"meter_type": "calls"}))
    assert quantities(rated(other, used(9))) == {("rest",): 9}


def test_prices_for_other_records_ask_for_no_fields():
    of_book = book(
        price(ONE, "calls", match={"meter_type": "calls"}),
        price(TWO, "tokens", match={"meter_type": "tokens", "app": "x"}),
    )
    usage = used(9, breakdowns={"model": [(["opus"], 9)], "app": [(["x"], 9)]})
    assert charged(of_book, usage).sources[0].fields == {}


def test_entries_that_are_more_than_the_record_are_no_parts():
    """The maximum of a meter is not the sum of the maxima of its groups."""
    usage = used(7, breakdowns={"model": [(["opus"], 5), (["haiku"], 7)]})
    assert quantities(rated(price(ONE, line_by=("model",)), usage)) == {"no_breakdown": 7}


def test_cells_without_a_price_are_unpriced():
    model = Matrix(("model",), {('"opus"',): dec(15)})
    usage = used(11, breakdowns={"model": [(["opus"], 5), (["haiku"], 4)]})
    rating = rated(price(model, "tokens"), usage)
    assert [int(charge.quantity) for charge in rating.charges] == [5]
    assert [(one.quantity, one.fields.get("model"), one.skus) for one in rating.unpriced] == [
        (2, None, ("tokens",)),
        (4, '"haiku"', ("tokens",)),
    ]


def test_a_default_prices_all_other_cells():
    model = Matrix(("model",), {('"opus"',): dec(15)}, dec(1))
    usage = used(11, breakdowns={"model": [(["opus"], 5), (["haiku"], 4)]})
    charge = charged(price(model), usage)
    assert [(p.label, p.quantity, p.amount) for p in charge.parts] == [
        ("opus", 5, 75),
        ("haiku", 4, 4),
        ("(none)", 2, 2),
    ]


def test_two_matrices_in_one_hybrid():
    by_model = Matrix(("model",), {('"opus"',): dec(1), ('"haiku"',): dec(2)})
    by_region = Matrix(("region", "model"), {('"eu"', '"opus"'): dec(10)}, dec(20))
    charge = charged(price(Hybrid((by_model, by_region))), used(9, breakdowns=MODELS))
    assert [p.amount for p in charge.parts] == [5, 8, 50, 80]
    assert charge.model == "hybrid"


def test_numbers_as_values():
    model = Matrix(("level",), {("5",): dec(1)})
    assert charged(price(model), used(3, breakdowns={"level": [([5], 3)]})).parts[0].label == "5"


@pytest.mark.parametrize("only_if_used", [False, True])
def test_fees_are_due_without_usage(only_if_used):
    one = price(Flat(dec(99), only_if_used=only_if_used), "fee", match={"meter_type": "calls"})
    rating = rated(one)
    if only_if_used:
        assert rating.charges == ()
    else:
        (fee,) = rating.charges
        assert (fee.kind, fee.net, fee.quantity, fee.sources) == (ChargeKind.FEE, 99, 0, ())


@pytest.mark.parametrize(("value", "amount"), [(0, 0), (1, 99)])
def test_fees_only_if_used(value, amount):
    one = price(Flat(dec(99), only_if_used=True), "fee")
    assert charged(one, used(value)).net == amount


def test_a_fee_takes_no_usage():
    of_book = book(price(Flat(dec(99)), "fee", match={"customer": "acme"}))
    assert quantities(rated(of_book, used(5))) == {("fee",): 0, "no_price": 5}


def test_a_fee_of_another_customer_is_not_due():
    assert rated(price(Flat(dec(99)), "fee", match={"customer": "x"})).charges == ()


def test_fees_by_line_are_due_for_each_line():
    one = price(Flat(dec(5)), "seat", match={"meter_type": "calls"}, line_by=("user",))
    assert rated(one).charges == ()
    assert rated(one, used(1, "a"), used(2, "b", user="bob")).net == 10


def test_a_hybrid_with_a_fee_is_due_without_usage():
    one = price(Hybrid((Flat(dec(10)), Graduated((tier(None, 1, 3),)))))
    (charge,) = rated(one).charges
    assert charge.net == 13


def test_prorated_fees():
    one = price(Flat(dec(1000), prorate=True), "fee")
    (charge,) = rated(one, share=(17, 30)).charges
    assert (str(charge.net), charge.parts[0].label) == ("566.67", "flat, 17 of 30 days")
    assert str(charge.exact) == "566." + "6" * 29 + "7"
    (whole,) = rated(one, share=(30, 30)).charges
    assert whole.net == 1000
    (kept,) = rated(price(Flat(dec(1000))), share=(17, 30)).charges
    assert kept.net == 1000


def test_included_usage_is_counted_and_costs_nothing():
    charge = charged(price(Included()), used(5))
    assert (charge.quantity, charge.net, charge.parts[0].label) == (5, 0, "included")


def test_charges_are_in_the_order_of_the_book():
    of_book = book(
        price(ONE, "z", match={"meter_type": "z"}), price(ONE, "a", match={"meter_type": "a"})
    )
    usage = used(1, "1", meter_type="a"), used(1, "2", meter_type="z")
    assert [charge.sku for charge in rated(of_book, *usage).charges] == ["z", "a"]


@pytest.mark.parametrize(
    "model",
    [
        Stairstep((tier(0, flat=7), tier(None, flat=20))),
        Graduated((tier(10, 1, 3), tier(None, 2))),
        Volume((tier(10, 1, 3), tier(None, 2))),
        Hybrid((ONE, Flat(dec(5)))),
    ],
)
def test_what_no_usage_costs_is_due_without_usage(model):
    [charge] = rated(price(model)).charges
    assert charge.net == charged(price(model, match={"meter_type": "calls"}), used(0)).net > 0
    assert not rated(price(model, line_by=("user",))).charges


def test_what_others_use_is_not_due_without_usage():
    for match in ({"user": "zed"}, {"meter_type": "ai"}, {"category": "ai"}, {"service": "ai"}):
        least = price(ONE, "ai", match=match, minimum=dec(50))
        assert not rated(book(least, price(Included())), used(3)).charges[1:]
    flat = price(Flat(dec(50)), "zed", match={"user": "zed"})
    assert not rated(book(flat, price(Included())), used(3)).charges[1:]
    # The customer has such a meter, whose usage another price takes.
    own = price(ONE, "all", match={"meter_type": "calls"}, minimum=dec(50))
    whole = rated(book(own, price(ONE, match={"meter_type": "calls", "user": "ann"})), used(3))
    assert [(one.sku, one.net) for one in whole.charges] == [("all", 50), ("calls", 3)]


def test_a_minimum_is_due_without_usage():
    assert [one.net for one in rated(price(ONE, minimum=dec(10))).charges] == [10]
    assert not rated(price(ONE)).charges
    assert not rated(price(Flat(dec(5), only_if_used=True))).charges


def test_a_price_that_wins_whatever_the_groups_asks_for_no_breakdown():
    of_book = book(
        price(ONE, "ai", match={"service": "ai"}),
        price(ONE, "store", match={"meter_type": "Max"}, priority=1),
    )
    # Entries of a maximum are more than the whole: they are no parts of it.
    entries = {"service": [(["ai"], 7), (["nlp"], 9)]}
    rating = rated(of_book, used(9, meter_type="Max", breakdowns=entries))
    assert [(one.sku, one.quantity) for one in rating.charges] == [("store", 9)]
    assert not rating.unpriced


@pytest.mark.parametrize("store", [{"priority": 0}, {"priority": -1}])
def test_a_price_that_does_not_win_leaves_the_breakdown_to_others(store: dict):
    of_book = book(
        price(ONE, "ai", match={"service": "ai"}),
        price(ONE, "store", match={"meter_type": "Max"}, **store),
    )
    entries = {"service": [(["ai"], 7), (["nlp"], 9)]}
    rating = rated(of_book, used(9, meter_type="Max", breakdowns=entries))
    assert [one.reason for one in rating.unpriced] == ["no_breakdown"]


def test_a_more_specific_price_by_group_still_asks_for_its_breakdown():
    of_book = book(
        price(ONE, "ai", match={"meter_type": "calls", "service": "ai"}),
        price(ONE, "all", match={"meter_type": "calls"}, priority=5),
    )
    entries = {"service": [(["ai"], 7), (["nlp"], 2)]}
    rating = rated(of_book, used(9, breakdowns=entries))
    assert [(one.sku, one.quantity) for one in rating.charges] == [("ai", 7), ("all", 2)]


def test_events_add_up_to_their_record():
    with pytest.raises(RatingError, match="record r1: the value is 5, its events add up to 4"):
        rated(price(ONE), used(5, events=(dec(1), dec(3))))


def test_a_currency_that_is_none_is_an_error():
    with pytest.raises(RatingError, match="price book book: there is no currency 'EURO'"):
        rated(book(price(ONE), currency="EURO"), used(1))


@pytest.mark.parametrize(
    "model",
    [
        Stairstep((tier(10, flat=120), tier(None, flat=400))),
        Volume((tier(10, 1, 3), tier(None, 2))),
        ONE,
    ],
)
def test_a_meter_that_nobody_used_is_no_line_where_lines_are_of_what_was_used(model):
    one = price(model, line_by=("component", "service"))
    section = {"component,service": [(("groot", "message"), 7)]}
    unused = used(0, "b", meter_type="other", breakdowns={"component,service": []})
    [charge] = rated(one, used(7, "a", breakdowns=section), used(0, "c"), unused).charges
    assert charge.fields == {"component": '"groot"', "service": '"message"'}
    assert not rated(one, used(0), unused).charges
