"""The versions of a price book that a billing period is rated with.

Prices may change within a period. The version that is in force when the period begins says its
currency, its time zone and its tax; others take over at the beginning of their first days, if they
are of the same currency and zone. An invoice says which versions it was rated with, and from which
day each: late usage of its period is rated by the same ones, whatever was added since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial

from meterhouse.app.billing.books import used_book
from meterhouse.app.billing.periods import Days, days_billed, days_of
from meterhouse.app.billing.price_book_ports import StoredBook
from meterhouse.app.billing.price_books import find_version
from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Invoice
from meterhouse.core.party import Customer
from meterhouse.core.price_book import PriceBook

#: The metadata that names the versions of a period whose prices change, by the hashes.
PRICE_CHANGES = "priceChanges"


@dataclass(frozen=True, slots=True)
class Dated:
    """A version, and the days of a period that it is for; the contract has ``charged`` of them."""

    book: PriceBook
    first: date
    days: int
    charged: int


@dataclass(frozen=True, slots=True)
class Versions:
    """All versions of a period in their order; ``refused`` says why there is only one of them."""

    dated: tuple[Dated, ...]
    refused: str = ""

    @property
    def books(self) -> tuple[PriceBook, ...]:
        """The versions alone."""
        return tuple(one.book for one in self.dated)

    @property
    def changes(self) -> str:
        """From which day on there are which other versions, for people."""
        return ", ".join(f"{one.book.version} from {one.first} on" for one in self.dated[1:])

    def to_metadata(self) -> dict[str, str]:
        """Return what an invoice says of its versions: nothing where there is one."""
        if len(self.dated) == 1:
            return {}
        texts = (f"{one.first} {one.charged}/{one.days} {one.book.hash}" for one in self.dated)
        return {PRICE_CHANGES: "; ".join(texts)}


def one_version(book: PriceBook, days: Days, share: tuple[int, int], refused: str = "") -> Versions:
    """Return the version that all of a period is rated with."""
    charged, whole = share
    return Versions((Dated(book, days.first, whole, charged),), refused)


def versions_within(
    ledger: Ledger, book: PriceBook, period: BillingPeriod, *, customer: Customer, days: Days
) -> Versions:
    """Return the versions that hold within a period; ``book`` holds when it begins."""
    share = customer.charged_days(days.first, days.end)
    found = _changes(ledger, book, period)
    others = {day: None if stored is None else stored.book() for day, stored in found.items()}
    if refused := _refused(others, book, customer):
        named = ", ".join(
            f"{'none' if one is None else one.version} from {day} on" for day, one in others.items()
        )
        return one_version(book, days, share, f"{named}; {refused}")
    starts = {days.first: book} | {day: one for day, one in others.items() if one is not None}
    ends = [*list(starts)[1:], days.end]
    return Versions(
        tuple(
            Dated(one, first, (end - first).days, customer.charged_days(first, end)[0])
            for (first, one), end in zip(starts.items(), ends, strict=True)
        )
    )


def versions_used(ledger: Ledger, invoice: Invoice, share: tuple[int, int]) -> Versions:
    """Return the versions that an invoice was rated with. ``share``: its days charged, of all."""
    said = invoice.metadata.get(PRICE_CHANGES)
    if said is None:
        return one_version(used_book(ledger, invoice.books[0]), days_billed(invoice), share)
    by_hash = {book.hash: book for book in invoice.books}
    dated = []
    for text in said.split("; "):
        first, counts, hash = text.split(" ")
        charged, whole = map(int, counts.split("/"))
        used = by_hash[hash]
        book = find_version(ledger, used.id, used.version)
        dated.append(Dated(book, date.fromisoformat(first), whole, charged))
    return Versions(tuple(dated))


def _changes(
    ledger: Ledger, book: PriceBook, period: BillingPeriod
) -> dict[date, StoredBook | None]:
    """Return what holds from each day within a period on which another version begins to."""
    days, bounds = days_of(period), dict[date, Instant]()
    for about in take(partial(ledger.price_books, id=book.id), limit=None):
        for day in (about.valid_from, about.valid_to):
            if day is not None and days.first <= day < days.end:
                # A version begins on a day of its own zone, which may be later than the book's.
                starts = [
                    Days(day, day).in_zone(zone).start for zone in (about.timezone, book.timezone)
                ]
                bounds[day] = max(*starts, bounds.get(day, period.start))
    version, found = book.version, dict[date, StoredBook | None]()
    for day, at in sorted(bounds.items()):
        if not period.start < at < period.end:
            continue
        stored = ledger.price_book_at(book.id, at)
        here = "" if stored is None else stored.about.version
        if here != version:
            version, found[day] = here, stored
    return found


def _refused(others: dict[date, PriceBook | None], book: PriceBook, customer: Customer) -> str:
    """Say why other versions cannot take over."""
    for other in others.values():
        if other is None:
            return "no version holds then"
        if other.currency != book.currency:
            return f"{other.version} is in {other.currency}"
        if other.timezone != book.timezone:
            return f"{other.version} is in the time zone {other.timezone}"
        if other.customer not in (None, customer.id):
            return f"{other.version} is for customer {other.customer!r}"
    return ""
