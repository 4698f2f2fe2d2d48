"""Walking through lists that come in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from meterhouse.app.ports import Page

Item = TypeVar("Item")
ItemOut = TypeVar("ItemOut", covariant=True)
PAGE_MAX = 1_000


class PageOf(Protocol[ItemOut]):
    """A list of the ledger, its filters already given."""

    def __call__(self, *, limit: int, after: str | None) -> Page[ItemOut]:
        """Return the page after a cursor."""
        ...


def take(page_of: PageOf[Item], *, limit: int | None) -> Iterator[Item]:
    """Yield the first ``limit`` items of a list, or all of them, one page in memory at a time."""
    left = limit
    cursor: str | None = None
    while left is None or left > 0:
        page = page_of(limit=PAGE_MAX if left is None else min(left, PAGE_MAX), after=cursor)
        yield from page.items
        if left is not None:
            left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def found(item: Item | None, *, or_raise: Callable[[], Exception]) -> Item:
    """Return what was found, or raise what says that it does not exist."""
    if item is None:
        raise or_raise()
    return item
