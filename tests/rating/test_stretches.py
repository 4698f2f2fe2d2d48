"""Periods whose prices change: each part by its own version, and nothing lost between them."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from meterhouse.core.charge import Charge
from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    Commitment,
    Discount,
    DiscountKind,
    Flat,
    Graduated,
    Included,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    Price,
    PriceModel,
    Stairstep,
    Volume,
)
from meterhouse.core.quantity import ZERO
from meterhouse.rating import rate
from meterhouse.rating.amounts import digits_of
from meterhouse.rating.invoicing import completed, invoiced
from meterhouse.rating.stretch_lines import stretch_lines
from meterhouse.rating.stretches import Stretch, rate_stretches
from tests.rating import cases
from tests.rating.books import CUSTOMER, PERIOD, dec, price, tier, used
from tests.rating.stretched import (
    DAYS,
    Use,
    cells_of,
    changed,
    costs,
    equal,
    matrix,
    some_cells,
    stretches,
)

MAKERS: dict[str, Callable[[Random], PriceModel]] = {
    "per unit": lambda chance: PerUnit(cases.unit_price(chance)),
    "graduated": lambda chance: Graduated(cases.tiers(chance)),
    "volume": lambda chance: Volume(cases.tiers(chance)),
    "package": lambda chance: Package(
        dec(chance.choice((1, 7, 100))),
        cases.unit_price(chance),
        dec(chance.choice((0, 0, 30))),
        round_down=chance.random() < 0.3,
    ),
    "matrix": matrix,
    "included": lambda _: Included(),
}


def uses(chance: Random, places: int) -> list[Use]:
    made = [
        Use(
            chance.randrange(places),
            Decimal(chance.choice((0, 1, 10, 70, 100, 1000, chance.randrange(2000)))).scaleb(
                -chance.choice((0, 0, 2))
            ),
            chance.choice("abc"),
        )
        for _ in range(chance.randrange(12))
    ]
    return sorted(made, key=lambda use: use.stretch)


def taken_back(chance: Random, use: Use) -> Use:
    """Some of a use, or all, in whatever stretch."""
    part = chance.choice((Decimal(1), Decimal("0.5"), Decimal("0.01")))
    return replace(use, stretch=chance.randrange(9), quantity=-use.quantity * part)


def firsts(chance: Random) -> list[int]:
    return [0, *sorted(chance.sample(range(1, DAYS), chance.randrange(1, 4)))]


def charges(found: list[Stretch]) -> list[tuple[Charge, ...]]:
    ratings = rate_stretches(found, customer=CUSTOMER)
    assert not any(rating.unpriced for rating in ratings)
    return [rating.charges for rating in ratings]


def nets(found: list[Stretch]) -> list[Decimal]:
    ratings = rate_stretches(found, customer=CUSTOMER)
    return [line.net for line in stretch_lines(found, ratings, digits=2)]


@pytest.mark.parametrize("kind", MAKERS)
def test_each_stretch_costs_what_rating_record_by_record_does(kind: str):
    chance = Random(kind)
    for _ in range(250):
        days = firsts(chance)
        included = dec(chance.choice((0, 0, 5, 50, 1000)))
        prices = [price(MAKERS[kind](chance), included=included)]
        while len(prices) < len(days):
            prices.append(changed(chance, prices[-1], [MAKERS[kind]]))
        given = uses(chance, len(days))
        lengths = [end - start for start, end in zip(days, [*days[1:], DAYS], strict=True)]
        found = charges(stretches(prices, days, given))
        for some, cost in zip(found, costs(prices, lengths, given), strict=True):
            assert equal(some, cost)
        quantities = [sum((charge.quantity for charge in some), ZERO) for some in found]
        assert quantities == [
            sum((use.quantity for use in given if use.stretch == place), ZERO)
            for place in range(len(days))
        ]


def test_each_stretch_of_another_model_costs_what_rating_record_by_record_does():
    makers = [*MAKERS.values(), some_cells, some_cells]
    for seed in range(1500):
        chance = Random(seed)
        days = firsts(chance)
        prices = [
            price(chance.choice(makers)(chance), included=dec(chance.choice((0, 0, 50, 1000))))
            for _ in days
        ]
        given = [
            replace(use, cell=chance.choice(cells_of(prices[use.stretch])))
            for use in uses(chance, len(days))
        ]
        lengths = [end - start for start, end in zip(days, [*days[1:], DAYS], strict=True)]
        found = charges(stretches(prices, days, given))
        for some, cost in zip(found, costs(prices, lengths, given), strict=True):
            assert equal(some, cost), seed


def test_stretches_with_equal_versions_come_to_what_one_rating_does():
    chance = Random(1)
    for _ in range(600):
        one = cases.any_price(chance)
        if chance.random() < 0.2:
            one = replace(one, model=matrix(chance))
        days, given = firsts(chance), uses(chance, 9)
        given += [taken_back(chance, use) for use in given if chance.random() < 0.2]
        asks = isinstance(one.model, Matrix)
        given = [
            replace(use, stretch=use.stretch % len(days), cell=use.cell if asks else "")
            for use in given
        ]
        sure = one if chance.random() < 0.5 else replace(one, maximum=dec(chance.randrange(100)))
        off = (Discount(DiscountKind.AMOUNT, dec(7)), Discount(DiscountKind.PERCENTAGE, dec(9)))
        more = {
            "discounts": chance.choice(((), off, off[::-1])),
            "commitments": chance.choice(((), (Commitment(dec(300), dec(900)),))),
            "round_tiers": chance.random() < 0.3,
            "rounding": chance.choice(list(Rounding)),
        }
        ordered = sorted(given, key=lambda use: use.stretch)
        found = stretches([sure] * len(days), days, ordered, **more)
        usage = [record for stretch in found for record in stretch.usage]
        whole = rate(found[0].book, usage, period=PERIOD, customer=CUSTOMER)
        once = invoiced(found[0].book, whole.charges, period=PERIOD)
        assert sum(nets(found)) == once.totals.lines


def test_equal_versions_come_to_what_one_rating_does_in_a_contract_of_some_days():
    chance = Random(3)
    for _ in range(600):
        fee = Flat(dec(310), *(chance.random() < 0.5 for _ in range(2)))
        flat = price(fee, match={"meter_type": "calls"})
        one = replace(
            chance.choice((cases.any_price(chance), flat)),
            minimum=dec(chance.choice((0, 100, 5000))),
            maximum=dec(9000),
            prorate_minimum=chance.random() < 0.5,
        )
        days = firsts(chance)
        begin, end = sorted(chance.sample(range(DAYS + 1), 2))
        begin = chance.choice((begin, end))  # Now and then no day is charged.
        some = [replace(use, cell="", stretch=use.stretch % len(days)) for use in uses(chance, 9)]
        ordered = sorted(some, key=lambda use: use.stretch)
        promised = (Commitment(dec(300), dec(12000), prorate=chance.random() < 0.5),)
        found = [
            replace(stretch, charged=max(min(end, first + stretch.days) - max(begin, first), 0))
            for stretch, first in zip(
                stretches([one] * len(days), days, ordered, commitments=promised),
                days,
                strict=True,
            )
        ]
        usage = [record for stretch in found for record in stretch.usage]
        share = (end - begin, DAYS)
        whole = rate(found[0].book, usage, period=PERIOD, customer=CUSTOMER, share=share)
        once = invoiced(found[0].book, whole.charges, period=PERIOD, share=share)
        assert sum(nets(found)) == once.totals.lines


def test_one_stretch_is_rated_as_the_period_is():
    chance = Random(2)
    for _ in range(300):
        of_book = cases.any_book(chance, cases.any_price(chance))
        of_book = replace(
            of_book,
            discounts=(Discount(DiscountKind.AMOUNT, dec(3)),),
            commitments=(Commitment(minimum=dec(100), maximum=dec(1000), prorate=True),),
        )
        charged = chance.choice((0, 11, DAYS))
        [stretch] = stretches(
            of_book.prices, [0], [replace(use, cell="") for use in uses(chance, 1)]
        )
        stretch = replace(stretch, book=of_book, charged=charged)
        share = charged, DAYS
        rating = rate(of_book, stretch.usage, period=stretch.period, customer=CUSTOMER, share=share)
        whole = invoiced(of_book, rating.charges, period=stretch.period, share=share)
        found = rate_stretches([stretch], customer=CUSTOMER)
        assert found == (rating,)
        lines = stretch_lines([stretch], found, digits=digits_of(of_book))
        assert completed((of_book,), lines, period=stretch.period) == whole


def halves(one: Price, other: Price, first: int, second: int, **more: object) -> list[Stretch]:
    given = [Use(place, dec(n)) for place, n in enumerate((first, second)) if n]
    return stretches([one, other], [0, 15], given, **more)


GRADUATED = price(Graduated((tier(100, 1), tier(None, "0.5"))))


def test_tiers_go_on_or_start_anew():
    assert nets(halves(GRADUATED, GRADUATED, 80, 80)) == [dec("80.00"), dec("50.00")]
    anew = halves(GRADUATED, GRADUATED, 80, 80, restart_tiers=True)
    assert nets(anew) == [dec("80.00"), dec("80.00")]


def test_the_version_that_begins_says_whether_tiers_start_anew():
    first, second = halves(GRADUATED, GRADUATED, 80, 80)
    restarting = replace(first, book=replace(first.book, restart_tiers=True))
    assert nets([restarting, second]) == [dec("80.00"), dec("50.00")]


def test_flat_amounts_are_shared_out_by_days():
    one, other = price(Flat(dec(310)), "fee"), price(Flat(dec(620)), "fee")
    found = halves(one, other, 0, 0)
    assert nets(found) == [dec("150.00"), dec("320.00")]
    [[first], [second]] = charges(found)
    assert [part.label for part in second.parts] == ["flat, 16 of 31 days"]
    assert (first.name, second.name) == (
        "fee (1970-01-01 to 1970-01-15, prices 1)",
        "fee (1970-01-16 to 1970-01-31, prices 2)",
    )


def test_a_contract_pays_flat_amounts_of_its_own_days():
    first, second = halves(price(Flat(dec(310)), "fee"), price(Flat(dec(620)), "fee"), 0, 0)
    # It begins with the second version: nothing is due for the first.
    later = [replace(first, charged=0), second]
    assert nets(later) == [dec("620.00")]
    prorated = price(Flat(dec(620), prorate=True), "fee")
    first, second = halves(prorated, prorated, 0, 0)
    assert nets([replace(first, charged=0), second]) == [dec("320.00")]


def test_a_band_is_that_of_the_whole_period_and_paid_by_days():
    bands = price(Stairstep((tier(100, 0, 31), tier(None, 0, 62))))
    assert nets(halves(bands, bands, 80, 80)) == [dec("30.00"), dec("32.00")]
    # Nothing is used in the second half, and its share of the band is due all the same.
    assert nets(halves(bands, bands, 160, 0)) == [dec("30.00"), dec("32.00")]


def test_a_minimum_and_a_maximum_of_a_price_hold_for_all_stretches():
    least = price(PerUnit(dec(1)), minimum=dec(100))
    assert nets(halves(least, least, 90, 20)) == [dec("90.00"), dec("20.00")]
    assert nets(halves(least, least, 30, 20)) == [dec("30.00"), dec("70.00")]
    assert nets(halves(least, least, 30, 0)) == [dec("30.00"), dec("70.00")]
    most = price(PerUnit(dec(1)), maximum=dec(100))
    assert nets(halves(most, most, 90, 20)) == [dec("90.00"), dec("10.00")]
    anew = halves(most, most, 90, 20, restart_tiers=True)
    assert nets(anew) == [dec("48.39"), dec("20.00")]


@pytest.mark.parametrize(("prorated", "due"), [(False, "310.00"), (True, "160.00")])
def test_a_minimum_is_for_the_days_of_the_contract(prorated: bool, due: str):
    """The contract begins with the second version: 16 of 31 days."""
    least = price(PerUnit(dec(1)), minimum=dec(310), prorate_minimum=prorated)
    first, second = halves(least, least, 10, 20)
    assert nets([replace(first, charged=0), second]) == [dec("10.00"), dec(due) - 10]
    # By itself each part has its own share: nothing is due for the days before the contract.
    first, second = halves(least, least, 10, 20, restart_tiers=True)
    assert nets([replace(first, charged=0), second]) == [dec("10.00"), dec(due)]
    nobody = [replace(one, charged=0) for one in (first, second)]
    assert nets(nobody) == [dec("10.00"), dec("20.00")]


def test_minima_that_only_one_version_prorates_are_added_up():
    whole = price(PerUnit(dec(1)), minimum=dec(310))
    first, second = halves(whole, replace(whole, prorate_minimum=True), 0, 1)
    # It begins on the 11th: 5 and 16 of 31 days. 310 x 5/21 and 310 x 16/31 are 73.81 and 160.
    assert sum(nets([replace(first, charged=5), second])) == dec("233.81")


def test_amounts_off_a_line_or_an_invoice_are_shared_out_by_days():
    off = (Discount(DiscountKind.AMOUNT, dec(31)),)
    one = price(PerUnit(dec(1)), discounts=off)
    assert nets(halves(one, one, 100, 100)) == [dec("85.00"), dec("84.00")]
    plain = price(PerUnit(dec(1)))
    assert nets(halves(plain, plain, 100, 100, discounts=off)) == [dec("84.50"), dec("84.50")]
    first, second = halves(plain, plain, 100, 100, discounts=off)
    less = replace(second.book, discounts=(Discount(DiscountKind.AMOUNT, dec(62)),))
    assert nets([first, replace(second, book=less)]) == [dec("85.00"), dec("68.00")]


def test_amounts_off_are_not_lost_where_a_stretch_has_too_little():
    off = (Discount(DiscountKind.AMOUNT, dec(10)),)
    one, plain = price(PerUnit(dec(1)), discounts=off), price(PerUnit(dec(1)))
    assert sum(nets(halves(one, one, 0, 100))) == 90
    assert sum(nets(halves(one, one, 100, 0))) == 90
    assert nets(halves(plain, plain, 0, 100, discounts=off)) == [dec("90.00")]
    assert nets(halves(plain, plain, 3, 100, discounts=off)) == [dec("2.71"), dec("90.29")]


def test_an_amount_off_is_given_back_with_the_usage_that_had_it():
    off = price(PerUnit(dec(1)), discounts=(Discount(DiscountKind.AMOUNT, dec(31)),))
    given = [Use(0, dec(5)), Use(1, dec(-5)), Use(2, dec(100))]
    found = stretches([off, off, price(PerUnit(dec(1)))], [0, 10, 20], given)
    assert nets(found) == [dec("5.00"), dec("-5.00"), dec("100.00")]


def test_usage_before_the_contract_is_held_to_the_maximum_of_all_days():
    most = price(PerUnit(dec(1)), maximum=dec(100))
    first, second = halves(most, most, 50, 50, restart_tiers=True)
    assert nets([replace(first, charged=0), second]) == [dec("48.39"), dec("50.00")]
    plain = price(PerUnit(dec(1)))
    first, second = halves(plain, plain, 50, 50)
    promised = replace(first.book, commitments=(Commitment(maximum=dec(100)),))
    assert nets([replace(first, book=promised, charged=0), second]) == [dec("48.39"), dec("50.00")]


def test_maxima_of_prices_and_of_commitments_are_added_up_by_days():
    for low, high in ((100, 300), (300, 100)):
        by_price = [price(PerUnit(dec(1)), maximum=dec(most)) for most in (low, high)]
        plain = price(PerUnit(dec(1)))
        found = halves(plain, plain, 500, 500)
        promised = [
            replace(one, book=replace(one.book, commitments=(Commitment(maximum=dec(most)),)))
            for one, most in zip(found, (low, high), strict=True)
        ]
        assert nets(halves(*by_price, 500, 500)) == nets(promised)
        # 15 of 31 days of the one, 16 of the other.
        assert sum(nets(promised)) == {100: dec("203.23"), 300: dec("196.77")}[low]


def test_usage_below_0_is_judged_by_all_of_the_period():
    one = price(PerUnit(dec(1)))
    found = charges(halves(one, one, -90, 100))
    assert [(charge.quantity, charge.net) for [charge] in found] == [(-90, 0), (100, 10)]


def test_usage_taken_back_at_a_higher_price_gives_back_what_was_charged():
    for at in ({}, {"round_tiers": True}):
        low, high = price(PerUnit(dec(1))), price(PerUnit(dec(10)))
        [[_], [second]] = charges(halves(low, high, 100, -90, **at))
        assert second.net == -100
        assert [part.label for part in second.parts][-1] == "no more is given back than was charged"


def test_usage_taken_back_leaves_the_tiers_that_it_had_entered():
    assert nets(halves(GRADUATED, GRADUATED, 150, -100)) == [dec("125.00"), dec("-75.00")]
    flats = price(Graduated((tier(100, 1), tier(None, 2, 7))))
    found = charges(halves(flats, flats, 150, -100))
    assert [(charge.net, len(charge.parts)) for [charge] in found] == [(207, 2), (-157, 2)]
    [_, left] = found[1][0].parts
    assert (left.label, left.quantity, left.flat, left.amount) == ("over 100", -50, -7, -107)


def in_cells(*cells: tuple[tuple[str, ...], int], free: int = 0) -> Price:
    values = {tuple(f'"{text}"' for text in cell): dec(amount) for cell, amount in cells}
    names = ("cell", "more")[: len(cells[0][0])]
    return price(Matrix(names, values), included=dec(free))


def test_a_version_prices_no_cell_that_only_an_earlier_one_has():
    both, one = in_cells((("a",), 1), (("old",), 2)), in_cells((("a",), 3))
    given = [Use(0, dec(4), "old"), Use(1, dec(1), "a")]
    assert nets(stretches([both, one], [0, 15], given)) == [dec("8.00"), dec("3.00")]
    anyway = price(PerUnit(dec(2)))
    assert nets(stretches([anyway, one], [0, 15], given)) == [dec("8.00"), dec("3.00")]


def test_free_units_of_a_cell_that_is_gone_stay_used():
    both, one = in_cells((("a",), 1), (("old",), 2), free=5), in_cells((("a",), 3), free=5)
    given = [Use(0, dec(4), "old"), Use(1, dec(3), "a")]
    assert nets(stretches([both, one], [0, 15], given)) == [dec("0.00"), dec("6.00")]


def test_a_cell_that_is_gone_is_not_below_0_in_the_versions_after_it():
    one = in_cells((("a",), 3))
    given = [Use(0, dec(5), "a"), Use(0, dec(-4), "old"), Use(1, dec(2), "a")]
    by_cell = price(PerUnit(dec(2)), show_by=("cell",))
    assert nets(stretches([by_cell, one], [0, 15], given)) == [dec("2.00"), dec("6.00")]


def test_cells_that_are_written_alike_are_two():
    of_two = in_cells((("a b", "c"), 1), (("a", "b c"), 10))
    first, second = stretches([of_two, of_two], [0, 15], [])
    entries = {"cell,more": [(("a b", "c"), 5), (("a", "b c"), 3)]}
    again = {"cell,more": [(("a b", "c"), 1)]}
    found = [
        replace(first, usage=[used(8, breakdowns=entries)]),
        replace(second, usage=[used(1, breakdowns=again)]),
    ]
    assert nets(found) == [dec("35.00"), dec("1.00")]


def test_a_first_tier_is_entered_by_usage_and_not_by_records_of_none():
    flats = price(Graduated((tier(None, 1, 50),)))
    fee, plain = price(Flat(dec(31))), price(PerUnit(dec(1)))
    assert nets(stretches([plain, flats], [0, 15], [Use(0, dec(0)), Use(1, dec(2))])) == [
        dec("0.00"),
        dec("52.00"),
    ]
    assert nets(halves(fee, flats, 0, 2)) == [dec("15.00"), dec("52.00")]
    assert nets(halves(plain, flats, 3, 2)) == [dec("3.00"), dec("2.00")]


def test_events_before_a_change_that_nobody_knows_leave_what_counts_them_unpriced():
    plain, counted = price(Percentage(dec(10))), price(Percentage(dec(10), dec(1), free_events=3))
    first, second = halves(plain, counted, 50, 20)
    known = replace(second, usage=[replace(one, events=(one.value,)) for one in second.usage])
    [before, after] = rate_stretches([first, known], customer=CUSTOMER)
    assert [charge.net for charge in before.charges] == [5]
    assert [(one.reason, one.quantity) for one in after.unpriced] == [("no_events", 20)]
    assert not after.charges
    fives = [replace(one, events=(dec(10),) * 5) for one in first.usage]
    assert nets([replace(first, usage=fives), known]) == [dec("5.00"), dec("3.00")]


def test_events_before_a_change_that_cost_the_next_ones_nothing_need_not_be_known():
    plain, each = price(Percentage(dec(10))), price(Percentage(dec(10), dec(1)))
    first, second = halves(plain, each, 50, 20)
    known = replace(second, usage=[replace(one, events=(one.value,)) for one in second.usage])
    assert nets([first, known]) == [dec("5.00"), dec("3.00")]
    events = (dec(-10), dec(-5))
    back = replace(second, usage=[replace(second.usage[0], value=dec(-15), events=events)])
    [_, after] = rate_stretches([first, back], customer=CUSTOMER)
    assert [one.reason for one in after.unpriced] == ["no_events"]


def test_tiers_are_rounded_as_they_grow():
    graduated = price(Graduated((tier(20, "0.0005"), tier(None, "0.0003"))))
    given = [Use(0, dec(10)), Use(1, dec(10)), Use(2, dec(30))]
    found = stretches([graduated] * 3, [0, 10, 20], given, round_tiers=True)
    # 20 in the first tier are 0.01, half of them 0.005; the second tier has 30 of the last part.
    assert nets(found) == [dec("0.01"), dec("0.00"), dec("0.01")]


def test_a_commitment_counts_all_stretches_unless_they_start_anew():
    plain, promised = price(PerUnit(dec(1))), (Commitment(minimum=dec(100)),)
    enough = halves(plain, plain, 90, 20, commitments=promised)
    assert nets(enough) == [dec("90.00"), dec("20.00")]
    lacking = halves(plain, plain, 30, 20, commitments=promised)
    assert nets(lacking) == [dec("30.00"), dec("20.00"), dec("50.00")]
    anew = halves(plain, plain, 90, 20, commitments=promised, restart_tiers=True)
    assert nets(anew) == [dec("90.00"), dec("20.00"), dec("31.61")]
    most = (Commitment(maximum=dec(100)),)
    assert nets(halves(plain, plain, 90, 20, commitments=most)) == [dec("90.00"), dec("10.00")]


def test_what_each_version_asks_at_least_is_added_up_by_days():
    plain = price(PerUnit(dec(1)))
    first, second = halves(plain, plain, 30, 20)
    made = [
        replace(one, book=replace(one.book, commitments=(Commitment(minimum=dec(least)),)))
        for one, least in ((first, 310), (second, 620))
    ]
    assert nets(made) == [dec("30.00"), dec("20.00"), dec("420.00")]
    none = [made[0], second]
    # Only what is used in its days counts for the commitment of the first version.
    assert nets(none) == [dec("30.00"), dec("20.00"), dec("120.00")]


def test_a_line_of_another_sku_or_by_other_fields_starts_anew():
    other = replace(GRADUATED, sku="calls-2")
    assert nets(halves(GRADUATED, other, 80, 80)) == [dec("80.00"), dec("80.00")]
    by_user = replace(GRADUATED, line_by=("user",))
    assert nets(halves(GRADUATED, by_user, 80, 80)) == [dec("80.00"), dec("80.00")]


def test_free_events_are_counted_in_order_of_time():
    events = price(Percentage(dec(10), fixed=dec(1), free_events=2))
    found = halves(events, events, 10, 20)
    given = [
        [replace(record, events=(record.value / 2, record.value / 2)) for record in one.usage]
        for one in found
    ]
    found = [replace(one, usage=some) for one, some in zip(found, given, strict=True)]
    assert nets(found) == [dec("0.00"), dec("4.00")]
    [_, [second]] = charges(found)
    assert [part.label for part in second.parts] == ["10 % on 2 events, plus 1 each, 2 free"]


def test_each_tier_is_rounded_in_its_stretch_where_the_book_says_so():
    """333 at 0.015 and 333 at 0.005: 4.995 and 1.665, or 6.66 in all."""
    one = price(Graduated((tier(333, "0.015"), tier(None, "0.005"))))
    assert nets(halves(one, one, 333, 333)) == [dec("5.00"), dec("1.66")]
    assert nets(halves(one, one, 333, 333, round_tiers=True)) == [dec("5.00"), dec("1.67")]
