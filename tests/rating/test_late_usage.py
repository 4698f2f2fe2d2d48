"""Late usage is charged as the difference of two full ratings."""

from meterhouse.core.charge import ChargeKind
from meterhouse.core.price_book import Flat, Graduated, PerUnit, Volume
from tests.rating.books import book, dec, late, price, tier, used

TIERS = (tier(1000, "0.02"), tier(None, "0.01"))
ONE = PerUnit(dec(1))


def test_late_usage_goes_on_through_the_tiers():
    before = [used(900, "a")]
    charges = late(book(price(Graduated(TIERS))), before, [*before, used(200, "b")])
    (charge,) = charges
    assert (charge.kind, charge.quantity, charge.billable) == (ChargeKind.ADJUSTMENT, 200, 200)
    assert str(charge.net) == "3.00"  # 21.00 less 18.00
    assert charge.exact == charge.gross == charge.net
    assert [(part.label, part.quantity, part.amount) for part in charge.parts] == [
        ("rated anew: 0 to 1,000", 1000, 20),
        ("rated anew: over 1,000", 100, 1),
        ("billed before", -900, -18),
    ]
    assert [(source.record_id, source.quantity) for source in charge.sources] == [("b", 200)]


def test_more_usage_may_cost_less():
    """Over the cliff of a volume price the difference is in the customer's favour."""
    (charge,) = late(book(price(Volume(TIERS))), [used(1000)], [used(1001)])
    assert (charge.quantity, str(charge.net)) == (1, "-9.99")


def test_usage_taken_back_is_credited():
    (charge,) = late(book(price(ONE)), [used(10)], [used(4)])
    assert (charge.quantity, charge.net) == (-6, -6)
    assert [source.quantity for source in charge.sources] == [-6]


def test_lines_that_did_not_change_are_left_out():
    of_book = book(
        price(ONE, line_by=("user",)), price(Flat(dec(9)), "fee", match={"customer": "acme"})
    )
    before = [used(1, "a"), used(2, "b", user="bob")]
    after = [used(1, "a"), used(5, "b", user="bob")]
    (charge,) = late(of_book, before, after)
    assert charge.fields == {"user": '"bob"'}


def test_lines_of_one_side_only():
    of_book = book(price(ONE, line_by=("user",)))
    charges = late(of_book, [used(7, "a")], [used(2, "b", user="bob")])
    assert [(c.fields["user"], int(c.net)) for c in charges] == [('"bob"', 2), ('"ann"', -7)]
    assert [len(charge.parts) for charge in charges] == [1, 1]


def test_late_usage_that_costs_nothing_is_shown():
    (charge,) = late(book(price(ONE, included=dec(100))), [used(1)], [used(2)])
    assert (charge.net, charge.quantity, charge.billable) == (0, 1, 0)


def test_shares_of_a_period():
    of_book = book(price(Flat(dec(30), prorate=True), only := "fee", match={"user": "ann"}))
    assert late(of_book, [], [used(1)], share=(1, 30))[0].sku == only
