"""Parquet inputs, by slices of row groups, so that memory is bounded by the size of a chunk."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from io import FileIO

import polars as pl
from polars import selectors

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.opened import unreadable
from meterhouse.core.json_text import Record, json_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.frame import columns_of
from meterhouse.streams.ports import InputFile, ReadChunk

_MAGIC = b"PAR1"
_HINT = "write it anew, or set format of the reader if it is of another one"


def read_parquet(
    handle: FileIO, asked: Asked, *, file: InputFile, records_max: int
) -> Iterator[ReadChunk]:
    """Yield the records of a Parquet file. Offsets are record numbers from 0."""
    _check_magic(handle, file)
    try:
        scan = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
        kept_names = [name for name in scan.collect_schema().names() if asked.keeps(name)]
        kept = selectors.by_name(*kept_names)
        count = int(scan.select(pl.len()).collect().item())
        for first, length in _slices(file.path, count, records_max):
            frame = scan.select(kept).slice(first, length).collect()
            if kept_names and frame.height != length:
                raise pl.exceptions.ComputeError("it holds fewer records than it says")
            batch = UsageBatch.from_columns(
                columns_of(frame), length=length, source=asked.source, first_offset=first
            )
            yield typed_chunk(ReadChunk(batch), asked.declared, written=partial(_written, scan))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        detail = f"Parquet: {str(error).splitlines()[0][:200]}"
        raise unreadable(file, detail, hint=_HINT) from error


def _slices(path: str, count: int, size_max: int) -> Iterator[tuple[int, int]]:
    """Yield where each slice begins and how long it is: whole row groups where they fit.

    A row group that two slices share would be decoded twice.
    """
    groups = [count] if count <= size_max else _row_groups(path)
    first = length = 0
    for group in groups:
        if length and length + group > size_max:
            yield first, length
            first, length = first + length, 0
        length += group
        while length > size_max:
            yield first, size_max
            first, length = first + size_max, length - size_max
    if length:
        yield first, length


def _row_groups(path: str) -> list[int]:
    from pyarrow import parquet  # only large files need it

    metadata = parquet.read_metadata(path)
    return [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]


def _check_magic(handle: FileIO, file: InputFile) -> None:
    if handle.read(4) != _MAGIC:
        raise unreadable(file, "it is not Parquet", hint=_HINT)
    handle.seek(-4, 2)
    if file.size < 12 or handle.read(4) != _MAGIC:
        hint = "it was cut off on its way, or its writer is not done: fetch it again"
        raise unreadable(file, "the end of the Parquet file is missing", hint=hint)


def _written(scan: pl.LazyFrame, offset: int) -> tuple[str, Record]:
    """Return a record with all its fields, as JSON too."""
    columns = columns_of(scan.slice(offset, 1).collect())
    record = UsageBatch.from_columns(columns, length=1).rows()[0]
    return json_text(record), record
