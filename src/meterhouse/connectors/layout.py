"""Rows in columns: as ``Column.from_values``, faster where a column is of one type."""

from __future__ import annotations

from itertools import chain
from types import NoneType

import msgspec
import polars as pl

from meterhouse.connectors.lines import places
from meterhouse.core.json_text import JsonValue, canonical_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.ports import ReadChunk

#: Records with more fields than this, together, are not laid out in columns.
FIELDS_MAX = 2_000

_ENCODER = msgspec.json.Encoder(order="sorted", decimal_format="number")
#: What may be written in more than one way: characters that are escaped, and numbers with an
#: exponent, a negative zero, zeros at the end of the fraction, or very many digits.
_TO_NORMALISE = r"[\\\x7f]|[:,\[]-?[0-9]+(?:\.[0-9]*)?(?:[eE]|\.[0-9]*0[,}\]])|[:,\[]-0|[0-9.]{90}"


def in_columns(chunk: ReadChunk) -> ReadChunk:
    """Lay the rows of a chunk out in columns, unless they have too many fields for that."""
    batch = chunk.batch
    if not len(batch):
        return chunk
    rows, origins = batch.rows(), batch.origins()
    names = dict.fromkeys(chain.from_iterable(rows))
    if len(names) > FIELDS_MAX:
        return chunk
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    offsets = pl.Series([offset for _, offset in origins], dtype=pl.Int64)
    return ReadChunk(
        UsageBatch.from_columns(columns, length=len(rows), source=origins[0][0], offsets=offsets),
        chunk.unreadable,
    )


def _column(values: list[JsonValue]) -> Column:
    """As ``Column.from_values``, which looks at each value; most columns are of one type."""
    types = set(map(type, values)) - {NoneType}
    if types == {str}:
        return Column(ColumnKind.TEXT, pl.Series(values, dtype=pl.String))
    if types == {bool}:
        return Column(ColumnKind.BOOLEAN, pl.Series(values, dtype=pl.Boolean))
    if types == {int}:
        try:
            return Column(ColumnKind.NUMBER, pl.Series(values, dtype=pl.Int64))
        except (TypeError, OverflowError):  # some are beyond 64 bits, or 128
            pass
    if types and types <= {dict, list}:
        return Column(ColumnKind.JSON, _canonical(values))
    return Column.from_values(values)


def _canonical(values: list[JsonValue]) -> pl.Series:
    """Return the canonical texts of lists and objects, most of them written by C code."""
    written = [None if value is None else _ENCODER.encode(value) for value in values]
    texts = pl.Series(written, dtype=pl.Binary).cast(pl.String)
    for place in places(texts.str.contains(_TO_NORMALISE).fill_null(value=False)):
        texts[place] = canonical_text(values[place])
    return texts
