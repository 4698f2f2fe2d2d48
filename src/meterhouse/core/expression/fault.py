"""What is wrong with an expression, and where: a message that points into its text."""

from __future__ import annotations

from meterhouse.core.problem import MeterhouseError, Problem

_SHOWN_CHARS = 76
_INDENT = "    "


class ExpressionError(MeterhouseError):
    """An expression cannot be read, or cannot be computed for a record.

    ``at`` is the place in ``text``, from 0; ``what`` the message without the place.
    """

    code = "expression_invalid"

    def __init__(self, what: str, *, text: str, at: int, hint: str = "") -> None:
        self.what, self.text, self.at = what, text, at
        super().__init__(f"{what}, at character {at + 1}:\n{pointed(text, at)}", hint=hint)

    def __str__(self) -> str:
        return f"{self.args[0]}\n{self.hint}" if self.hint else self.args[0]

    def problem(self, place: str) -> Problem:
        """Return the same as a problem of a definition."""
        message = f"{self.what}, at character {self.at + 1} of {self.text[:60]!r}"
        return Problem(place, message, self.hint)


class Unfit(Exception):
    """A value cannot be computed with; whoever knows the place makes an ``ExpressionError``."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def pointed(text: str, at: int) -> str:
    """Return the line of a text that has a place, and a caret under it.

    >>> print(pointed("1 + x", 4))
        1 + x
            ^
    """
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line, column = text[start : len(text) if end < 0 else end], at - start
    if len(line) > _SHOWN_CHARS:
        first = max(0, min(column - _SHOWN_CHARS // 2, len(line) - _SHOWN_CHARS))
        line, column = line[first : first + _SHOWN_CHARS], column - first
    shown = "".join(char if char.isprintable() else " " for char in line)
    return f"{_INDENT}{shown}\n{_INDENT}{' ' * column}^"
