"""The SQL files of this room: named queries and numbered migrations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_NUMBER = re.compile(r"^(\d{4})_\w+\.sql$")


@cache
def queries(noun: str) -> Mapping[str, str]:
    """Return the queries of ``queries/<noun>.sql`` by name.

    >>> "insert_stream" in queries("streams")
    True
    """
    text = (files("meterhouse.store") / "queries" / f"{noun}.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], (body.strip() for body in parts[1::2]), strict=True))


def migrations() -> Iterator[tuple[int, str]]:
    """Yield number and text of every migration, in order."""
    found = {
        int(match[1]): file
        for file in (files("meterhouse.store") / "migrations").iterdir()
        if (match := _NUMBER.match(file.name))
    }
    assert sorted(found) == list(range(1, len(found) + 1)), "migrations are numbered from 1"
    for number in sorted(found):
        yield number, found[number].read_text("utf-8")
