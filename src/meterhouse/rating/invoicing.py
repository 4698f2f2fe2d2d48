"""Charges become what an invoice says: its lines, its taxes, its totals.

The order is that of ADR 0015: discounts of the book, commitments, promotional credit, tax,
paid credit. Each amount is rounded where it is made, and everything adds up without rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from meterhouse.core.charge import BillingPeriod, Charge
from meterhouse.core.credit import Grant
from meterhouse.core.currency import currency_digits
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import CreditUse, InvoiceLine, TaxTotal, Totals
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.book_discounts import discounted, sum_of
from meterhouse.rating.commitments import committed
from meterhouse.rating.credits import drawn
from meterhouse.rating.taxing import line_of, tax_sum, taxed

#: A charge of late usage, the number of the invoice that it corrects, and the book of that invoice.
Late = tuple[Charge, str | None, PriceBook]


@dataclass(frozen=True, slots=True)
class LineByHand:
    """A charge that somebody adds: who, and why."""

    charge: Charge
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class InvoiceSums:
    """What an invoice says of money; ``credits`` are in the order in which they were drawn."""

    lines: tuple[InvoiceLine, ...]
    taxes: tuple[TaxTotal, ...]
    totals: Totals
    credits: tuple[CreditUse, ...]

    @property
    def owed_back(self) -> Decimal:
        """What the customer is to get: above 0 where the total is below 0.

        Such sums cannot be issued as an invoice; ``given_back`` makes a credit note of them.
        """
        return self.totals.total.copy_abs() if self.totals.total < ZERO else ZERO


def invoiced(
    book: PriceBook,
    charges: Sequence[Charge],
    *,
    period: BillingPeriod,
    share: tuple[int, int] = (1, 1),
    grants: Sequence[Grant] = (),
    at: Instant | None = None,
    corrections: Sequence[Late] = (),
    manual: Sequence[LineByHand] = (),
) -> InvoiceSums:
    """Return lines, taxes, totals and credits of a period's charges.

    ``share`` is how many of how many days of the period are charged. Lines are numbered in this
    order: charges, true-ups, corrections, lines by hand. Discounts and commitments of the book
    hold for its charges. Corrections are of earlier periods: everything is taken off them already
    (see ``line_changes``), they have the tax of their own book, and like lines by hand they do not
    count towards commitments. ``grants`` in another currency pay nothing, nor do those that do not
    overlap the time from the period's start to ``at``, its end unless said otherwise.

    Corrections may be negative, and with them the total. It is kept as it is, and no credit is
    drawn; see ``InvoiceSums.owed_back``. Nor do credits ever make a total negative: promotional
    ones are kept for a later invoice where the tax of a negative base would.
    """
    digits = currency_digits(book.currency)
    assert digits is not None
    lines = discounted(
        [line_of(charge, book) for charge in charges],
        book.discounts,
        digits=digits,
        rounding=book.rounding,
    )
    lines = committed(lines, book, period=period, share=share, digits=digits)
    return completed(
        (book,),
        lines,
        period=period,
        grants=grants,
        at=at,
        corrections=corrections,
        manual=manual,
    )


def completed(
    books: Sequence[PriceBook],
    charged: Sequence[InvoiceLine],
    *,
    period: BillingPeriod,
    grants: Sequence[Grant] = (),
    at: Instant | None = None,
    corrections: Sequence[Late] = (),
    manual: Sequence[LineByHand] = (),
) -> InvoiceSums:
    """Return sums of lines that are discounted and committed, with all that comes after them.

    See ``invoiced``. The first book is that of lines by hand, and says how sums are rounded.
    """
    book, lines = books[0], list(charged)
    digits = currency_digits(book.currency)
    assert digits is not None
    lines += [
        replace(line_of(charge, of), corrects=corrects) for charge, corrects, of in corrections
    ]
    lines += [
        replace(line_of(hand.charge, book), author=hand.author, reason=hand.reason)
        for hand in manual
    ]
    numbered = tuple(replace(line, id=str(number)) for number, line in enumerate(lines, 1))
    ours = [grant for grant in grants if grant.currency == book.currency]
    named = (*books, *(late[2] for late in corrections))
    paid = period if at is None else replace(period, end=at)
    return _summed(numbered, named, ours, period=paid, digits=digits)


def _summed(
    lines: tuple[InvoiceLine, ...],
    books: Sequence[PriceBook],
    grants: Sequence[Grant],
    *,
    period: BillingPeriod,
    digits: int,
) -> InvoiceSums:
    rounding = books[0].rounding
    whole = sum_of([line.net for line in lines])

    def before_paid(promotional: tuple[CreditUse, ...]) -> InvoiceSums:
        credit = sum_of([use.amount for use in promotional])
        taxes = taxed(lines, books, credit=credit, digits=digits, rounding=rounding)
        net, tax = EXACT.subtract(whole, credit), tax_sum(taxes)
        total = EXACT.add(net, tax)
        totals = Totals(whole, credit, net, tax, total, ZERO, total)
        return InvoiceSums(lines, taxes, totals, promotional)

    free = [grant for grant in grants if not grant.paid]
    sums = before_paid(())
    if not sums.owed_back:
        start, end = period.start, period.end
        credited = before_paid(drawn(free, whole, at=end, since=start, digits=digits))
        sums = sums if credited.owed_back else credited
    return _paid(sums, [grant for grant in grants if grant.paid], period=period, digits=digits)


def _paid(
    sums: InvoiceSums, grants: Sequence[Grant], *, period: BillingPeriod, digits: int
) -> InvoiceSums:
    start, end = period.start, period.end
    uses = drawn(grants, sums.totals.total, at=end, since=start, digits=digits)
    prepaid = sum_of([use.amount for use in uses])
    payable = EXACT.subtract(sums.totals.total, prepaid)
    totals = replace(sums.totals, prepaid=prepaid, payable=payable)
    return replace(sums, totals=totals, credits=(*sums.credits, *uses))
