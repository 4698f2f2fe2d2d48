"""Pages of lists: by the number of the last item, never by counting off rows."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar

from meterhouse.app.ports import Page
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.store.connection import Row

Item = TypeVar("Item")
_MARK = "c"
_TEXT_MARK = "."


def number_after(cursor: str | None, *, default: int = 0) -> int:
    """Return the number that a cursor stands for."""
    if cursor is None:
        return default
    try:
        if not cursor.startswith(_MARK):
            raise ValueError
        return int(cursor[1:], 36)
    except ValueError:
        raise _foreign(cursor) from None


def cursor_of(number: int) -> str:
    """Return the cursor of the item with that number.

    >>> number_after(cursor_of(1295))
    1295
    """
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return _MARK + (digits or "0")


def _foreign(cursor: str) -> DefinitionError:
    problem = Problem("after", f"is {cursor!r}", "give the cursor of the page before")
    return DefinitionError([problem], what="The cursor")


def text_after(cursor: str | None) -> tuple[str, int]:
    """Return the text and number that a cursor stands for, in lists that texts sort."""
    if cursor is None:
        return "", -1
    number, mark, text = cursor.partition(_TEXT_MARK)
    try:
        if not mark:
            raise ValueError
        return b64decode(text, altchars=b"-_", validate=True).decode(), number_after(number)
    except ValueError:
        raise _foreign(cursor) from None


def text_cursor_of(text: str, number: int) -> str:
    """Return the cursor of the item with that text and number.

    >>> text_after(text_cursor_of("Ann Ü", 7))
    ('Ann Ü', 7)
    """
    return f"{cursor_of(number)}{_TEXT_MARK}{urlsafe_b64encode(text.encode()).decode()}"


def page_of(
    rows: Sequence[Row],
    make: Callable[[Sequence[Row]], Sequence[Item]],
    *,
    limit: int,
    number: int = -1,
) -> Page[Item]:
    """Make a page of up to ``limit + 1`` rows; ``number`` is the place of their numbers."""
    more = len(rows) > limit
    shown = rows[:limit]
    return Page(make(shown), cursor_of(shown[-1][number]) if more and shown else None)
