"""The price books of billing: which version holds for a customer's period, and older ones."""

from __future__ import annotations

from meterhouse.app.billing.periods import Days
from meterhouse.app.billing.price_books import book_for, find_version
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import MINUTE
from meterhouse.core.invoice import BookUsed
from meterhouse.core.party import Customer
from meterhouse.core.price_book import PriceBook
from meterhouse.core.problem import ConflictError

#: At 14:00 UTC it is the same day, or the beginning of the next one, everywhere on earth.
_EVERYWHERE = 14 * 60 * MINUTE


def book_and_period(
    ledger: Ledger, customer: Customer, days: Days
) -> tuple[PriceBook, BillingPeriod]:
    """Return the version that holds at the beginning of a period, and the period in its zone.

    Raises ``NotFoundError`` where none holds, ``ConflictError`` where it is somebody else's.
    """
    book, period = version_and_period(ledger, customer.price_book, days)
    check_customer(book, customer)
    return book, period


def version_and_period(ledger: Ledger, id: str, days: Days) -> tuple[PriceBook, BillingPeriod]:
    """Return the version of a book that holds when a period begins, and the period in its zone.

    Raises ``NotFoundError`` where none holds.
    """
    anywhere = days.in_zone("Etc/UTC").start + _EVERYWHERE
    first = book_for(ledger, id, anywhere, day=days.first)
    period = days.in_zone(first.timezone)
    book = book_for(ledger, id, period.start, day=days.first)
    return book, days.in_zone(book.timezone)


def check_customer(book: PriceBook, customer: Customer) -> None:
    """Refuse a price book that is for another customer."""
    if book.customer not in (None, customer.id):
        message = f"Price book {book.id!r} is for customer {book.customer!r}, not {customer.id!r}"
        raise ConflictError(message, hint="Give the customer another price book")


def book_used(book: PriceBook) -> BookUsed:
    """Return how an invoice names a version."""
    return BookUsed(book.id, book.version, book.hash)


def used_book(ledger: Ledger, used: BookUsed) -> PriceBook:
    """Return a version that an invoice was rated with."""
    return find_version(ledger, used.id, used.version)
