"""Symbols of enums that a reader's schema does not know: kept beside the default that they become.

A field of an enum gets another one, ``<field>_RAW``, with the symbol that was written; only where
the writer's schema knows more symbols than the reader's, and only in records that have such a one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

#: What the name of a field with the symbol that was written ends in.
RAW = "_RAW"


@dataclass(frozen=True, slots=True)
class RawSymbols:
    """A field with symbols that the reader does not know: ``written`` is the writer's name."""

    name: str
    written: str
    unknown: frozenset[str]

    def of(self, frame: pl.DataFrame) -> pl.Series | None:
        """Return the unknown symbols of a column as it was written; ``None`` where it has none."""
        texts = frame[self.written].cast(pl.String)
        known = texts.is_in(list(self.unknown))
        if not known.any():
            return None
        return texts.set(known.not_() | known.is_null(), None).alias(self.name)

    def of_record(self, record: Mapping[str, Any]) -> str | None:
        """Return the unknown symbol of a record as it was written."""
        symbol = record[self.written]
        return symbol if symbol in self.unknown else None


def raw_symbols(writer: Any, reader: Mapping[str, Any] | None) -> Sequence[RawSymbols]:
    """Return the fields whose writer knows more symbols; mostly there are none."""
    if reader is None:
        return ()
    written = {field["name"]: field for field in writer["fields"]}
    names = {field["name"] for field in reader["fields"]}
    found = []
    for field in reader["fields"]:
        called = (field["name"], *(field.get("aliases") or ()))
        theirs = next((written[name] for name in called if name in written), None)
        if theirs is None or field["name"] + RAW in names:
            continue
        unknown = _symbols(theirs["type"]) - _symbols(field["type"])
        if unknown and _symbols(field["type"]):
            found.append(RawSymbols(field["name"] + RAW, theirs["name"], unknown))
    return found


def with_raw(frame: pl.DataFrame, written: pl.DataFrame, raw: Sequence[RawSymbols]) -> pl.DataFrame:
    """Return a frame with the unknown symbols of the one that was read."""
    columns = (one.of(written) for one in raw)
    return frame.with_columns([column for column in columns if column is not None])


def raw_of_records(container: bytes, raw: Sequence[RawSymbols]) -> Iterator[dict[str, str]]:
    """Yield the unknown symbols of each record of a container, by the fields that have them."""
    import fastavro

    for record in fastavro.reader(io.BytesIO(container)):
        assert isinstance(record, Mapping), "its schema is a record"
        symbols = ((one.name, one.of_record(record)) for one in raw)
        yield {name: symbol for name, symbol in symbols if symbol is not None}


def _symbols(type_: Any) -> frozenset[str]:
    branches = type_ if isinstance(type_, list) else [type_]
    return frozenset(
        symbol
        for branch in branches
        if isinstance(branch, Mapping) and branch.get("type") == "enum"
        for symbol in branch["symbols"]
    )
