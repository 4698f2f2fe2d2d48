"""Late usage over whole invoices: lines of a period now, less the lines that it was billed."""

from dataclasses import replace

from meterhouse.core.charge import ChargeKind, ChargePart
from meterhouse.core.price_book import Commitment, Tax
from meterhouse.core.quantity import ZERO
from meterhouse.rating.invoicing import invoiced
from meterhouse.rating.line_changes import line_changes
from tests.rating.books import dec
from tests.rating.charged import AT, OCTOBER, book, charge


def lines_of(*charges, of=None):
    return invoiced(of or book(), charges, period=OCTOBER, at=AT).lines


def changes(before, after):
    found = line_changes(before, after)
    return [(one.sku, str(one.net), str(one.quantity)) for one, _ in found]


def test_each_line_is_what_it_comes_to_now_less_all_that_was_billed():
    before = lines_of(charge("a", "8.00"), charge("b", "1.00"), charge("a", "2.00"))
    after = lines_of(charge("a", "12.00"), charge("c", "3.00"), charge("b", "1.00"))
    [(first, hash), *_] = line_changes(before, after)
    assert (first.kind, first.exact, first.gross, hash) == (
        ChargeKind.ADJUSTMENT,
        2,
        2,
        book().hash,
    )
    assert [(part.label, str(part.amount)) for part in first.parts] == [
        ("rated anew", "12.00"),
        ("billed before", "-10.00"),
    ]
    total = sum((one.net for one, _ in line_changes(before, after)), ZERO)
    assert total == sum(line.net for line in after) - sum(line.net for line in before)


def test_what_was_rated_anew_says_its_steps_and_what_they_do_not_come_to():
    step = ChargePart("over 500", dec(50), dec("0.0087"), ZERO, dec("0.435"))
    whole = ChargePart("all", dec(50), dec("0.0087"), ZERO, dec("0.435"))
    [(one, _)] = line_changes((), lines_of(replace(charge("a", "0.44"), parts=(step,))))
    assert [(part.label, part.unit_price, str(part.amount)) for part in one.parts] == [
        ("rated anew: over 500", dec("0.0087"), "0.435"),
        ("rated anew: rounding and discounts", None, "0.005"),
    ]
    [(one, _)] = line_changes((), lines_of(replace(charge("a", "0.44"), parts=(whole,))))
    assert [(part.label, str(part.amount)) for part in one.parts] == [("rated anew", "0.44")]


def test_true_ups_are_lines_like_others():
    at_least = book(commitments=(Commitment(minimum=dec(100)),))
    found = changes(
        lines_of(charge("a", "80.00"), of=at_least), lines_of(charge("a", "95.00"), of=at_least)
    )
    assert [(sku, net) for sku, net, _ in found] == [
        ("a", "15.00"),
        ("minimum-commitment/1", "-15.00"),
    ]


def test_a_line_under_another_tax_is_another_line():
    reduced = book(taxes=(Tax("S", dec(10)),), hash="b" * 64)
    one = charge("a", "5.00")
    found = line_changes(lines_of(one), lines_of(replace(one), of=reduced))
    assert [(str(charge.net), hash[0]) for charge, hash in found] == [
        ("5.00", "b"),
        ("-5.00", book().hash[0]),
    ]
