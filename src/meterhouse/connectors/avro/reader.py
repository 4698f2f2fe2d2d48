"""Avro inputs, block group by block group, in parallel."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import FileIO
from itertools import islice
from typing import Any

import polars as pl

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.avro.container import (
    AvroFault,
    BlockGroup,
    Header,
    block_groups,
    read_header,
    unpacked,
)
from meterhouse.connectors.avro.raw_symbols import (
    RawSymbols,
    raw_of_records,
    raw_symbols,
    with_raw,
)
from meterhouse.connectors.avro.resolving import resolution
from meterhouse.connectors.avro.schema import (
    has_endless_lists,
    is_columnar,
    is_record,
    is_recursive,
)
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.layout import in_columns
from meterhouse.connectors.opened import unreadable
from meterhouse.connectors.ordered import ordered_map
from meterhouse.core.json_text import Record, json_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import coded
from meterhouse.engine.frame import columns_of, json_value
from meterhouse.streams.ports import InputFile, ReadChunk

_AS_THEY_ARE = frozenset({str, int, bool, Decimal})
_HINT = "fetch it or write it anew; set format of the reader if it is of another one"


def read_avro(
    handle: FileIO,
    asked: Asked,
    *,
    file: InputFile,
    schema: Mapping[str, Any] | None = None,
    raw: bool = False,
) -> Iterator[ReadChunk]:
    """Yield the records of an Avro file. Offsets are record numbers from 0.

    With a reader's ``schema``, they are resolved to it by Avro's rules: fields that it lacks are
    left out, absent ones get their defaults, types are promoted. With ``raw``, symbols of enums
    that it does not know are kept: see ``raw_symbols``.
    """
    stream = io.BufferedReader(handle, 1 << 20)
    try:
        header = read_header(stream)
        if not is_record(header.schema):
            raise AvroFault("its schema is not a record")
        if is_recursive(header.schema):
            raise AvroFault("a type of its schema contains itself")
        if has_endless_lists(header.schema):
            raise AvroFault("a list of its schema has items that take no bytes")
        decode = _Decoder(header, asked, schema)
        decode.raw = raw_symbols(header.schema, schema) if raw else ()
        yield from ordered_map(decode, block_groups(stream, header))
    except AvroFault as error:
        raise unreadable(file, str(error), hint=_HINT) from error
    finally:
        stream.detach()


class _Decoder:
    """Decodes block groups of one file."""

    #: fields whose unknown symbols are kept
    raw: Sequence[RawSymbols] = ()

    def __init__(self, header: Header, asked: Asked, schema: Mapping[str, Any] | None) -> None:
        self._header = header
        self._asked = asked
        self._schema = None if schema is None else _parsed(schema)
        self._resolved = None if schema is None else resolution(header.schema, schema)
        resolvable = schema is None or self._resolved is not None
        self._columnar = resolvable and is_columnar(header.schema)

    def __call__(self, group: BlockGroup) -> ReadChunk:
        container = unpacked(self._header, group)
        chunk = self._columns(container, group) if self._columnar else None
        if chunk is None:
            chunk = self._rows(container, group)
        batch = chunk.batch

        def written(offset: int) -> tuple[str, Record]:
            record = batch.slice(offset - group.first, 1).rows()[0]
            return json_text(record), record

        return typed_chunk(chunk, self._asked.declared, written=written)

    def _columns(self, container: bytes, group: BlockGroup) -> ReadChunk | None:
        """Decode at once; ``None`` where the columnar decoder gives up, in whichever way."""
        try:
            frame = pl.read_avro(io.BytesIO(container))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return None
        if frame.height != group.count:
            return None
        if self._resolved is not None:
            written, frame = frame, self._resolved(frame)
            if self.raw:
                frame = with_raw(frame, written, self.raw)
        batch = UsageBatch.from_columns(
            {name: coded(column) for name, column in columns_of(frame).items()},
            length=frame.height,
            source=self._asked.source,
            first_offset=group.first,
        )
        return ReadChunk(batch)

    def _rows(self, container: bytes, group: BlockGroup) -> ReadChunk:
        """Decode record by record."""
        import fastavro

        try:
            records = fastavro.reader(io.BytesIO(container), self._schema)
            rows = [_record(record) for record in islice(records, group.count + 1)]
            if self.raw:
                found = raw_of_records(container, self.raw)
                rows = [row | symbols for row, symbols in zip(rows, found, strict=True)]
        except fastavro.read.SchemaResolutionError as error:
            detail = " ".join(str(error).split())[:300]
            raise AvroFault(f"its schema does not resolve to readerSchema: {detail}") from error
        except Exception as error:  # the decoder raises whatever comes its way
            raise AvroFault(f"a block is damaged ({str(error)[:200]})") from error
        if len(rows) != group.count:
            raise AvroFault(f"a block of {group.count:,} records holds {len(rows):,}")
        origins = [(self._asked.source, group.first + place) for place in range(len(rows))]
        return in_columns(ReadChunk(UsageBatch.from_rows(rows, origins)))


def _parsed(schema: Mapping[str, Any]) -> Any:
    import fastavro

    try:
        if not is_record(dict(schema)) or is_recursive(dict(schema)):
            raise ValueError("it is no record, or contains itself")
        return fastavro.parse_schema(dict(schema))
    except Exception as error:  # whatever is wrong with a schema that a document has
        raise AvroFault(f"readerSchema is no schema ({str(error)[:200]})") from error


def _record(record: Any) -> Record:
    return {
        name: value if type(value) in _AS_THEY_ARE else json_value(value)
        for name, value in record.items()
        if value is not None
    }
