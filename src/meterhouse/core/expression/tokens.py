"""The words of an expression: numbers, texts, names, placeholders and marks, with their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from meterhouse.core.expression.fault import ExpressionError

#: Longer expressions are refused.
EXPRESSION_CHARS_MAX = 10_000


class TokenKind(Enum):
    """What a word is."""

    NUMBER = auto()
    TEXT = auto()
    NAME = auto()
    PLACEHOLDER = auto()
    MARK = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A word. ``value`` is what it means: a text without its quotes, a placeholder's path."""

    kind: TokenKind
    value: str
    at: int
    written: str = ""


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<placeholder>[$@]\{payload(?:\.(?P<path>[^{}\n]+))?\})
  | (?P<name>[^\W0-9]\w*(?:\.[^\W0-9]\w*)*)
  | (?P<mark>==|!=|<=|>=|&&|\|\||[-+*/%<>!?:,()\[\]])
    """,
    re.VERBOSE,
)
_KINDS = {
    "number": TokenKind.NUMBER,
    "text": TokenKind.TEXT,
    "name": TokenKind.NAME,
    "placeholder": TokenKind.PLACEHOLDER,
    "mark": TokenKind.MARK,
}
#: Other spellings of marks.
_MARKS = {"&&": "and", "||": "or", "!": "not"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "/": "/"}


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of an expression, and its end. Raises ``ExpressionError``."""
    if len(text) > EXPRESSION_CHARS_MAX:
        what = f"The expression has {len(text):,} characters"
        hint = f"at most {EXPRESSION_CHARS_MAX:,} are allowed"
        raise ExpressionError(what, text=text, at=EXPRESSION_CHARS_MAX, hint=hint)
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unknown(text, at)
        if (group := found.lastgroup) != "space":
            yield _token(text, found, group or "")
        at = found.end()
    yield Token(TokenKind.END, "", len(text.rstrip()), "the end of the expression")


def _token(text: str, found: re.Match[str], group: str) -> Token:
    written, at = found[0], found.start()
    if group in ("placeholder", "path"):
        return Token(TokenKind.PLACEHOLDER, found["path"] or "", at, written)
    value = written
    if group == "number" and text[found.end() : found.end() + 1].isalpha():
        hint = "a field whose name begins with a digit is written @{payload.1st}"
        what = f"A name or number cannot be written {written}{text[found.end()]}…"
        raise ExpressionError(what, text=text, at=at, hint=hint)
    if group == "text":
        value = _unescaped(text, written[1:-1], at + 1)
    return Token(_KINDS[group], _MARKS.get(value, value) if group == "mark" else value, at, written)


def _unescaped(text: str, written: str, at: int) -> str:
    def plain(escape: re.Match[str]) -> str:
        mark = escape[1]
        if len(mark) > 1:
            char = chr(int(mark[1:], 16))
            if "\ud800" <= char <= "\udfff":
                hint = "write the character itself"
                what = f"\\{mark} is half a character"
                raise ExpressionError(what, text=text, at=at + escape.start(), hint=hint)
            return char
        if mark not in _ESCAPED:
            hint = r"""use \n, \t, \r, \\, \", \' or \u with four digits"""
            what = f"There is no escape \\{mark}"
            raise ExpressionError(what, text=text, at=at + escape.start(), hint=hint)
        return _ESCAPED[mark]

    return _ESCAPE.sub(plain, written)


def _unknown(text: str, at: int) -> ExpressionError:
    char = text[at]
    if char in "\"'":
        what, hint = "A text has no end", f"close it with {char}"
    elif char in "$@":
        what, hint = f"{char} begins no placeholder", f"write {char}{{payload.field}}"
    elif char == "=":
        what, hint = "= is not an operator", "write == to compare"
    elif char in "&|":
        what = f"{char} is not an operator"
        hint = f"write {'and' if char == '&' else 'or'}"
    else:
        what = f"{char!r} means nothing here"
        hint = "a field with such a character in its name is written @{payload.name}"
    return ExpressionError(what, text=text, at=at, hint=hint)
