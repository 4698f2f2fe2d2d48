"""Reading the file of a look-up table: CSV or Parquet, whole, within limits, all columns kept."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse.app.table_ports import TableFile
from meterhouse.connectors.files import UsageFiles
from meterhouse.connectors.opened import os_refusal, unreadable
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.engine.column import Column, absent_column, concat_columns
from meterhouse.streams.lookup_table import ROWS_MAX
from meterhouse.streams.ports import InputFile, ReadChunk, Unreadable

BYTES_MAX = 1 << 30
#: A packed file may hold much more than it has bytes.
_MEMORY_MAX = 4 << 30
_CHUNK_ROWS = 1_000_000
_FAULTS_SHOWN_MAX = 20
_PART_BYTES = 1 << 20


def digest(path: Path, new_hash: Callable[[], Any]) -> str:
    """Return the hash of a file's bytes. Raises ``InputError``."""
    file = _listed(path)
    if file.size > BYTES_MAX:
        hint = "leave out columns that nobody looks up, or write it as Parquet"
        raise unreadable(file, f"it has {file.size:,} bytes, at most {BYTES_MAX:,}", hint=hint)
    made = new_hash()
    try:
        with path.open("rb") as content:
            while part := content.read(_PART_BYTES):
                made.update(part)
    except OSError as error:
        raise os_refusal(file, error) from error
    return made.hexdigest()


def read_table(
    files: UsageFiles, path: Path, *, format: str | None, fields: Mapping[str, str]
) -> TableFile:
    """Read a table. Raises ``InputError``, and ``DefinitionError`` where cells are wrong."""
    file = _listed(path)
    format = format or _format_of(file)
    chunks: list[ReadChunk] = []
    rows = size = 0
    reading = files.read(file, source=0, format=format, fields=fields, records_max=_CHUNK_ROWS)
    for chunk in reading:
        chunks.append(chunk)
        rows += len(chunk.batch) + len(chunk.unreadable)
        size += sum(c.values.estimated_size() for c in chunk.batch.columns().values())
        if rows > ROWS_MAX or size > _MEMORY_MAX:
            hint = "leave out what nobody looks up"
            raise unreadable(file, f"it has more than {ROWS_MAX:,} rows, or too many", hint=hint)
    _refuse_unreadable([piece for chunk in chunks for piece in chunk.unreadable])
    names = _csv_names(file) if format == "csv" else list(pl.read_parquet_schema(path))
    return TableFile(_columns(chunks, names), rows, _Places(chunks, format))


def _listed(path: Path) -> InputFile:
    path = path.absolute()
    try:
        now = path.stat()
    except OSError as error:
        raise os_refusal(InputFile(str(path), 0, 0), error) from error
    return InputFile(str(path), now.st_size, now.st_mtime_ns)


def _format_of(file: InputFile) -> str:
    name = file.path.lower()
    found = "csv" if name.endswith((".csv", ".csv.gz")) else None
    found = "parquet" if name.endswith(".parquet") else found
    if found is None:
        hint = "name it .csv, .csv.gz or .parquet, or say which format it has"
        raise unreadable(file, "its name does not tell its format", hint=hint)
    return found


def _refuse_unreadable(faults: Sequence[Unreadable]) -> None:
    if not faults:
        return
    problems = [
        Problem(f"line {fault.offset + 1}", fault.detail, "mend it; a table is taken whole")
        for fault in faults[:_FAULTS_SHOWN_MAX]
    ]
    if len(faults) > _FAULTS_SHOWN_MAX:
        problems.append(Problem("", f"{len(faults) - _FAULTS_SHOWN_MAX} more lines are wrong"))
    raise DefinitionError(problems, what="The table")


def _csv_names(file: InputFile) -> list[str]:
    """Return all columns: those without any value are not among the records."""
    opening = gzip.open if _is_packed(file) else open
    with closing(opening(file.path, "rb")) as raw, io.TextIOWrapper(raw, "utf-8-sig") as text:
        return next(csv.reader(text))


def _is_packed(file: InputFile) -> bool:
    with Path(file.path).open("rb") as content:
        return content.read(2) == b"\x1f\x8b"


def _columns(chunks: Sequence[ReadChunk], names: Sequence[str]) -> dict[str, Column]:
    batches = [chunk.batch for chunk in chunks if len(chunk.batch)]
    if not batches:
        return {name: absent_column(0) for name in names}
    return {
        name: concat_columns(
            [batch.columns().get(name) or absent_column(len(batch)) for batch in batches]
        )
        for name in dict.fromkeys(chain(names, *(batch.columns() for batch in batches)))
    }


class _Places(Sequence[str]):
    """Where rows stand: by line in a text file, by number in others."""

    def __init__(self, chunks: Sequence[ReadChunk], format: str) -> None:
        self._word = "line" if format == "csv" else "row"
        frames = [chunk.batch.origin_frame() for chunk in chunks]
        self._offsets = pl.concat([f["offset"].cast(pl.Int64) for f in frames]) if frames else None

    def __len__(self) -> int:
        return 0 if self._offsets is None else len(self._offsets)

    def __getitem__(self, place: Any) -> Any:
        assert self._offsets is not None
        return f"{self._word} {self._offsets[place] + 1}"
