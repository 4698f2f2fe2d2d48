"""What the text functions of expressions do. Positions count from 0, as in scripts."""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.core.expression.fault import Unfit
from meterhouse.core.expression.value import Value, bounded
from meterhouse.core.expression.value import text as as_text


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
    parts = split(text, separator)
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


def padded_end(text: str, width: int, fill: str = " ") -> str:
    """Put characters behind until a text is so long.

    >>> padded_end("7", 3, "0")
    '700'
    """
    return padded(text[::-1], width, fill)[::-1]


def concatenated(*parts: str) -> str:
    """Join several texts."""
    bounded(sum(map(len, parts)))
    return "".join(parts)


def left(text: str, length: int) -> str:
    """Return the first characters."""
    return text[: max(length, 0)]


def right(text: str, length: int) -> str:
    """Return the last characters.

    >>> right("Berlin", 3), right("Berlin", 0), right("Berlin", 9)
    ('lin', '', 'Berlin')
    """
    return text[max(len(text) - length, 0) :] if length > 0 else ""


def capitalized(text: str) -> str:
    """Make the first character a capital letter."""
    return text[:1].upper() + text[1:]


def repeated(text: str, count: int) -> str:
    """Return a text so many times."""
    if count < 0:
        raise Unfit(f"A text cannot be repeated {count} times", "use 0 or more")
    bounded(len(text) * count)
    return text * count


def split(text: str, separator: str) -> list[str]:
    """Return the parts of a text that separators cut."""
    if not separator:
        raise Unfit("The separator is empty", "give at least one character")
    return text.split(separator)


def list_joined(items: Sequence[Value], separator: str) -> str:
    """Join the items of a list; each must be something that can be written as text."""
    parts = [as_text(item) for item in items]
    bounded(sum(map(len, parts)) + len(separator) * max(len(parts) - 1, 0))
    return separator.join(parts)


def item(items: Sequence[Value], place: int) -> Value:
    """Return one item of a list; ``None`` where there is none.

    >>> item(["a", "b"], -1), item([], 0)
    ('b', None)
    """
    return items[place] if -len(items) <= place < len(items) else None
