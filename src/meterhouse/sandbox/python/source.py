"""The text of a script as the body of a function, so that it can be called for each record."""

from __future__ import annotations

import io
import tokenize

#: What a script is made with, and what it is called with.
OWN = "state, store, audit, log, sharedStore"
SEEN = "payload, meta"
#: Lines that stand before the script's own, and characters before each of its lines.
LINES_BEFORE = 2
_INDENT = "  "


def as_maker(name: str, source: str) -> str:
    """Return the definition of a function that returns ``source`` as a function.

    Lines that begin inside of a text literal stay as they are.

    >>> print(as_maker("make", "push(payload)"), end="")
    def make(state, store, audit, log, sharedStore):
     def script(payload, meta):
      push(payload)
      pass
     return script
    """
    kept = _inside_texts(source)
    body = "".join(
        line if number in kept or not line.strip() else _INDENT + line
        for number, line in enumerate(source.splitlines(keepends=True), start=1)
    )
    ending = "" if not body or body.endswith("\n") else "\n"
    head = f"def {name}({OWN}):\n def script({SEEN}):\n"
    return f"{head}{body}{ending}{_INDENT}pass\n return script\n"


def column_of(column: int) -> int:
    """Return the column of the script, where the maker has ``column``."""
    return max(1, column - len(_INDENT))


def _inside_texts(source: str) -> set[int]:
    """The lines that begin inside of a text literal; none where the source is no Python."""
    inside: set[int] = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            first, last = token.start[0], token.end[0]
            # Only texts go over several lines: brackets are tokens of their own.
            if last > first and token.type not in (tokenize.NEWLINE, tokenize.NL):
                inside.update(range(first + 1, last + 1))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return set()
    return inside
