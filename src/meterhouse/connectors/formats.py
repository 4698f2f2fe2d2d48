"""Which format a file has, and its reader.

Only what a format needs is imported: small runs must start at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.opened import unreadable
from meterhouse.streams.file_options import FileOptions
from meterhouse.streams.ports import InputFile, ReadChunk

if TYPE_CHECKING:
    from meterhouse.connectors.lines import ByteSource

_SUFFIXES = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".avro": "avro",
    ".xlsx": "xlsx",
}
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_TEXT_FORMATS = frozenset({"ndjson", "json", "csv"})
#: How files begin that are no texts, what they are, and what to do about it.
_MARKS = {
    b"PAR1": ("Parquet", "set format of the reader to parquet, or name it .parquet"),
    b"Obj\x01": ("Avro", "set format of the reader to avro, or name it .avro"),
    b"PK\x03\x04": ("a workbook or an archive", "name it .zip, or set format to xlsx"),
}
_MARK_BYTES = 4
_FORMATS = "ndjson, json, csv, parquet, avro or xlsx"


@dataclass(frozen=True, slots=True)
class Opening:
    """A file that is open for one reading; ``path`` is where its bytes are, ``file`` its name."""

    handle: FileIO
    path: Path
    file: InputFile
    records_max: int
    options: FileOptions


def file_format(file: InputFile, *, member_of: str | None = None) -> str:
    """Return the format that a file's name tells. Raises ``InputError``.

    ``member_of`` is the archive that it lies in.
    """
    path = PurePath(file.path.lower())
    packed = path.suffix in _PACKED
    found = _SUFFIXES.get(PurePath(path.stem).suffix if packed else path.suffix)
    if found is None or (packed and found not in _TEXT_FORMATS):
        if member_of is not None:
            hint = (
                f"set members of the reader to those that are usage, such as *.csv, or its "
                f"format to {_FORMATS}"
            )
            raise unreadable(file, "the name of this member does not tell its format", hint=hint)
        endings = ", ".join([*_SUFFIXES, ".zip", ".ndjson.gz", ".csv.gz"])
        hint = f"set format of the reader to {_FORMATS}, or use {endings}"
        raise unreadable(file, "its name does not tell its format", hint=hint)
    return found


def format_parts(opening: Opening, *, asked: Asked, format: str) -> Iterator[ReadChunk]:
    """Yield the records of a file in parts of any size."""
    handle, file = opening.handle, opening.file
    match format:
        case "ndjson" | "json" | "csv":
            from meterhouse.connectors.lines import text_source

            source = text_source(handle, file=file)
            return text_parts(source, opening, asked=asked, format=format)
        case "parquet":
            from meterhouse.connectors.parquet import read_parquet

            path, size = str(opening.path), opening.records_max
            return read_parquet(handle, asked, file=file, path=path, records_max=size)
        case "avro":
            from meterhouse.connectors.avro.reader import read_avro

            return read_avro(handle, asked, file=file, schema=opening.options.reader_schema)
        case "xlsx":
            from meterhouse.connectors.workbook.reader import read_workbook

            return read_workbook(opening.path, asked, file=file, sheet=opening.options.sheet)
    raise unreadable(file, f"there is no format {format!r}", hint=f"use {_FORMATS}")


def text_parts(
    source: ByteSource, opening: Opening, *, asked: Asked, format: str
) -> Iterator[ReadChunk]:
    """Yield the records of a text in parts of any size."""
    source = _refuse_binary(source, opening.file, format)
    match format:
        case "ndjson":
            from meterhouse.connectors.ndjson.reader import read_ndjson

            return read_ndjson(source, asked)
        case "json":
            from meterhouse.connectors.json_values.reader import read_json

            return read_json(source, asked)
    from meterhouse.connectors.delimited.reader import read_csv
    from meterhouse.connectors.lines import recoded

    dialect = opening.options.csv
    text = recoded(source, dialect.encoding)
    return read_csv(text, asked, file=opening.file, dialect=dialect)


class _Begun:
    """A text of which the first bytes were looked at."""

    def __init__(self, first: bytes, rest: ByteSource) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, fewer only at the end."""
        data, self._first = self._first[:size], self._first[size:]
        return data + (self._rest.read(size - len(data)) or b"") if len(data) < size else data


def _refuse_binary(source: ByteSource, file: InputFile, format: str) -> ByteSource:
    """Refuse a text that begins as a file of another format does; return it from its beginning."""
    first = source.read(_MARK_BYTES) or b""
    for mark, (name, remedy) in _MARKS.items():
        if first.startswith(mark):
            raise unreadable(file, f"it is {name}, and is read as {format}", hint=remedy)
    return _Begun(first, source)
