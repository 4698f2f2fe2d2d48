"""Price books: making versions, finding the one in force, checking, deleting.

A version is in force from the beginning of its first day until its own end, or until a version
that begins later does, whichever comes first. Of versions that begin together, the one made last
counts. What is in force never comes back once a later version has begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from meterhouse.app.billing.price_book_ports import BookDraft, BookVersion, PriceBooks, StoredBook
from meterhouse.app.billing.price_check import UsageSeen, unpriced_warnings
from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import parse_json
from meterhouse.core.price_book import PriceBook
from meterhouse.core.price_book_lint import Lint, lint_price_book, validity_warnings
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.price_book_text import book_text
from meterhouse.core.problem import (
    ConflictError,
    DefinitionError,
    MeterhouseError,
    NotFoundError,
    Problem,
)
from meterhouse.core.timezone import first_instant, zone

#: With so many versions of one book, more are not compared.
_VERSIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Document:
    """The document of one book in a file: as written, and what was read of it.

    ``place`` is empty where it is alone in its file.
    """

    place: str
    text: str
    format: str
    body: object


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a document: a book, if it could be read, and what was found."""

    document: Document
    book: PriceBook | None
    lint: Lint

    @property
    def is_wrong(self) -> bool:
        """Whether it has problems; warnings are none."""
        return bool(self.lint.problems)


def checked_document(document: Document) -> Checked:
    """Read a document and say everything that is wrong with it."""
    try:
        book = read_price_book(document.body)
    except DefinitionError as error:
        return Checked(document, None, Lint(error.problems))
    return Checked(document, book, lint_price_book(book))


def check_price_books(books: PriceBooks, documents: Sequence[Document]) -> list[Checked]:
    """Check documents, also beside the versions that are stored. Nothing is stored."""
    checked = [checked_document(document) for document in documents]
    read = [item.book for item in checked if item.book is not None]
    return [
        item
        if item.book is None
        else replace(item, lint=_with(item.lint, _beside(books, item.book, read)))
        for item in checked
    ]


def check_usage(ledger: Ledger, checked: Sequence[Checked]) -> list[Checked]:
    """Add what of the golden records of the ledger each book has no price for."""
    seen = UsageSeen(ledger, ledger)
    return [
        item
        if item.book is None
        else replace(item, lint=_with(item.lint, unpriced_warnings(item.book, seen)))
        for item in checked
    ]


def _with(lint: Lint, warnings: tuple[Problem, ...]) -> Lint:
    return Lint(lint.problems, (*lint.warnings, *warnings))


def _beside(books: PriceBooks, book: PriceBook, given: Sequence[PriceBook]) -> tuple[Problem, ...]:
    """Say how a version fits together with those stored and those given with it."""
    if book is not next(other for other in given if other.id == book.id):
        return ()  # Said with the first version of the file.
    own = [other for other in given if other.id == book.id]
    new = {other.version for other in own}
    page = books.price_books(id=book.id, limit=_VERSIONS_MAX)
    stored = [books.price_book(book.id, about.version) for about in page.items]
    before = [one.book() for one in stored if one is not None and one.about.version not in new]
    return validity_warnings([*before, *own])


def create_price_books(
    books: PriceBooks, documents: Sequence[Document], *, at: Instant, by: str
) -> list[tuple[BookVersion, bool]]:
    """Store all books of a file or none; tells of each whether it is new.

    Raises ``DefinitionError`` with the problems of all of them; warnings do not matter here.
    """
    checked = [checked_document(document) for document in documents]
    problems = [
        problem.at(item.document.place) if item.document.place else problem
        for item in checked
        for problem in item.lint.problems
    ]
    if problems or not checked:
        raise DefinitionError(problems or [Problem("", "is empty")], what=_what(checked))
    drafts = [
        _draft(item.document, item.book, at=at, by=by) for item in checked if item.book is not None
    ]
    return books.add_price_books(drafts)


def _what(checked: Sequence[Checked]) -> str:
    if len(checked) != 1:
        return "The file of price books"
    book = checked[0].book
    return "The price book" if book is None else f"The price book {book.id!r}"


def _draft(document: Document, book: PriceBook, *, at: Instant, by: str) -> BookDraft:
    return BookDraft(
        book=book,
        text=document.text,
        format=document.format,
        document=book_text(document.body),
        from_at=_begin(book.valid_from, book.timezone),
        to_at=None if book.valid_to is None else _begin(book.valid_to, book.timezone),
        at=at,
        by=by,
    )


def _begin(day: date, timezone: str) -> Instant:
    return first_instant(datetime.combine(day, time.min), zone(timezone))


def book_for(books: PriceBooks, id: str, at: Instant, *, day: date | None = None) -> PriceBook:
    """Return the version of a book that is in force at an instant, which errors call its ``day``.

    Raises ``NotFoundError``: there is no such book, or no version of it was in force then.
    """
    stored = books.price_book_at(id, at)
    if stored is None:
        if books.price_book(id) is None:
            raise _none_such(id, None)
        when = f"at {instant_text(at)}" if day is None else f"on {day}"
        message = f"No version of price book {id!r} is in force {when}"
        hint = f"`meterhouse price-book list --book {id}` shows when they are; create one"
        raise NotFoundError(message, hint=hint)
    return _book_of(stored)


def find_version(books: PriceBooks, id: str, version: str | None = None) -> PriceBook:
    """Return a version of a book: the one that begins last, unless one is named."""
    return _book_of(find_stored(books, id, version))


def find_stored(books: PriceBooks, id: str, version: str | None = None) -> StoredBook:
    """Return a version with its document: the one that begins last, unless one is named."""
    return found(books.price_book(id, version), or_raise=lambda: _none_such(id, version))


def _book_of(stored: StoredBook) -> PriceBook:
    try:
        return stored.book()
    except DefinitionError as error:
        about = stored.about
        message = f"Price book {about.id!r}, version {about.version!r} cannot be read any more"
        raise MeterhouseError(f"{message}: {error}") from error


def shown_book(stored: StoredBook) -> dict[str, object]:
    """Return the API's object of a version with its document."""
    return stored.about.to_api() | {"document": parse_json(stored.document)}


def mark_used(books: PriceBooks, id: str, version: str, *, at: Instant) -> None:
    """Keep a version for good: something was rated with it."""
    books.mark_price_book_used(id, version, at=at)


def delete_version(books: PriceBooks, id: str, version: str | None = None) -> BookVersion:
    """Delete a version that nothing was rated with; which one may be left out if it is the only.

    Raises ``ConflictError`` where it was used, or where it is not clear which is meant.
    """
    if version is None:
        known = books.price_books(id=id, limit=2).items
        if not known:
            raise _none_such(id, None)
        if len(known) > 1:
            message = f"Price book {id!r} has several versions"
            raise ConflictError(message, hint="Say which one: --version V")
        version = known[0].version
    return books.delete_price_book(id, version, _refuse_used)


def _refuse_used(about: BookVersion) -> None:
    if about.used_at is not None:
        message = f"Version {about.version!r} of price book {about.id!r} is in use"
        hint = "what was rated with it must stay to be explained; make a new version instead"
        raise ConflictError(message, hint=hint)


def _none_such(id: str, version: str | None) -> NotFoundError:
    if version is not None:
        hint = f"`meterhouse price-book list --book {id}` shows those that exist"
        return NotFoundError(f"Price book {id!r} has no version {version!r}", hint=hint)
    hint = "`meterhouse price-book list` shows those that exist"
    return NotFoundError(f"There is no price book {id!r}", hint=hint)
