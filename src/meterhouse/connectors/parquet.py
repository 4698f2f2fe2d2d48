"""Parquet inputs, by slices of row groups, so that memory is bounded by the size of a chunk.

Texts that the file keeps in dictionaries stay so (``Column.of_codes``): a large file repeats the
same users and categories over and over, and looking at each of them once is half the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Any

import polars as pl
from polars import selectors

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.opened import unreadable
from meterhouse.connectors.parquet_layout import ParquetFault, check_layout
from meterhouse.core.json_text import Record, json_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, concat_columns
from meterhouse.engine.frame import columns_of, series_of
from meterhouse.engine.together import together
from meterhouse.streams.ports import InputFile, ReadChunk

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

_MAGIC = b"PAR1"
_HINT = "write it anew, or set format of the reader if it is of another one"
#: Below this many records, loading the second decoder costs more than it saves.
_CODED_RECORDS_MIN = 100_000
#: A dictionary must be this small beside its column, or its texts do not repeat enough.
_DICTIONARY_SHARE_MAX = 0.25


def read_parquet(
    handle: FileIO, asked: Asked, *, file: InputFile, path: str, records_max: int
) -> Iterator[ReadChunk]:
    """Yield the records of a Parquet file. Offsets are record numbers from 0."""
    _check_magic(handle, file)
    try:
        check_layout(handle.fileno(), handle.seek(0, 2))
    except ParquetFault as error:
        raise unreadable(file, f"Parquet: {error}", hint=_HINT) from error
    try:
        scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        schema = scan.collect_schema()
        names = [name for name in schema.names() if asked.keeps(name)]
        count = int(scan.select(pl.len()).collect().item())
        texts = [name for name in names if schema[name] == pl.String]
        layout = _Layout.of(path, texts) if count >= _CODED_RECORDS_MIN else None
        for first, length in _slices(layout, count, records_max):
            columns = _columns(scan, names, layout, (first, length))
            batch = UsageBatch.from_columns(
                columns, length=length, source=asked.source, first_offset=first
            )
            yield typed_chunk(ReadChunk(batch), asked.declared, written=partial(_written, scan))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        detail = f"Parquet: {str(error).splitlines()[0][:200]}"
        raise unreadable(file, detail, hint=_HINT) from error


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a file's row groups begin, and which texts it keeps in dictionaries."""

    path: str
    #: number of records before each row group, and of all
    bounds: Sequence[int]
    coded: Sequence[str]

    @classmethod
    def of(cls, path: str, texts: Sequence[str]) -> _Layout:
        from pyarrow import parquet  # only large files need it

        metadata = parquet.read_metadata(path)
        bounds = [0]
        for place in range(metadata.num_row_groups):
            bounds.append(bounds[-1] + metadata.row_group(place).num_rows)
        return cls(path, bounds, [name for name in texts if _repeats(metadata, name)])

    def groups(self, first: int, length: int) -> list[int] | None:
        """Return the row groups that are exactly these records; ``None`` if they cut one."""
        if first not in self.bounds or first + length not in self.bounds:
            return None
        return list(range(self.bounds.index(first), self.bounds.index(first + length)))


def _repeats(metadata: FileMetaData, name: str) -> bool:
    """Whether a column of texts is a small dictionary and numbers, in every row group."""
    paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    if paths.count(name) != 1:
        return False
    for group in range(metadata.num_row_groups):
        column: Any = metadata.row_group(group).column(paths.index(name))
        if not column.has_dictionary_page or column.dictionary_page_offset is None:
            return False
        dictionary = column.data_page_offset - column.dictionary_page_offset
        if dictionary > _DICTIONARY_SHARE_MAX * column.total_compressed_size:
            return False
    return True


def _columns(
    scan: pl.LazyFrame, names: Sequence[str], layout: _Layout | None, slice_: tuple[int, int]
) -> dict[str, Column]:
    """Read one slice; columns without any value are left out."""
    groups = None if layout is None else layout.groups(*slice_)
    if layout is None or not groups or not layout.coded:
        return _plain_columns(scan, names, slice_)
    plain = [name for name in names if name not in layout.coded]
    others, coded = together(
        lambda: _plain_columns(scan, plain, slice_), lambda: _coded_columns(layout, groups)
    )
    if coded is None or any(len(column) != slice_[1] for column in coded.values()):
        coded = _plain_columns(scan, layout.coded, slice_)
    both = others | coded
    return {name: both[name] for name in names if name in both}


def _plain_columns(
    scan: pl.LazyFrame, names: Sequence[str], slice_: tuple[int, int]
) -> dict[str, Column]:
    frame = scan.select(selectors.by_name(*names)).slice(*slice_).collect()
    if names and frame.height != slice_[1]:
        raise pl.exceptions.ComputeError("it holds fewer records than it says")
    return columns_of(frame)


def _coded_columns(layout: _Layout, groups: Sequence[int]) -> dict[str, Column] | None:
    """Read texts as dictionary and numbers; ``None`` where the file is not as it says it is."""
    import pyarrow as pa
    from pyarrow import parquet

    names = list(layout.coded)
    try:
        with parquet.ParquetFile(layout.path, read_dictionary=names) as file:
            tables = [file.read_row_group(group, columns=names) for group in groups]
        columns = {
            name: [_coded(chunk) for table in tables for chunk in table.column(name).chunks]
            for name in names
        }
    except (pa.ArrowException, OSError):
        return None  # The other decoder says what is wrong with it.
    whole = {name: concat_columns(parts) for name, parts in columns.items() if parts}
    return {name: column for name, column in whole.items() if column.null_count() < len(column)}


def _coded(chunk: Any) -> Column:
    # What is no UTF-8 must never get into a column of texts.
    chunk.dictionary.validate(full=True)
    return Column.of_codes(Coded(series_of(chunk.indices), series_of(chunk.dictionary)))


def _slices(layout: _Layout | None, count: int, size_max: int) -> Iterator[tuple[int, int]]:
    """Yield where each slice begins and how long it is: whole row groups where they fit.

    A row group that two slices share would be decoded twice.
    """
    ends = [count] if layout is None else layout.bounds[1:]
    start = first = 0
    for end in ends:
        if start > first and end - first > size_max:
            yield first, start - first
            first = start
        while end - first > size_max:
            yield first, size_max
            first += size_max
        start = end
    if start > first:
        yield first, start - first


def _check_magic(handle: FileIO, file: InputFile) -> None:
    if handle.read(4) != _MAGIC:
        raise unreadable(file, "it is not Parquet", hint=_HINT)
    size = handle.seek(0, 2)
    handle.seek(max(0, size - 4))
    if size < 12 or handle.read(4) != _MAGIC:
        hint = "it was cut off on its way, or its writer is not done: fetch it again"
        raise unreadable(file, "the end of the Parquet file is missing", hint=hint)


def _written(scan: pl.LazyFrame, offset: int) -> tuple[str, Record]:
    """Return a record with all its fields, as JSON too."""
    columns = columns_of(scan.slice(offset, 1).collect())
    record = UsageBatch.from_columns(columns, length=1).rows()[0]
    return json_text(record), record
