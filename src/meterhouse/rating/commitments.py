"""Commitments: what a period costs at least and at most.

A minimum that is not reached makes a line of what is missing; a maximum that is exceeded is taken
off the lines that exceed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.charge import BillingPeriod, Charge, ChargeKind, ChargePart, Reduction
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.price_book import ONE, Commitment, PriceBook
from meterhouse.core.proration import prorated
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.book_discounts import reduced, sum_of
from meterhouse.rating.taxing import line_of


@dataclass(frozen=True, slots=True)
class Promise:
    """A commitment as lines are held to it: amounts that are due, rounded.

    ``books`` are the hashes of the versions whose lines count. What lacks is a line of ``book``,
    for ``period``; ``number`` is the commitment's place there.
    """

    commitment: Commitment
    number: int
    due: Decimal
    maximum: Decimal | None
    book: PriceBook
    period: BillingPeriod
    books: frozenset[str]
    #: how the amount that is due was shared out; empty where all of the minimum is due
    shares: tuple[ChargePart, ...] = ()


def share_part(due: Decimal, of: Decimal, days: tuple[int, int], version: str = "") -> ChargePart:
    """Return a part of an amount that is due: of a minimum by days, of the prices of a version."""
    prices = f" of prices {version}" if version else ""
    label = f"minimum{prices}, {days[0]} of {days[1]} days of {number_text(of)}"
    return ChargePart(label, ZERO, None, due, due)


def committed(
    lines: Sequence[InvoiceLine],
    book: PriceBook,
    *,
    period: BillingPeriod,
    share: tuple[int, int],
    digits: int,
) -> list[InvoiceLine]:
    """Hold lines to the commitments of a book. ``share`` is how many of how many days are charged.

    A minimum that is prorated is only due for those.
    """
    promises = [
        Promise(
            one,
            number,
            _due(one, book, share, digits),
            one.maximum,
            book,
            period,
            frozenset((book.hash,)),
            _shares(one, book, share, digits),
        )
        for number, one in enumerate(book.commitments, 1)
    ]
    return held(lines, promises)


def held(lines: Sequence[InvoiceLine], promises: Sequence[Promise]) -> list[InvoiceLine]:
    """Hold lines to commitments; true-up lines are added at the end.

    First those of certain prices, then those of the whole invoice, which count the true-ups before
    them; among either, maxima first. So the widest holds for certain.
    """
    made = list(lines)
    for whole in (False, True):
        group = [one for one in promises if whole is not bool(one.commitment.skus)]
        for promise in group:
            made = _capped(made, promise)
        for promise in group:
            billed = sum_of([line.net for line in made if _counts(line, promise)])
            if billed < promise.due:
                made.append(_true_up(promise, billed))
    return made


def _counts(line: InvoiceLine, promise: Promise) -> bool:
    if line.book not in promise.books:
        return False
    skus = promise.commitment.skus
    return not skus or (line.charge.kind is not ChargeKind.TRUE_UP and line.charge.sku in skus)


def _capped(lines: list[InvoiceLine], promise: Promise) -> list[InvoiceLine]:
    if promise.maximum is None:
        return lines
    counted = sum_of([line.net for line in lines if _counts(line, promise)])
    excess = EXACT.subtract(counted, promise.maximum)
    made: list[InvoiceLine] = []
    name = promise.commitment.name or "Maximum"
    # Lines fill the maximum in their order: from the last one on, they are what exceeds it.
    for line in reversed(lines):
        over = ZERO
        if _counts(line, promise):
            over = max(min(line.net, excess), ZERO)
            excess = EXACT.subtract(excess, over)
        made.append(reduced(line, Reduction(name, "maximum", over)))
    return made[::-1]


def _due(commitment: Commitment, book: PriceBook, share: tuple[int, int], digits: int) -> Decimal:
    # Of a period in which nothing is charged for, nothing is due at least.
    of = share if commitment.prorate or not share[0] else (1, 1)
    return prorated(commitment.minimum or ZERO, of, digits=digits, mode=book.rounding)


def _shares(
    commitment: Commitment, book: PriceBook, share: tuple[int, int], digits: int
) -> tuple[ChargePart, ...]:
    if commitment.minimum is None or not (commitment.prorate and 0 < share[0] < share[1]):
        return ()
    return (share_part(_due(commitment, book, share, digits), commitment.minimum, share),)


def _true_up(promise: Promise, billed: Decimal) -> InvoiceLine:
    commitment, book, due = promise.commitment, promise.book, promise.due
    missing = EXACT.subtract(due, billed)
    parts = (
        *(promise.shares or (ChargePart("minimum", ONE, None, due, due),)),
        ChargePart("charged already", ONE, None, billed.copy_negate(), billed.copy_negate()),
    )
    return line_of(
        Charge(
            sku=f"minimum-commitment/{promise.number}",
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
            period=promise.period,
        ),
        book,
    )


def _tax_of(book: PriceBook, commitment: Commitment) -> str | None:
    """The tax that all prices of the commitment have; where they differ, that of the book."""
    taxes = {
        price.tax for price in book.prices if not commitment.skus or price.sku in commitment.skus
    }
    return taxes.pop() if len(taxes) == 1 else None
