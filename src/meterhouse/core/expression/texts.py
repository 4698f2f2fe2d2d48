"""What the text functions of expressions do. Positions count from 0, as in scripts."""

from __future__ import annotations

from meterhouse.core.expression.fault import Unfit
from meterhouse.core.expression.value import Value, bounded


def joined(left: str, right: str) -> str:
    """Join two texts."""
    bounded(len(left) + len(right))
    return left + right


def length(value: Value) -> int:
    """Count the characters of a text, or the items of a list."""
    if isinstance(value, str | list | tuple):
        return len(value)
    raise Unfit("Only a text or a list has a length", "use length(text(value)) for a number")


def substring(text: str, start: int, end: int | None = None) -> str:
    """Return the characters from ``start`` to before ``end``.

    >>> substring("Berlin", 1, 3), substring("Berlin", -2)
    ('er', 'in')
    """
    return text[start:] if end is None else text[start:end]


def replace(text: str, old: str, new: str) -> str:
    """Replace every occurrence."""
    if not old:
        raise Unfit("The text to replace is empty", "give at least one character")
    bounded(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def split_part(text: str, separator: str, place: int) -> str | None:
    """Return one part of a text that separators cut; ``None`` where there is none.

    >>> split_part("a/b/c", "/", 1), split_part("a/b/c", "/", -1), split_part("a", "/", 1)
    ('b', 'c', None)
    """
    if not separator:
        raise Unfit("The separator is empty", "give at least one character")
    parts = text.split(separator)
    return parts[place] if -len(parts) <= place < len(parts) else None


def padded(text: str, width: int, fill: str = " ") -> str:
    """Put characters in front until a text is so long.

    >>> padded("7", 3, "0")
    '007'
    """
    if len(fill) != 1:
        raise Unfit("A text is filled up with one character", 'such as "0"')
    bounded(width)
    return text.rjust(width, fill)
