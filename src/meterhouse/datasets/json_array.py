"""A JSON array as the texts of its values, one after the other, whatever its length.

Decides where a value ends, and nothing about what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from json import JSONDecoder

_SPACE = re.compile(r"[ \t\r\n\ufeff]*")
_DECODER = JSONDecoder()
#: So many characters more are read, at least, before a value is looked for again.
_STEP = 1 << 16


class BrokenArray(ValueError):
    """What follows is no JSON array, or has a value that is longer than is read."""


def array_values(pieces: Iterable[str], *, longest: int) -> Iterator[str]:
    """Yield the text of each value of an array that comes in pieces.

    Raises ``BrokenArray`` where it ends as no array does, after the values before that place.

    >>> list(array_values(['[{"a": [1', ']}, "x', ', y"]'], longest=100))
    ['{"a": [1]}', '"x, y"']
    """
    text = _Text(pieces)
    text.expect("[")
    if text.begins("]"):
        text.expect("]")
    else:
        yield text.value(longest)
        while text.begins(","):
            text.expect(",")
            yield text.value(longest)
        text.expect("]")
    if text.more():
        raise BrokenArray


class _Text:
    """What of a text was read, and not used yet."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)
        self._held, self._at = "", 0

    def begins(self, sign: str) -> bool:
        """Whether a sign is next, white space left out."""
        return self.more() and self._held[self._at] == sign

    def expect(self, sign: str) -> None:
        """Take a sign."""
        if not self.begins(sign):
            raise BrokenArray
        self._at += 1

    def more(self) -> bool:
        """Whether anything but white space is left."""
        while True:
            self._at = _end_of_space(self._held, self._at)
            if self._at < len(self._held):
                return True
            if not self._read(_STEP):
                return False

    def value(self, longest: int) -> str:
        """Take a value: its text."""
        if not self.more():
            raise BrokenArray
        while True:
            end = self._end()
            if end is not None:
                break
            # Twice as much each time: a value is looked at a few times, however it is cut.
            room = len(self._held) - self._at
            if room > longest or not self._read(max(room, _STEP)):
                raise BrokenArray
        value, self._at = self._held[self._at : end], end
        if len(value) > longest:
            raise BrokenArray
        return value

    def _end(self) -> int | None:
        """Return where the value ends that is next; ``None`` where that cannot be told yet."""
        try:
            _, end = _DECODER.raw_decode(self._held, self._at)
        except (ValueError, RecursionError):
            return None
        # A number goes on until something else comes.
        return end if _end_of_space(self._held, end) < len(self._held) else None

    def _read(self, count: int) -> bool:
        """Read so many characters more, at least, if there are so many."""
        found, held = 0, [self._held[self._at :]]
        for piece in self._pieces:
            held.append(piece)
            found += len(piece)
            if found >= count:
                break
        self._held, self._at = "".join(held), 0
        return found > 0


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
