"""The price books of billing: which version holds for a customer's period, and older ones."""

from __future__ import annotations

from datetime import date
from functools import partial

from meterhouse.app.billing.periods import Days, days_of
from meterhouse.app.billing.price_books import book_for, find_version
from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import MINUTE, Instant
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
    first = book_for(ledger, customer.price_book, days.in_zone("Etc/UTC").start + _EVERYWHERE)
    period = days.in_zone(first.timezone)
    book = book_at(ledger, customer, period.start)
    return book, days.in_zone(book.timezone)


def book_at(ledger: Ledger, customer: Customer, at: Instant) -> PriceBook:
    """Return the version of a customer's price book that holds at an instant."""
    book = book_for(ledger, customer.price_book, at)
    check_customer(book, customer)
    return book


def changes_within(ledger: Ledger, book: PriceBook, period: BillingPeriod) -> list[tuple[str, str]]:
    """Tell, as an exception does, of versions that begin or end within a period that one rates."""
    days = days_of(period)
    bounds = {
        day
        for about in take(partial(ledger.price_books, id=book.id), limit=None)
        for day in (about.valid_from, about.valid_to)
        if day is not None and days.first < day < days.end
    }
    others: dict[str, date] = {}
    for day in sorted(bounds):
        at = Days(day, days.end).in_zone(book.timezone).start
        stored = ledger.price_book_at(book.id, at)
        version = "none" if stored is None else stored.about.version
        if version != book.version:
            others.setdefault(version, day)
    if not others:
        return []
    named = ", ".join(f"{version} from {day} on" for version, day in others.items())
    text = (
        f"prices change within the period ({named}): all of it is rated by version {book.version}, "
        "which is in force when it begins; draft the days before and after the change apart "
        "if meters reset there"
    )
    return [("price_change_in_period", text)]


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
