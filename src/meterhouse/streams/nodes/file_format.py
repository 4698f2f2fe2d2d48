"""What the parameters of ``readers/file`` say about formats, and about files that were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from meterhouse.core.reading import Reading, shown
from meterhouse.streams.file_options import AfterReading, CsvDialect, FileOptions
from meterhouse.streams.storage import (
    STORAGE_FIELDS,
    Location,
    is_remote,
    read_location,
    read_storage,
)

FORMATS = ("ndjson", "json", "csv", "parquet", "avro", "xlsx")
ENCODINGS = ("utf-8", "utf-8-sig", "latin-1")
_CSV_FIELDS = ("delimiter", "quote", "columns", "encoding", "decimalComma")
#: Parameters, and the format that each has a meaning for.
_MEANT_FOR = dict.fromkeys(_CSV_FIELDS, "csv") | {"sheet": "xlsx", "readerSchema": "avro"}
OPTION_FIELDS = (*STORAGE_FIELDS, *_MEANT_FOR, "members", "afterReading", "moveTo")
_COLUMNS_MAX = 10_000
_UNFIT_MARKS = frozenset("\r\n\0")


def read_options(reading: Reading, *, path: str | None, format: str | None) -> FileOptions:
    """Read how files are reached and read, noting every problem."""
    storage = read_storage(reading, path, read_location(reading, "path", path))
    for name, meant in _MEANT_FOR.items():
        if reading.body.get(name) is not None and format not in (None, meant):
            reading.fail(name, f"is only for {meant}, and format is {format}", "leave it out")
    return FileOptions(
        storage=storage,
        csv=_dialect(reading),
        sheet=reading.text("sheet"),
        members=reading.text("members"),
        reader_schema=read_schema_parameter(reading),
    )


def read_schema_parameter(reading: Reading) -> Mapping[str, Any] | None:
    """Read ``readerSchema``, the Avro record that files are resolved to."""
    schema = reading.json_object("readerSchema")
    if schema and (schema.get("type") != "record" or not isinstance(schema.get("fields"), list)):
        reading.fail("readerSchema", "is no record", 'write {"type": "record", "fields": [...]}')
    return schema or None


def _dialect(reading: Reading) -> CsvDialect:
    plain = CsvDialect()
    encoding = reading.text("encoding") or plain.encoding
    if encoding not in ENCODINGS:
        reading.fail("encoding", f"is {shown(encoding)}", f"use one of {', '.join(ENCODINGS)}")
    dialect = CsvDialect(
        delimiter=_mark(reading, "delimiter", plain.delimiter),
        quote=_mark(reading, "quote", plain.quote, may_be_empty=True),
        columns=_columns(reading),
        encoding=encoding,
        decimal_comma=reading.boolean("decimalComma", default=False),
    )
    if dialect.delimiter == dialect.quote:
        reading.fail("quote", "is the delimiter, too", "choose another character for one of them")
    if not dialect.delimiter.isascii() or not dialect.quote.isascii():
        return replace(dialect, delimiter=",", quote='"')
    return dialect


def _mark(reading: Reading, name: str, default: str, *, may_be_empty: bool = False) -> str:
    value = reading.body.get(name)
    if value is None:
        return default
    if value == "" and may_be_empty:
        return ""
    fits = isinstance(value, str) and len(value) == 1 and value.isascii()
    if not fits or value in _UNFIT_MARKS or (value.isalnum() or value == " "):
        hint = 'use one ASCII character that is no letter, digit or blank, such as ";" or "\\t"'
        reading.fail(name, f"is {shown(value)}", hint)
        return default
    return value


def _columns(reading: Reading) -> tuple[str, ...] | None:
    names = reading.json_list("columns", items_max=_COLUMNS_MAX)
    if not names:
        return None
    if not all(isinstance(name, str) and name for name in names):
        reading.fail("columns", "has what is no name", 'write ["userId", "value"]')
        return None
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        reading.fail("columns", f"names {shown(twice)} twice", "give each a name of its own")
    return tuple(names)


def read_after(reading: Reading, place: Location | None) -> tuple[AfterReading, str | None]:
    """Read what becomes of files that were read: what is done, and where they are moved to."""
    text = reading.text("afterReading") or AfterReading.NONE.value
    kinds = [kind.value for kind in AfterReading]
    if text not in kinds:
        reading.fail("afterReading", f"is {shown(text)}", f"use one of {', '.join(kinds)}")
        return AfterReading.NONE, None
    action, target = AfterReading(text), reading.text("moveTo")
    if action is not AfterReading.MOVE:
        if target is not None:
            reading.fail(
                "moveTo", "has a meaning only where files are moved", 'afterReading: "move"'
            )
        return action, None
    if target is None:
        reading.fail("moveTo", "is missing", "name the folder that files are moved to")
        return action, None
    _check_target(reading, target, place)
    return action, target


def _check_target(reading: Reading, target: str, place: Location | None) -> None:
    there = read_location(reading, "moveTo", target) if is_remote(target) else None
    if place is None and is_remote(target):
        reading.fail("moveTo", f"is {shown(target)}", "files are moved within their own storage")
    elif place is not None and there is not None:
        if (there.scheme, there.container) != (place.scheme, place.container):
            hint = f"write {place.scheme}://{place.container}/folder or only the folder"
            reading.fail("moveTo", f"is {shown(target)}, in another place", hint)
    elif place is not None and ".." in PurePath(target).parts:
        reading.fail("moveTo", f"is {shown(target)}", "write the folder without ..")
