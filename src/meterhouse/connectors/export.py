"""Spooled NDJSON in other formats, in two passes: what fields there are, then the records."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import FileIO
from pathlib import Path
from typing import Any, TextIO

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
_BUFFER_BYTES = 1 << 20
_DECIMAL_DIGITS = 38
_NOT_AVRO = re.compile(r"[^A-Za-z0-9_]")
#: What begins a formula in one spreadsheet or another, full-width forms and line ends too.
_FORMULA_MARKS = tuple("=+-@\t\r\n|%＝＋－＠")
_LINES = msgspec.json.Decoder(float_hook=Decimal)


def to_ndjson(source: Path, target: Path) -> None:
    """Write NDJSON: what is spooled is that already."""
    shutil.copyfile(source, target)


def packed(source: Path, target: Path) -> None:
    """Write gzip; equal content becomes equal bytes."""
    with (
        source.open("rb") as plain,
        target.open("wb") as written,
        gzip.GzipFile(filename="", fileobj=written, mode="wb", compresslevel=6, mtime=0) as zipped,
    ):
        shutil.copyfileobj(plain, zipped, _BUFFER_BYTES)


def to_csv(source: Path, target: Path, *, formula_safe: bool = False) -> None:
    """Write CSV: a header of all fields in order of first appearance, nested values as JSON.

    An absent field, null and the empty text are all an empty cell. ``formula_safe``: a text that a
    spreadsheet would run begins with an apostrophe; numbers stay as they are.
    """
    names = list(dict.fromkeys(name for record in spooled_rows(source) for name in record))
    with target.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(CsvLines(written))
        cell = _safe_cell if formula_safe else _cell
        if names:
            writer.writerow(map(cell, names))
        for record in spooled_rows(source):
            writer.writerow([cell(record.get(name)) for name in names])


class CsvLines:
    r"""A file of CSV that ends lines with a newline alone.

    The writer quotes only those line ends that it writes itself: were that not ``\r\n``, a lone
    ``\r`` in a cell would end its record for others.
    """

    def __init__(self, written: TextIO) -> None:
        self._written = written

    def write(self, line: str) -> None:
        """Write one line of the writer's."""
        self._written.write(line.removesuffix("\r\n") + "\n")


def spooled_rows(source: Path) -> Iterator[Record]:
    """Yield what is spooled, one record after the other; numbers are exact."""
    with source.open("rb") as lines:
        for line in lines:
            yield _LINES.decode(line)


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _safe_cell(value: JsonValue) -> str:
    return safe_text(value) if isinstance(value, str) else _cell(value)


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    >>> safe_text("=1+1"), safe_text("-x"), safe_text("\uff1dA1"), safe_text("x=1")
    ("'=1+1", "'-x", "'\uff1dA1", 'x=1')
    """
    return f"'{text}" if text.startswith(_FORMULA_MARKS) else text


def to_parquet(source: Path, target: Path) -> None:
    """Write Parquet: each field one column, as text, integer, decimal or Boolean.

    A field with values of several types, or nested ones, is its JSON text.
    """
    import pyarrow.parquet as pq

    samples = _samples(source)
    schema = _frame({name: column.values.clear() for name, column in samples.items()})
    with pq.ParquetWriter(target, schema.schema) as writer:
        for columns in _uniform(source, samples):
            writer.write_table(_frame(columns))


def to_avro(source: Path, target: Path) -> None:
    """Write Avro with the types that Parquet would have: each field nullable, decimals exact.

    A name that Avro does not allow is written with ``_`` instead of what it may not have; the
    property ``field`` of the schema has the name as it is.
    """
    import fastavro

    samples = _samples(source)
    names = avro_names(list(samples))
    fields = [
        {"name": name, "type": ["null", avro_type(like.values.dtype)], "default": None}
        | ({} if name == field else {"field": field})
        for (field, like), name in zip(samples.items(), names, strict=True)
    ]
    schema = {"type": "record", "name": "Record", "fields": fields}
    # Equal content becomes equal bytes: the mark between blocks is one of the content, too.
    mark = hashlib.blake2b(json.dumps(schema).encode(), digest_size=16).digest()
    with target.open("wb") as written:
        rows = _avro_rows(source, samples, names)
        fastavro.writer(written, schema, rows, codec="deflate", sync_marker=mark)


def avro_names(fields: Sequence[str]) -> list[str]:
    """Return names that Avro allows, each once.

    >>> avro_names(["userId", "group.region", "group_region", "1st"])
    ['userId', 'group_region', 'group_region_2', '_1st']
    """
    names: dict[str, None] = {}
    for field in fields:
        plain = _NOT_AVRO.sub("_", field) or "_"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        name, count = plain, 1
        while name in names:
            count += 1
            name = f"{plain}_{count}"
        names[name] = None
    return list(names)


def avro_type(dtype: pl.DataType) -> Any:
    """Return the Avro type of a column."""
    if isinstance(dtype, pl.Decimal):
        precision = dtype.precision or _DECIMAL_DIGITS
        return {
            "type": "bytes",
            "logicalType": "decimal",
            "precision": precision,
            "scale": dtype.scale,
        }
    return "long" if dtype == pl.Int64 else "boolean" if dtype == pl.Boolean else "string"


def _avro_rows(
    source: Path, samples: Mapping[str, Column], names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for columns in _uniform(source, samples):
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(names, row, strict=True))


def _samples(source: Path) -> dict[str, Column]:
    """Return for each field a value of the kind that holds all its values."""
    samples: dict[str, Column] = {}
    for batch in _batches(source):
        for name, column in batch.columns().items():
            samples[name] = _sample([samples[name], column] if name in samples else [column])
    return samples


def _uniform(source: Path, samples: Mapping[str, Column]) -> Iterator[dict[str, pl.Series]]:
    """Yield the records as columns, those of a field always of one type."""
    for batch in _batches(source):
        columns = batch.columns()
        yield {name: _as(columns.get(name), like, len(batch)) for name, like in samples.items()}


def _batches(source: Path) -> Iterator[UsageBatch]:
    with FileIO(source) as stream:
        parts = read_ndjson(stream, Asked(source=0))
        for chunk in gathered(parts, records_max=_ROW_GROUP):
            if chunk.unreadable:
                detail = (
                    f"{source}: record {chunk.unreadable[0].offset} {chunk.unreadable[0].detail}"
                )
                raise OutputError(f"{detail}, which this format cannot hold", hint="write ndjson")
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


EXPORTS: dict[str, Callable[[Path, Path], None]] = {
    "ndjson": to_ndjson,
    "csv": to_csv,
    "parquet": to_parquet,
    "avro": to_avro,
}
