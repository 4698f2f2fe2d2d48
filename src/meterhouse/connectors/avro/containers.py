"""Containers of datasets: their schema, their rows as texts in columns, and splitting them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.avro.container import AvroFault, block_groups, read_header, unpacked
from meterhouse.connectors.avro.reader import read_avro
from meterhouse.connectors.avro.writer import AvroWriter, write_avro
from meterhouse.connectors.durable import writing
from meterhouse.connectors.opened import opened, os_refusal, unreadable
from meterhouse.core.json_text import JsonValue, Record, parse_json
from meterhouse.engine.column import Column, ColumnKind, absent_column, timestamp_texts
from meterhouse.streams.ports import InputFile

_HINT = "fetch it or write it anew"
_UNNAMED = frozenset(
    {*("null", "boolean", "int", "long", "float", "double", "bytes", "string"), "array", "map"}
)


class AvroContainers:
    """Reads and writes containers. See ``app.datasets.ports.Containers``."""

    def schema(self, content: Path) -> JsonValue:
        """Return the schema in the header, with all its attributes."""
        with _open(content) as (handle, file):
            try:
                header = read_header(handle)
            except AvroFault as error:
                raise unreadable(file, str(error), hint=_HINT) from error
            return parse_json(json.dumps(header.schema))

    def texts(self, content: Path, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield top-level fields of all rows as columns of texts, some rows at a time."""
        with _open(content) as (handle, file):
            asked = Asked(0, needed=frozenset(names))
            for chunk in read_avro(handle, asked, file=file):
                columns, length = chunk.batch.columns(), len(chunk.batch)
                absent = absent_column(length)
                texts = [_text(columns.get(name, absent)).alias(name) for name in names]
                yield pl.DataFrame(texts, height=length)

    def rows(
        self, content: Path, schema: Mapping[str, JsonValue] | None = None
    ) -> Iterator[Record]:
        """Yield all rows, resolved to a schema if one is given."""
        with _open(content) as (handle, file):
            for chunk in read_avro(handle, Asked(0), file=file, schema=schema):
                yield from chunk.batch.rows()

    def write(self, path: Path, *, schema: Mapping[str, JsonValue], rows: Iterable[Record]) -> int:
        """Write a container: the same bytes for the same rows. Returns how many rows it has."""
        return write_avro(path, schema=schema, rows=rows)

    def split(
        self, content: Path, days: Sequence[str], *, by: str, folder: Path
    ) -> Mapping[str, Path]:
        """Write the rows of each day to a container of its own, whose schema is the same.

        The content has been read once already: what is wrong with it is known.
        """
        schema = self.schema(content)
        assert isinstance(schema, Mapping), "a record was read"
        made = {day: folder / f"{day}.avro" for day in days}
        with ExitStack() as files, writing(folder):
            parts = {
                day: AvroWriter(files.enter_context(path.open("wb")), schema)
                for day, path in made.items()
            }
            for row in _written(content, named=_has_choices(schema)):
                parts[row[by]].add(row)
            for part in parts.values():
                part.end()
        return made


def _written(content: Path, *, named: bool) -> Iterator[dict[str, Any]]:
    """Yield rows as the library writes them again; ``named``: with the types of unions."""
    import fastavro

    with content.open("rb") as handle:
        header = read_header(handle)
        for group in block_groups(handle, header):
            # Unpacked by us: the library lacks some of the codecs.
            blocks = io.BytesIO(unpacked(header, group))
            for row in fastavro.reader(blocks, return_named_type=named):
                assert isinstance(row, dict), "a container of records has records"
                yield row


def _has_choices(schema: JsonValue) -> bool:
    """Whether a union has several types that only their names tell apart."""
    if isinstance(schema, list):
        named = [branch for branch in schema if not _is_plain(branch)]
        return len(named) > 1 or any(map(_has_choices, schema))
    if not isinstance(schema, Mapping):
        return False
    inner = [schema.get(part) for part in ("type", "items", "values")]
    return any(map(_has_choices, [*inner, *_field_types(schema)]))


def _is_plain(branch: JsonValue) -> bool:
    kind = branch.get("type") if isinstance(branch, Mapping) else branch
    return kind in _UNNAMED


def _field_types(schema: Mapping[str, JsonValue]) -> list[JsonValue]:
    return [field["type"] for field in schema.get("fields") or ()]


@contextmanager
def _open(content: Path) -> Iterator[tuple[FileIO, InputFile]]:
    try:
        stat = content.stat()
    except OSError as error:
        raise os_refusal(InputFile(str(content), 0, 0), error) from error
    file = InputFile(str(content), stat.st_size, stat.st_mtime_ns)
    with opened(file) as handle:
        yield handle, file


def _text(column: Column) -> pl.Series:
    if column.kind is ColumnKind.TIMESTAMP:
        return timestamp_texts(column.values)
    return column.values.cast(pl.String)
