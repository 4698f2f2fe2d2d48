from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from meterhouse.core.charge import ChargeKind, Reduction
from meterhouse.core.price_book import Commitment, Discount, DiscountKind, Tax
from meterhouse.rating.giving_back import given_back
from meterhouse.rating.invoicing import InvoiceSums, LineByHand, invoiced
from meterhouse.rating.taxing import UnknownTax
from tests.rating.charged import AT, OCTOBER, SEPTEMBER, book, charge, price, used
from tests.rating.test_credits import grant

#: The worked invoice of four components, 1,178.91 net.
WORKED = (
    used("message", "184230", "0.0021"),
    used("nlpaas", "52311", "0.0035"),
    used("rag", "9874", "0.0275"),
    used("generative", "30125", "0.0112"),
)


def nets(sums: InvoiceSums) -> list[str]:
    return [str(line.net) for line in sums.lines]


def test_worked_invoice() -> None:
    sums = invoiced(book(), WORKED, period=OCTOBER, at=AT)
    assert nets(sums) == ["386.88", "183.09", "271.54", "337.40"]
    assert [line.id for line in sums.lines] == ["1", "2", "3", "4"]
    (tax,) = sums.taxes
    assert (tax.category, tax.base, tax.amount) == ("S", Decimal("1178.91"), Decimal("247.57"))
    assert sums.totals.total == sums.totals.payable == Decimal("1426.48")
    assert sums.lines[0].book == "a" * 64
    assert not sums.owed_back


def test_promotional_credit_is_taken_off_before_tax() -> None:
    gift = grant("gift", "200", paid=False)
    sums = invoiced(book(), WORKED, period=OCTOBER, at=AT, grants=[gift])
    assert sums.totals.net == Decimal("978.91")
    assert sums.totals.tax == Decimal("205.57")
    assert sums.totals.payable == sums.totals.total == Decimal("1184.48")


def test_paid_credit_pays_after_tax() -> None:
    sums = invoiced(book(), WORKED, period=OCTOBER, at=AT, grants=[grant("bought", "200")])
    totals = sums.totals
    assert (totals.net, totals.total) == (Decimal("1178.91"), Decimal("1426.48"))
    assert (totals.prepaid, totals.payable) == (Decimal("200.00"), Decimal("1226.48"))


def test_both_kinds_of_credit_and_none_in_another_currency() -> None:
    grants = [
        grant("bought", "10"),
        grant("gift", "50", paid=False, priority=9),
        grant("dollars", "70", currency="USD"),
    ]
    sums = invoiced(book(), [charge("a", "100.00")], period=OCTOBER, at=AT, grants=grants)
    assert [use.grant for use in sums.credits] == ["gift", "bought"]
    # (100 - 50) and 21 % of it, less 10
    assert sums.totals.payable == Decimal("50.50")


def test_a_prorated_minimum_makes_a_line_of_what_is_missing() -> None:
    minimum = Commitment(minimum=Decimal(1000), prorate=True, name="Monthly minimum")
    sums = invoiced(
        book(commitments=(minimum,)),
        [charge("a", "412.37")],
        period=OCTOBER,
        share=(17, 30),
        at=AT,
    )
    true_up = sums.lines[1].charge
    assert (true_up.kind, true_up.net) == (ChargeKind.TRUE_UP, Decimal("154.30"))
    assert [str(part.amount) for part in true_up.parts] == ["566.67", "-412.37"]
    assert (true_up.name, true_up.tax) == ("Monthly minimum", None)
    assert sums.totals.net == Decimal("566.67")


def test_a_minimum_that_is_not_prorated_is_due_whole() -> None:
    commitments = (Commitment(minimum=Decimal(1000)),)
    sums = invoiced(book(commitments=commitments), (), period=OCTOBER, share=(1, 30), at=AT)
    assert nets(sums) == ["1000.00"]


def test_a_minimum_that_is_reached_makes_no_line() -> None:
    commitments = (Commitment(minimum=Decimal(100)),)
    sums = invoiced(book(commitments=commitments), [charge("a", "100.00")], period=OCTOBER, at=AT)
    assert nets(sums) == ["100.00"]


def test_a_minimum_of_certain_prices_has_their_tax() -> None:
    taxes = (Tax("S", Decimal(21)), Tax("Z", Decimal(0)))
    prices = (price("a", tax="Z"), price("b"))
    commitments = (Commitment(minimum=Decimal(50), skus=("a",)),)
    ours = book(taxes=taxes, prices=prices, commitments=commitments)
    charges = [charge("a", "20.00", tax="Z"), charge("b", "500.00")]
    sums = invoiced(ours, charges, period=OCTOBER, at=AT)
    assert nets(sums) == ["20.00", "500.00", "30.00"]
    assert sums.lines[2].tax_category == "Z"
    assert [(tax.category, str(tax.base)) for tax in sums.taxes] == [
        ("S", "500.00"),
        ("Z", "50.00"),
    ][::-1]


def test_the_minimum_of_the_whole_counts_true_ups_of_parts() -> None:
    commitments = (
        Commitment(minimum=Decimal(100), name="all"),
        Commitment(minimum=Decimal(50), skus=("a",), name="a"),
    )
    sums = invoiced(
        book(commitments=commitments, prices=(price("a"),)),
        [charge("a", "20.00")],
        period=OCTOBER,
        at=AT,
    )
    assert [(line.charge.name, str(line.net)) for line in sums.lines] == [
        ("a", "20.00"),
        ("a", "30.00"),
        ("all", "50.00"),
    ]


def test_a_maximum_is_taken_off_the_lines_that_exceed_it() -> None:
    commitments = (Commitment(maximum=Decimal(100), name="Cap"),)
    charges = [charge("a", "70.00"), charge("b", "50.00"), charge("c", "10.00")]
    sums = invoiced(book(commitments=commitments), charges, period=OCTOBER, at=AT)
    assert nets(sums) == ["70.00", "30.00", "0.00"]
    assert sums.lines[1].shares == (Reduction("Cap", "maximum", Decimal("20.00")),)
    assert sums.lines[2].shares == (Reduction("Cap", "maximum", Decimal("10.00")),)


def test_a_maximum_of_certain_prices_leaves_the_others_alone() -> None:
    commitments = (Commitment(maximum=Decimal(60), skus=("a", "c")),)
    charges = [charge("a", "70.00"), charge("b", "50.00"), charge("c", "10.00")]
    sums = invoiced(book(commitments=commitments), charges, period=OCTOBER, at=AT)
    assert nets(sums) == ["60.00", "50.00", "0.00"]


def test_a_percentage_of_one_line_is_that_of_the_whole() -> None:
    off = Discount(DiscountKind.PERCENTAGE, Decimal(10))
    sums = invoiced(book(discounts=(off,)), [used("a", "12345", "0.0137")], period=OCTOBER, at=AT)
    (line,) = sums.lines
    assert line.shares == (Reduction("10 % discount", "discount", Decimal("16.91")),)
    assert line.net == Decimal("152.22")
    assert line.charge.net == Decimal("169.13")


@pytest.mark.parametrize(("each", "net"), [("0.10", "95.00"), ("0.09", "85.50")])
def test_a_percentage_is_rounded_once_however_many_lines_there_are(each: str, net: str) -> None:
    off = Discount(DiscountKind.PERCENTAGE, Decimal(5))
    lines = [charge(f"app-{n}", each) for n in range(1000)]
    sums = invoiced(book(discounts=(off,)), lines, period=OCTOBER, at=AT)
    assert sums.totals.net == Decimal(net)
    assert min(line.net for line in sums.lines) >= 0


def test_a_percentage_gives_back_of_negative_lines_what_it_took() -> None:
    off = Discount(DiscountKind.PERCENTAGE, Decimal(10))
    ours = book(discounts=(off,))
    lines = [charge("a", "10.00"), charge("b", "-3.00")]
    sums = invoiced(ours, lines, period=OCTOBER, at=AT)
    assert nets(sums) == ["9.00", "-2.70"]


def test_an_amount_is_shared_out_over_the_lines() -> None:
    off = Discount(DiscountKind.AMOUNT, Decimal(10), "Welcome")
    charges = [charge("a", "30.00"), charge("b", "30.00"), charge("c", "30.00")]
    sums = invoiced(book(discounts=(off,)), charges, period=OCTOBER, at=AT)
    assert [str(line.shares[0].amount) for line in sums.lines] == ["3.34", "3.33", "3.33"]
    assert sums.totals.lines == Decimal("80.00")


def test_an_amount_takes_no_more_than_there_is() -> None:
    off = Discount(DiscountKind.AMOUNT, Decimal(1000))
    charges = [charge("a", "0.01"), charge("b", "7.13"), charge("c", "0.00")]
    sums = invoiced(book(discounts=(off,)), charges, period=OCTOBER, at=AT)
    assert [line.net for line in sums.lines] == [0, 0, 0]
    assert sums.lines[2].shares == ()
    assert sums.totals.payable == 0


def test_discounts_follow_each_other_and_come_before_commitments() -> None:
    discounts = (
        Discount(DiscountKind.PERCENTAGE, Decimal(50)),
        Discount(DiscountKind.AMOUNT, Decimal(5)),
    )
    commitments = (Commitment(minimum=Decimal(50)),)
    ours = book(discounts=discounts, commitments=commitments)
    sums = invoiced(ours, [charge("a", "60.00")], period=OCTOBER, at=AT)
    assert nets(sums) == ["25.00", "25.00"]


def test_tax_is_computed_once_for_each_category_and_rate() -> None:
    # Three times 0.07 of tax would be 0.21; the tax of the sum is 0.2079.
    charges = [charge("a", "0.33"), charge("b", "0.33"), charge("c", "0.33")]
    (tax,) = invoiced(book(), charges, period=OCTOBER, at=AT).taxes
    assert (tax.base, tax.amount) == (Decimal("0.99"), Decimal("0.21"))
    charges = [charge(sku, "0.12") for sku in "abcd"]
    (tax,) = invoiced(book(), charges, period=OCTOBER, at=AT).taxes
    assert (tax.base, tax.amount) == (Decimal("0.48"), Decimal("0.10"))


def test_promotional_credit_is_shared_out_over_the_taxes() -> None:
    taxes = (Tax("S", Decimal(21)), Tax("AE", Decimal(0), reason="Reverse charge"))
    charges = [charge("a", "100.00"), charge("b", "50.00", tax="AE")]
    gift = grant("gift", "10", paid=False)
    sums = invoiced(book(taxes=taxes), charges, period=OCTOBER, at=AT, grants=[gift])
    assert [(str(tax.base), str(tax.amount)) for tax in sums.taxes] == [
        ("93.33", "19.60"),
        ("46.67", "0.00"),
    ]
    assert sums.taxes[1].reason == "Reverse charge"


def test_a_tax_may_be_named_by_its_name_where_a_category_has_two_rates() -> None:
    taxes = (Tax("S", Decimal(21)), Tax("S", Decimal(10), name="Reduced VAT"))
    charges = [charge("a", "100.00", tax="S"), charge("b", "50.00", tax="Reduced VAT")]
    sums = invoiced(book(taxes=taxes), charges, period=OCTOBER, at=AT)
    assert [(tax.name, str(tax.amount)) for tax in sums.taxes] == [
        ("VAT", "21.00"),
        ("Reduced VAT", "5.00"),
    ]


def test_a_book_without_taxes_is_not_subject_to_tax() -> None:
    sums = invoiced(book(taxes=()), [charge("a", "5.00")], period=OCTOBER, at=AT)
    (tax,) = sums.taxes
    assert (tax.category, tax.amount, tax.reason) == ("O", 0, "Not subject to tax")


def test_an_unknown_tax_is_refused() -> None:
    with pytest.raises(UnknownTax, match=r"has the tax 'X'.*has 'VAT' \(S\)"):
        invoiced(book(), [charge("a", "5.00", tax="X")], period=OCTOBER, at=AT)


def test_nothing_charged_is_an_invoice_over_nothing() -> None:
    sums = invoiced(book(), (), period=OCTOBER, at=AT, grants=[grant("g", "5")])
    assert sums.lines == sums.taxes == sums.credits == ()
    assert sums.totals.payable == 0


def test_corrections_have_the_tax_of_their_own_book_and_nothing_is_taken_off_again() -> None:
    old = book(
        hash="b" * 64,
        taxes=(Tax("S", Decimal(18)),),
        discounts=(Discount(DiscountKind.PERCENTAGE, Decimal(10)),),
        commitments=(Commitment(minimum=Decimal(1000)),),
    )
    late = replace(charge("a", "40.00"), kind=ChargeKind.ADJUSTMENT, period=SEPTEMBER)
    ours = book(commitments=(Commitment(minimum=Decimal(100)),))
    sums = invoiced(
        ours,
        [charge("a", "70.00")],
        period=OCTOBER,
        at=AT,
        corrections=[(late, "2026-000007", old)],
    )
    assert [(line.charge.kind.value, str(line.net)) for line in sums.lines] == [
        ("usage", "70.00"),
        ("true_up", "30.00"),
        ("adjustment", "40.00"),
    ]
    line = sums.lines[2]
    assert (line.corrects, line.book, line.tax_rate) == ("2026-000007", "b" * 64, 18)
    assert sums.totals.tax == Decimal("28.20")  # 21.00 and 7.20


def test_a_line_by_hand_says_who_and_why() -> None:
    hand = LineByHand(charge("support", "12.00"), "ana", "on site")
    sums = invoiced(book(), [charge("a", "70.00")], period=OCTOBER, at=AT, manual=[hand])
    assert (sums.lines[1].author, sums.lines[1].reason) == ("ana", "on site")
    assert sums.totals.lines == Decimal("82.00")


def test_less_than_nothing_is_owed_back_and_draws_no_credit() -> None:
    grants = [grant("gift", "5", paid=False), grant("bought", "5")]
    sums = invoiced(
        book(),
        [charge("a", "10.00")],
        period=OCTOBER,
        at=AT,
        grants=grants,
        corrections=[(charge("a", "-90.00"), "2026-000007", book())],
    )
    assert nets(sums) == ["10.00", "-90.00"]
    assert sums.credits == ()
    assert sums.owed_back == Decimal("96.80")
    note = given_back(sums)
    assert nets(note) == ["-10.00", "90.00"]
    assert note.totals.payable == note.totals.total == Decimal("96.80")
    assert (note.taxes[0].base, note.taxes[0].amount) == (Decimal("80.00"), Decimal("16.80"))
    assert not note.owed_back


def test_promotional_credit_never_makes_a_total_negative() -> None:
    taxes = (Tax("S", Decimal(21)), Tax("Z", Decimal(0)))
    hand = LineByHand(charge("refund", "-10.00"), "ana", "an outage")
    gift = grant("gift", "3", paid=False)
    sums = invoiced(
        book(taxes=taxes),
        [charge("a", "13.00", tax="Z")],
        period=OCTOBER,
        at=AT,
        grants=[gift],
        manual=[hand],
    )
    assert sums.credits == ()
    assert sums.totals.total == Decimal("0.90")


@pytest.mark.parametrize(
    ("currency", "net", "percent_off", "line", "tax", "total"),
    [
        ("JPY", "1005", "10", "904", "190", "1094"),  # 100.5 off is 101; 189.84
        ("CLP", "15", "10", "13", "3", "16"),
        ("KWD", "10.005", "10", "9.004", "1.891", "10.895"),  # 1.0005 off is 1.001
        ("BHD", "0.010", "0", "0.010", "0.002", "0.012"),
    ],
)
def test_other_coins(
    currency: str, net: str, percent_off: str, line: str, tax: str, total: str
) -> None:
    off = Discount(DiscountKind.PERCENTAGE, Decimal(percent_off))
    ours = book(currency=currency, discounts=(off,))
    sums = invoiced(ours, [charge("a", net)], period=OCTOBER, at=AT)
    assert (nets(sums), str(sums.totals.tax), str(sums.totals.total)) == ([line], tax, total)
