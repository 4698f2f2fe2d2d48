"""Globs over names with slashes, for places that have no glob of their own.

``*`` and ``?`` stand for characters of one part, ``[...]`` for one of some, and ``**`` as a whole
part for any parts. As in a file system, a part that begins with a dot must be named with its dot.
"""

from __future__ import annotations

import re
from functools import lru_cache

_MAGIC = re.compile(r"[*?\[]")


def has_magic(pattern: str) -> bool:
    """Whether a pattern is more than a name."""
    return _MAGIC.search(pattern) is not None


def fixed_prefix(pattern: str) -> str:
    """Return the folders that all names of a pattern are in, with the slash behind them.

    >>> fixed_prefix("usage/2026/*.csv"), fixed_prefix("*.csv"), fixed_prefix("a/b.csv")
    ('usage/2026/', '', 'a/')
    """
    found = _MAGIC.search(pattern)
    literal = pattern if found is None else pattern[: found.start()]
    return literal[: literal.rfind("/") + 1]


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern names a name.

    >>> matches("a/**/*.csv", "a/b/c/d.csv"), matches("a/**/*.csv", "a/d.csv")
    (True, True)
    >>> matches("a/*.csv", "a/b/d.csv"), matches("a/*.csv", "a/.part.csv")
    (False, False)
    """
    return pattern == name or _regex(pattern).fullmatch(name) is not None


@lru_cache(maxsize=64)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = pattern.split("/")
    out: list[str] = []
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            out.append(r"(?!\.)[^/]+(?:/(?!\.)[^/]+)*" if last else r"(?:(?!\.)[^/]+/)*")
        else:
            out.append(_part(part) + ("" if last else "/"))
    return re.compile("".join(out), re.DOTALL)


def _part(part: str) -> str:
    hidden = "" if part.startswith(".") else r"(?!\.)"
    out, at = [hidden], 0
    while at < len(part):
        end = part.find("]", at + 2) if part[at] == "[" else -1
        if end > 0:
            out.append(_one_of(part[at + 1 : end]))
            at = end + 1
            continue
        # A run of stars is one star: several of them would try each way to share a name.
        if part[at] == "*" and out[-1] != "[^/]*":
            out.append("[^/]*")
        elif part[at] != "*":
            out.append("[^/]" if part[at] == "?" else re.escape(part[at]))
        at += 1
    return "".join(out)


def _one_of(characters: str) -> str:
    negated = characters[:1] in ("!", "^")
    inner = characters[1:] if negated else characters
    inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner)
    try:
        re.compile(f"[{inner}]")
    except re.error:  # a range that ends before it begins names nothing
        return "(?!)"
    return f"(?!/)[{'^' if negated else ''}{inner}]"
