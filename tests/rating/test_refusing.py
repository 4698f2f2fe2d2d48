"""Usage that takes something back, and lines of which no right amount can be made."""

import pytest

from meterhouse.core.charge import Rating
from meterhouse.core.price_book import (
    Flat,
    Graduated,
    Hybrid,
    Included,
    Matrix,
    Percentage,
    PerUnit,
    Price,
)
from meterhouse.rating.stretches import Stretch, rate_stretches
from tests.rating.books import CUSTOMER, PERIOD, book, charged, dec, price, rated, tier, used

ONE = PerUnit(dec(1))
SHARE = Percentage(dec("2.9"))
LIMITED = Percentage(dec("2.9"), dec("0.30"), minimum=dec("0.50"), maximum=dec(20))


def paid(model: Percentage, *events: str, **more) -> str:
    """What a percentage of single events comes to."""
    values = tuple(map(dec, events))
    return str(charged(price(model, **more), used(sum(values), events=values)).net)


def told(rating: Rating) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.reason, str(one.quantity), one.records) for one in rating.unpriced]


def test_a_line_below_0_is_unpriced_and_the_rest_is_rated():
    calls, other = price(ONE), price(ONE, "other", match={"meter_type": "other"})
    usage = used(2, "a"), used(-7, "b"), used(3, "c", meter_type="other")
    rating = rated(book(calls, other), *usage)
    assert [(charge.sku, str(charge.net)) for charge in rating.charges] == [("other", "3.00")]
    assert told(rating) == [("below_zero", "-5", ("a", "b"))]
    assert rating.unpriced[0].skus == ("calls",)


def test_less_usage_within_a_line_is_less_usage():
    assert charged(price(ONE), used(7, "a"), used(-2, "b")).net == 5


def test_a_cell_below_0_is_unpriced_with_its_field():
    cells = price(Matrix(("type",), {('"in"',): dec(2), ('"out"',): dec(1)}))
    entries = {"type": [(["in"], 9), (["out"], -2)]}
    rating = rated(cells, used(7, breakdowns=entries))
    assert [(one.fields["type"], one.quantity, one.reason) for one in rating.unpriced] == [
        ('"in"', 9, "below_zero"),
        ('"out"', -2, "below_zero"),
    ]
    [charge] = rated(cells, used(7, breakdowns=entries), floor=True).charges
    assert (charge.net, charge.quantity) == (18, 7)


@pytest.mark.parametrize("model", [Included(), Flat(dec(5))])
def test_what_costs_the_same_however_little_is_used_may_be_below_0(model):
    assert charged(price(model, match={"meter_type": "calls"}), used(-3)).quantity == -3


def test_a_floored_line_costs_what_no_usage_costs_and_is_told():
    one = price(Graduated((tier(10, 1, 3), tier(None, 2))))
    rating = rated(one, used(-5), floor=True)
    [charge] = rating.charges
    assert (charge.net, charge.quantity, charge.billable) == (3, -5, 0)
    assert [(told.quantity, told.reason) for told in rating.floored] == [(-5, "below_zero")]
    assert not rating.unpriced


def test_a_line_that_comes_to_less_than_0_in_a_later_stretch_gives_back_what_it_had():
    stretches = [
        Stretch(book(price(ONE)), PERIOD, 15, 15, [used(3, "a")]),
        Stretch(book(price(ONE), version="2"), PERIOD, 16, 16, [used(-5, "b")]),
    ]
    first, then = rate_stretches(stretches, customer=CUSTOMER, floor=True)
    assert [charge.net for charge in (*first.charges, *then.charges)] == [3, -3]
    first, then = rate_stretches(stretches, customer=CUSTOMER)
    assert (first.charges, then.charges) == ((), ())
    assert told(first) + told(then) == [("below_zero", "3", ("a",)), ("below_zero", "-5", ("b",))]


def test_usage_taken_back_in_a_later_stretch_gives_back_what_it_cost():
    stretches = [
        Stretch(book(price(ONE)), PERIOD, 15, 15, [used(3, "a")]),
        Stretch(book(price(ONE), version="2"), PERIOD, 16, 16, [used(-2, "b")]),
    ]
    first, then = rate_stretches(stretches, customer=CUSTOMER)
    assert (first.net, then.net) == (3, -2)


def test_a_refund_gives_its_share_back():
    assert paid(Percentage(dec("2.9"), dec("0.30")), "120", "-50") == "2.33"
    assert paid(SHARE, "120", "-50") == "2.03"


def test_a_refund_has_no_minimum_and_gives_back_no_more_than_the_maximum():
    assert paid(LIMITED, "120.00", "3.10", "900.00") == "24.28"
    assert paid(LIMITED, "120.00", "3.10", "900.00", "-3.10") == "24.19"
    assert paid(LIMITED, "120.00", "3.10", "900.00", "-900.00") == "4.28"


def test_a_percentage_says_what_each_event_costs():
    model = Percentage(dec("2.9"), dec("0.30"), free_events=1, minimum=dec("0.50"), maximum=dec(20))
    usage = used(123, events=(dec(100), dec(3), dec(20)))
    assert charged(price(model), usage).parts[0].label == (
        "2.9 % on 2 events, plus 0.3 each, at least 0.5 each, at most 20 each, 1 free"
    )
    usage = used(80, events=(dec(100), dec(-20)))
    assert charged(price(SHARE), usage).parts[0].label == (
        "2.9 % on 1 event, less the share of 1 refund"
    )


def test_refunds_of_many_events_never_come_to_less_than_0():
    model = Percentage(dec(1), maximum=dec(1))
    assert paid(model, "1000", *["-150"] * 6) == "0.00"


@pytest.mark.parametrize(
    ("model", "included"),
    [
        (Percentage(dec(1), free_events=1), 0),
        (Percentage(dec(1), free_amount=dec(100)), 0),
        (Percentage(dec(1), dec("0.30")), 10),
    ],
)
def test_what_a_refund_takes_back_may_have_been_free(model, included):
    one = price(model, included=dec(included))
    events = dec(100), dec(-50)
    assert told(rated(one, used(50, events=events))) == [("refund_of_free", "50", ("r1",))]


def test_more_refunds_than_events_are_unpriced():
    assert told(rated(price(LIMITED), used(-40, events=(dec(10), dec(-50))))) == [
        ("below_zero", "-40", ("r1",))
    ]
    assert charged(price(LIMITED), used(-40, events=(dec(-40),)), floor=True).net == 0


def test_a_part_of_a_hybrid_refuses_all_of_it():
    one = Price("calls", Hybrid((Flat(dec(5)), ONE)))
    assert told(rated(one, used(-1))) == [("below_zero", "-1", ("r1",))]
