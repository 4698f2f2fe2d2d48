"""Avro containers, written so that the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from meterhouse.core.json_text import JsonValue, Record


def write_avro(
    path: Path,
    *,
    schema: Mapping[str, JsonValue],
    rows: Iterable[Record],
    sync: bytes | None = None,
) -> int:
    """Write a container, packed by deflate, whose header has the schema as it is.

    ``sync`` is the marker between blocks; unless given, it is made of the schema. Rows without a
    field have its default. Returns how many rows there are.
    """
    raise NotImplementedError
