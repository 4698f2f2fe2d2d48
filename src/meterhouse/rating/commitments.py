"""Commitments: what a period costs at least and at most.

A minimum that is not reached makes a line of what is missing; a maximum that is exceeded is taken
off the lines that exceed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterhouse.core.charge import BillingPeriod, Charge, ChargeKind, ChargePart, Reduction
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.price_book import ONE, Commitment, PriceBook
from meterhouse.core.proration import prorated
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.book_discounts import reduced, sum_of
from meterhouse.rating.taxing import line_of


def committed(
    lines: Sequence[InvoiceLine],
    book: PriceBook,
    *,
    period: BillingPeriod,
    share: tuple[int, int],
    digits: int,
) -> list[InvoiceLine]:
    """Hold lines to the commitments of a book; true-up lines are added at the end.

    First those of certain prices, then those of the whole invoice, which count the true-ups before
    them; among either, maxima first. So the widest holds for certain. ``share`` is how many
    of how many days are charged: a minimum that is prorated is only due for those.
    """
    made = list(lines)
    numbered = list(enumerate(book.commitments, 1))
    for whole in (False, True):
        group = [(number, it) for number, it in numbered if whole is not bool(it.skus)]
        for _, commitment in group:
            made = _capped(made, commitment)
        for number, commitment in group:
            due = _due(commitment, book, share, digits)
            billed = sum_of([line.net for line in made if _counts(line, commitment)])
            if billed < due:
                made.append(_true_up(book, commitment, number, (due, billed), period))
    return made


def _counts(line: InvoiceLine, commitment: Commitment) -> bool:
    if not commitment.skus:
        return True
    return line.charge.kind is not ChargeKind.TRUE_UP and line.charge.sku in commitment.skus


def _capped(lines: list[InvoiceLine], commitment: Commitment) -> list[InvoiceLine]:
    if commitment.maximum is None:
        return lines
    counted = sum_of([line.net for line in lines if _counts(line, commitment)])
    excess = EXACT.subtract(counted, commitment.maximum)
    made: list[InvoiceLine] = []
    # Lines fill the maximum in their order: from the last one on, they are what exceeds it.
    for line in reversed(lines):
        over = ZERO
        if _counts(line, commitment):
            over = max(min(line.net, excess), ZERO)
            excess = EXACT.subtract(excess, over)
        made.append(reduced(line, Reduction(commitment.name or "Maximum", "maximum", over)))
    return made[::-1]


def _due(commitment: Commitment, book: PriceBook, share: tuple[int, int], digits: int) -> Decimal:
    # Of a period in which nothing is charged for, nothing is due at least.
    of = share if commitment.prorate or not share[0] else (1, 1)
    return prorated(commitment.minimum or ZERO, of, digits=digits, mode=book.rounding)


def _true_up(
    book: PriceBook,
    commitment: Commitment,
    number: int,
    amounts: tuple[Decimal, Decimal],
    period: BillingPeriod,
) -> InvoiceLine:
    due, billed = amounts
    missing = EXACT.subtract(due, billed)
    parts = (
        ChargePart("minimum", ONE, None, due, due),
        ChargePart("charged already", ONE, None, billed.copy_negate(), billed.copy_negate()),
    )
    return line_of(
        Charge(
            sku=f"minimum-commitment/{number}",
            kind=ChargeKind.TRUE_UP,
            name=commitment.name or "Minimum commitment",
            model="commitment",
            unit="",
            fields={},
            quantity=ZERO,
            billable=ONE,
            per=ONE,
            list_price=missing,
            parts=parts,
            exact=missing,
            gross=missing,
            net=missing,
            tax=_tax_of(book, commitment),
            period=period,
        ),
        book,
    )


def _tax_of(book: PriceBook, commitment: Commitment) -> str | None:
    """The tax that all prices of the commitment have; where they differ, that of the book."""
    taxes = {
        price.tax for price in book.prices if not commitment.skus or price.sku in commitment.skus
    }
    return taxes.pop() if len(taxes) == 1 else None
