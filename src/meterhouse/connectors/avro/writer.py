"""Avro containers, written so that the same rows give the same bytes.

The header has the schema as it was given: the library would write names otherwise. Everything else
of a container is as the library makes it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from meterhouse.connectors.avro.container import MAGIC, packed_long, packed_sized
from meterhouse.connectors.durable import writing
from meterhouse.core.json_text import JsonValue, Record, json_text
from meterhouse.streams.ports import OutputError

SYNC_BYTES = 16
#: Blocks are packed one by one: large ones pack better, and readers hold one at a time.
_BLOCK_BYTES = 256 << 10
_CODEC = "deflate"
#: Of zlib: what it does of itself, said here so that no build of it decides otherwise.
_LEVEL = 6
_FLOATS = frozenset({"float", "double"})
_DETAIL_CHARS_MAX = 200


def write_avro(
    path: Path,
    *,
    schema: Mapping[str, JsonValue],
    rows: Iterable[Mapping[str, Any]],
    sync: bytes | None = None,
) -> int:
    """Write a container, packed by deflate, whose header has the schema as it is.

    ``sync`` is the marker between blocks; unless given, it is made of the schema. Rows without a
    field have its default. Returns how many rows there are. Raises ``OutputError``; then the file
    is not whole.
    """
    with writing(path), path.open("wb") as out:
        container = AvroWriter(out, schema, sync=sync)
        for row in rows:
            container.add(row)
        container.end()
    return container.rows


class AvroWriter:
    """One container that is being written: the library makes blocks, and this puts them in a file.

    ``add`` raises ``OutputError`` for a row that is not of the schema.
    """

    def __init__(
        self, out: BinaryIO, schema: Mapping[str, JsonValue], *, sync: bytes | None = None
    ) -> None:
        from fastavro import parse_schema
        from fastavro.write import Writer

        text = json_text(schema)
        marker = sync or hashlib.sha256(text.encode()).digest()[:SYNC_BYTES]
        assert len(marker) == SYNC_BYTES, "a marker has 16 bytes"
        self.rows = 0
        self._out = out
        self._exact = _exact_floats(schema)
        self._made = io.BytesIO()
        self._writer = Writer(
            self._made,
            parse_schema(json.loads(text)),
            codec=_CODEC,
            sync_interval=_BLOCK_BYTES,
            sync_marker=marker,
            compression_level=_LEVEL,
        )
        self._forget()  # That is the header as the library writes it.
        out.write(_header(text, marker))

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        try:
            self._writer.write(dict(self._exact(row)))
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
            detail = " ".join(str(error).split())[:_DETAIL_CHARS_MAX]
            message = f"Row {self.rows + 1} cannot be written as Avro: {detail}"
            raise OutputError(message, hint="give each field a value of its type") from error
        self.rows += 1
        if self._made.tell():
            self._take()

    def end(self) -> None:
        """Write what is left."""
        self._writer.flush()
        self._take()

    def _take(self) -> None:
        self._out.write(self._made.getvalue())
        self._forget()

    def _forget(self) -> None:
        self._made.seek(0)
        self._made.truncate()


def _header(schema: str, sync: bytes) -> bytes:
    meta = {b"avro.codec": _CODEC.encode(), b"avro.schema": schema.encode()}
    pairs = [packed_sized(part) for pair in meta.items() for part in pair]
    return b"".join([MAGIC, packed_long(len(meta)), *pairs, b"\x00", sync])


def _exact_floats(
    schema: Mapping[str, JsonValue],
) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return what makes floats of exact numbers in fields that hold them: the library refuses."""
    fields = schema.get("fields") or ()
    names = [field["name"] for field in fields if _is_float(field["type"])]
    if not names:
        return lambda row: row

    def made(row: Mapping[str, Any]) -> Record:
        changed = {name: float(row[name]) for name in names if isinstance(row.get(name), Decimal)}
        return {**row, **changed}

    return made


def _is_float(kind: JsonValue) -> bool:
    if isinstance(kind, list):
        return any(map(_is_float, kind))
    return kind in _FLOATS if isinstance(kind, str) else False
