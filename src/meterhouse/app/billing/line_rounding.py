"""Why a line of a price change is rounded as it is: with the lines that it goes on from.

Amounts are rounded as they grow: a line is what all up to its days comes to, rounded, less what all
before it does. So equal prices come to the same, however often versions are made.
"""

from __future__ import annotations

from collections.abc import Iterator

from meterhouse.app.billing.books import used_book
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import ChargeKind
from meterhouse.core.invoice import Invoice, InvoiceLine
from meterhouse.core.money import amount_text, rounded
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT
from meterhouse.rating.book_discounts import sum_of


def rounded_together(ledger: Ledger, line: InvoiceLine, invoice: Invoice) -> dict[str, str] | None:
    """Return what all up to a line comes to, exact and rounded, and what was before it.

    ``None`` where the line is rounded by itself.
    """
    digits, charge = invoice.currency_digits, line.charge
    book = _book_of(ledger, line, invoice)
    if book is None or charge.kind is ChargeKind.ADJUSTMENT:
        return None
    if rounded(charge.exact, digits, book.rounding) == charge.gross:
        return None
    earlier = list(_earlier(ledger, line, invoice))
    before = sum_of([one.charge.gross for one in earlier])
    exact = sum_of([charge.exact, *(one.charge.exact for one in earlier)])
    together = EXACT.add(before, charge.gross)
    if not earlier or rounded(exact, digits, book.rounding) != together:
        return None
    return {
        "exact": amount_text(exact, digits),
        "rounded": amount_text(together, digits),
        "before": amount_text(before, digits),
    }


def _earlier(ledger: Ledger, line: InvoiceLine, invoice: Invoice) -> Iterator[InvoiceLine]:
    """Yield the lines that a line goes on from, the last one first."""
    key, present = _key(line), line
    mine = [one for one in invoice.lines if _key(one) == key and _starts(one) < _starts(line)]
    for one in sorted(mine, key=_starts, reverse=True):
        book = _book_of(ledger, present, invoice)
        if book is None or book.restart_tiers:
            return
        yield one
        present = one


def _starts(line: InvoiceLine) -> int:
    return line.charge.period.start


def _key(line: InvoiceLine) -> tuple[object, ...]:
    return line.charge.sku, line.corrects, sorted(line.charge.fields.items())


def _book_of(ledger: Ledger, line: InvoiceLine, invoice: Invoice) -> PriceBook | None:
    used = next((book for book in invoice.books if book.hash == line.book), None)
    return None if used is None else used_book(ledger, used)
