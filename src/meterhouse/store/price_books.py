"""The versions of price books, as they were written and as canonical JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from meterhouse.app.billing.price_book_ports import BookDraft, BookVersion, StoredBook
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("price_books")
_KIND = "price book"
_ABOUT_WIDTH = 13


class PriceBookTable(Recorder):
    """The part of the ledger that keeps price books."""

    _database: Database

    def add_price_books(self, drafts: Sequence[BookDraft]) -> list[tuple[BookVersion, bool]]:
        """Add all or none; one that is stored already, as it is, is not added again."""
        with self._database.write():
            return [self._add(draft) for draft in drafts]

    def _add(self, draft: BookDraft) -> tuple[BookVersion, bool]:
        book = draft.book
        with self._recorded("create", _KIND, book.id, version=book.version) as note:
            known = self.price_book(book.id, book.version)
            if known is not None:
                note.void = True
                _refuse_other(known.about, draft)
                return known.about, False
            to = None if book.valid_to is None else book.valid_to.isoformat()
            values = (
                *(book.id, book.version, book.hash, book.customer, book.currency, book.timezone),
                *(book.valid_from.isoformat(), to, draft.from_at, draft.to_at, len(book.prices)),
                *(draft.format, storable(draft.text), draft.document, draft.at),
                storable(draft.by),
            )
            self._database.execute(_SQL["insert"], values)
        added = self.price_book(book.id, book.version)
        assert added is not None, "it was just written"
        return added.about, True

    def price_book(self, id: str, version: str | None = None) -> StoredBook | None:
        """Return a version: the one that begins last, unless one is named."""
        query = "latest" if version is None else "version"
        with self._database.read():
            row = self._database.row(_SQL[query], {"id": id, "version": version})
            return None if row is None else _stored(row)

    def price_book_at(self, id: str, at: Instant) -> StoredBook | None:
        """Return the version that is in force at an instant."""
        with self._database.read():
            row = self._database.row(_SQL["begun"], {"id": id, "at": at})
        if row is None:
            return None
        to_at = row[-1]
        return _stored(row[:-1]) if to_at is None or at < to_at else None

    def price_books(
        self,
        *,
        id: str | None = None,
        customer: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[BookVersion]:
        """List versions: all, or of one book, or for one customer."""
        begin = number_after(after)
        values = {"id": id, "customer": customer, "limit": limit + 1, "after": begin}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
            return page_of(rows, lambda some: [_about(row[:-1]) for row in some], limit=limit)

    def mark_price_book_used(self, id: str, version: str, *, at: Instant) -> None:
        """Keep a version for good. A second time changes nothing."""
        with self._database.write():
            self._existing(id, version)
            values = {"id": id, "version": version, "at": at}
            self._database.execute(_SQL["use"], values)

    def delete_price_book(
        self, id: str, version: str, check: Callable[[BookVersion], None]
    ) -> BookVersion:
        """Delete a version that was never used, and return it."""
        with self._recorded("delete", _KIND, id, version=version):
            about = self._existing(id, version)
            check(about)
            self._database.execute(_SQL["delete"], {"id": id, "version": version})
            return about

    def _existing(self, id: str, version: str) -> BookVersion:
        known = self.price_book(id, version)
        if known is None:
            hint = f"`meterhouse price-book list --book {id}` shows those that exist"
            raise NotFoundError(f"Price book {id!r} has no version {version!r}", hint=hint)
        return known.about


def _refuse_other(known: BookVersion, draft: BookDraft) -> None:
    if known.hash != draft.book.hash:
        message = f"Price book {known.id!r} has a version {known.version!r} with other contents"
        hint = "a version never changes: give the new contents a version of their own"
        raise ConflictError(message, hint=hint)


def _stored(row: Row) -> StoredBook:
    *about, text, document = row
    return StoredBook(_about(tuple(about)), text, document)


def _about(row: Row) -> BookVersion:
    assert len(row) == _ABOUT_WIDTH
    id, version, hash, customer, currency, timezone, from_, to, *rest = row
    days = date.fromisoformat(from_), None if to is None else date.fromisoformat(to)
    return BookVersion(id, version, hash, customer, currency, timezone, *days, *rest)
