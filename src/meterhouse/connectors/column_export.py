"""Spooled records as files with given columns: the same for each run, whatever its records hold."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pyarrow as pa

from meterhouse.connectors.export import CsvLines, safe_text, spooled_rows
from meterhouse.core.json_text import JsonValue
from meterhouse.streams.file_columns import FileColumn, cell_text
from meterhouse.streams.ports import OutputError

_ROW_GROUP = 250_000
_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "number": pa.decimal128(38, 18),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}


def export_columns(
    source: Path, target: Path, *, format: str, columns: Sequence[FileColumn], formula_safe: bool
) -> None:
    """Write what ``fitted`` made of records, in these columns and in their order."""
    if format == "csv":
        _to_csv(source, target, columns, formula_safe=formula_safe)
    elif format == "parquet":
        _to_parquet(source, target, columns)
    else:
        raise OutputError(f"{format} has no columns of given types", hint="use csv or parquet")


def _to_csv(
    source: Path, target: Path, columns: Sequence[FileColumn], *, formula_safe: bool
) -> None:
    safe: Callable[[str], str] = safe_text if formula_safe else str
    with target.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(CsvLines(written))
        writer.writerow([safe(column.name) for column in columns])
        for record in spooled_rows(source):
            cells = [_cell(record.get(column.name), column) for column in columns]
            # Only a text can be a formula: JSON and the others begin with nothing of the kind.
            writer.writerow(
                safe(cell) if column.type == "text" else cell
                for cell, column in zip(cells, columns, strict=True)
            )


def _cell(value: JsonValue, column: FileColumn) -> str:
    return "" if value is None else cell_text(value, column.type)


def _to_parquet(source: Path, target: Path, columns: Sequence[FileColumn]) -> None:
    import pyarrow.parquet as pq

    schema = pa.schema([(column.name, _ARROW[column.type]) for column in columns])
    with pq.ParquetWriter(target, schema) as writer:
        rows = spooled_rows(source)
        while records := list(islice(rows, _ROW_GROUP)):
            arrays = [
                pa.array([_exact(record.get(field.name)) for record in records], field.type)
                if pa.types.is_decimal(field.type)
                else pa.array([record.get(field.name) for record in records], field.type)
                for field in schema
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _exact(value: JsonValue) -> Decimal | None:
    return None if value is None else Decimal(value)
