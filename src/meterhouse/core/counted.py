"""Numbers of things in words: one file, two files.

Only for nouns that have no odd plural; units of price books are such, too.
"""

from __future__ import annotations


def plural(noun: str) -> str:
    """Return the plural of a noun.

    >>> plural("query"), plural("day"), plural("token")
    ('queries', 'days', 'tokens')
    """
    if noun.endswith("y") and not noun.endswith(("ay", "ey", "oy", "uy")):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "query"), counted(1000, "query")
    ('1 query', '1,000 queries')
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"
