"""Spooled NDJSON in other formats, in two passes: what fields there are, then the records."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import FileIO
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import gathered
from meterhouse.connectors.ndjson.reader import read_ndjson
from meterhouse.core.json_text import JsonValue, Record, json_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, concat_columns
from meterhouse.streams.ports import OutputError

_ROW_GROUP = 250_000
_LINES = msgspec.json.Decoder(float_hook=Decimal)


def to_csv(source: Path, target: Path) -> None:
    """Write CSV: a header of all fields in order of first appearance, nested values as JSON.

    An absent field, null and the empty text are all an empty cell.
    """
    names = list(dict.fromkeys(name for record in _records(source) for name in record))
    with target.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(written, lineterminator="\n")
        if names:
            writer.writerow(names)
        for record in _records(source):
            writer.writerow([_cell(record.get(name)) for name in names])


def _records(source: Path) -> Iterator[Record]:
    with source.open("rb") as lines:
        for line in lines:
            yield _LINES.decode(line)


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def to_parquet(source: Path, target: Path) -> None:
    """Write Parquet: each field one column, as text, integer, decimal or Boolean.

    A field with values of several types, or nested ones, is its JSON text.
    """
    import pyarrow.parquet as pq

    samples: dict[str, Column] = {}
    for batch in _batches(source):
        for name, column in batch.columns().items():
            samples[name] = _sample([samples[name], column] if name in samples else [column])
    schema = _frame({name: column.values.clear() for name, column in samples.items()})
    with pq.ParquetWriter(target, schema.schema) as writer:
        for batch in _batches(source):
            columns = batch.columns()
            writer.write_table(
                _frame(
                    {
                        name: _as(columns.get(name), like, len(batch))
                        for name, like in samples.items()
                    }
                )
            )


def _batches(source: Path) -> Iterator[UsageBatch]:
    with FileIO(source) as stream:
        parts = read_ndjson(stream, Asked(source=0))
        for chunk in gathered(parts, records_max=_ROW_GROUP):
            if chunk.unreadable:
                detail = (
                    f"{source}: record {chunk.unreadable[0].offset} {chunk.unreadable[0].detail}"
                )
                raise OutputError(f"{detail}, which Parquet cannot hold", hint="write ndjson")
            yield chunk.batch


def _sample(columns: list[Column]) -> Column:
    """Return a value of the kind that holds the values of all columns, if they have any."""
    firsts = []
    for column in columns:
        place = column.is_present().arg_max() or 0
        firsts.append(Column(column.kind, column.values.slice(place, 1)))
    joined = concat_columns(firsts)
    place = joined.values.is_not_null().arg_max() or 0
    return Column(joined.kind, joined.values.slice(place, 1))


def _as(column: Column | None, like: Column, length: int) -> pl.Series:
    dtype = like.values.dtype
    if column is None or column.null_count() == length:
        return pl.repeat(None, length, dtype=dtype, eager=True)
    return column.widened(like.kind).values.cast(dtype)


def _frame(columns: dict[str, pl.Series]) -> pa.Table:
    return pl.DataFrame(columns).to_arrow()


EXPORTS: dict[str, Callable[[Path, Path], None]] = {"csv": to_csv, "parquet": to_parquet}
