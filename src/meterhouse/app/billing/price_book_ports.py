"""What the use cases of price books ask of the ledger. Like ``ports``, of which it is a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from meterhouse.app.page import Page
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import parse_json

if TYPE_CHECKING:
    from meterhouse.core.price_book import PriceBook


@dataclass(frozen=True, slots=True)
class BookVersion:
    """What is known of a version of a price book without reading its prices."""

    id: str
    version: str
    hash: str
    customer: str | None
    currency: str
    timezone: str
    valid_from: date
    valid_to: date | None
    prices: int
    format: str
    created_at: Instant
    created_by: str
    used_at: Instant | None

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return {
            "id": self.id,
            "version": self.version,
            "hash": self.hash,
            "customer": self.customer,
            "currency": self.currency,
            "timezone": self.timezone,
            "validFrom": self.valid_from.isoformat(),
            "validTo": None if self.valid_to is None else self.valid_to.isoformat(),
            "numberOfPrices": self.prices,
            "createdAt": instant_text(self.created_at),
            "createdBy": self.created_by,
            "usedAt": None if self.used_at is None else instant_text(self.used_at),
        }


@dataclass(frozen=True, slots=True)
class StoredBook:
    """A version with its document: as it was written, and as canonical JSON."""

    about: BookVersion
    text: str
    document: str

    def book(self) -> PriceBook:
        """Return what it says."""
        # All that a price book may say is much to load, and most commands read none.
        from meterhouse.core.price_book_reading import read_price_book

        return read_price_book(parse_json(self.document))


@dataclass(frozen=True, slots=True)
class BookDraft:
    """A version that is not stored yet. ``document`` is canonical JSON."""

    book: PriceBook
    text: str
    format: str
    document: str
    from_at: Instant
    to_at: Instant | None
    at: Instant
    by: str


class PriceBooks(Protocol):
    """The price books and their versions."""

    def add_price_books(self, drafts: Sequence[BookDraft]) -> list[tuple[BookVersion, bool]]:
        """Add all or none; returns for each what is stored and whether it is new.

        One that is stored already, as it is, is not added again. ``ConflictError`` where a version
        is stored with other contents.
        """
        ...

    def price_book(self, id: str, version: str | None = None) -> StoredBook | None:
        """Return a version: the one that begins last, unless one is named."""
        ...

    def price_book_at(self, id: str, at: Instant) -> StoredBook | None:
        """Return the version that is in force at an instant."""
        ...

    def price_books(
        self,
        *,
        id: str | None = None,
        customer: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[BookVersion]:
        """List versions: all, or of one book, or for one customer."""
        ...

    def mark_price_book_used(self, id: str, version: str, *, at: Instant) -> None:
        """Keep a version for good. A second time changes nothing."""
        ...

    def delete_price_book(
        self, id: str, version: str, check: Callable[[BookVersion], None]
    ) -> BookVersion:
        """Delete a version that was never used, and return it."""
        ...
