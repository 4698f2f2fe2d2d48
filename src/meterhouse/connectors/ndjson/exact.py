"""The exact reading of NDJSON, line by line: what the quick one must equal, and its refuge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from json import JSONDecodeError

import msgspec

from meterhouse.connectors.lines import raw_text
from meterhouse.core.json_names import count_names, may_repeat, repeated_name
from meterhouse.core.json_text import (
    NESTING_MAX,
    JsonValue,
    Record,
    has_half_pair,
    json_fault,
    parse_json,
)
from meterhouse.core.reading import shown
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import ReadChunk, Unreadable

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
#: What JSON allows behind a value.
_BLANKS = b" \t\r\n"
_NAMES = {
    type(None): "null",
    str: "a text",
    bool: "true or false",
    int: "a number",
    Decimal: "a number",
    list: "an array",
}


def exact_chunk(lines: Sequence[bytes], numbers: Iterable[int], *, source: int) -> ReadChunk:
    """Read lines, each for itself; blank ones count but hold nothing."""
    sound = _sound_records(lines)
    if sound is not None:
        origins = [(source, number) for number in numbers]
        return ReadChunk(UsageBatch.from_rows(sound, origins))
    rows: list[Record] = []
    origins = []
    bad: list[Unreadable] = []
    for number, line in zip(numbers, lines, strict=True):
        text = line.rstrip(_BLANKS)
        if not text:
            continue
        record = _record_or_detail(text)
        if isinstance(record, str):
            bad.append(Unreadable(number, raw_text(line), record))
        else:
            rows.append(record)
            origins.append((source, number))
    return ReadChunk(UsageBatch.from_rows(rows, origins), bad)


def _sound_records(lines: Sequence[bytes]) -> list[Record] | None:
    """Read lines that are all records without deep nesting or a name twice; else ``None``."""
    decode = _DECODER.decode
    try:
        records = [decode(line) for line in lines]
    except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError, RecursionError):
        return None
    if not all(type(record) is dict for record in records):
        return None
    text = b"".join(lines)
    # Each record has one brace; whatever more there are may stand on one line.
    brackets = text.count(b"{") + text.count(b"[") - len(lines)
    if brackets >= NESTING_MAX and any(map(_may_nest_deep, lines)):
        return None
    # Without an inner bracket, the names are those of the records.
    names = sum(map(len if brackets <= 0 else count_names, records))
    if may_repeat(text, names) and any(map(_repeats, lines, records)):
        return None
    if b"null" in text:
        return [_without_nulls(record) for record in records]
    return records


def _repeats(line: bytes, record: Record) -> bool:
    return may_repeat(line, count_names(record)) and repeated_name(line) is not None


def _may_nest_deep(line: bytes) -> bool:
    return line.count(b"[") + line.count(b"{") > NESTING_MAX


def _without_nulls(record: Record) -> Record:
    if None not in record.values():
        return record
    return {name: member for name, member in record.items() if member is not None}


def _record_or_detail(line: bytes) -> Record | str:
    """Return the JSON object of a line, nulls left out, or what is wrong with it."""
    try:
        value = line_value(line)
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason} at byte {error.start + 1}"
    except JSONDecodeError as error:
        return f"not JSON: {json_fault(error)} at character {error.pos + 1}"
    except ValueError as error:
        return str(error)
    if not isinstance(value, dict):
        return f"not a JSON object but {_NAMES[type(value)]}"
    if may_repeat(line, count_names(value)) and (name := repeated_name(line)) is not None:
        return f"names {shown(name)} twice, and which value is meant cannot be known"
    return _without_nulls(value)


def read_record(line: bytes) -> Record:
    """Return the record of a line that holds one."""
    record = _record_or_detail(line.rstrip(_BLANKS))
    assert isinstance(record, dict)
    return record


def line_value(line: bytes) -> JsonValue:
    """Read one line: what the fast decoder refuses, the core decides. Raises ``ValueError``."""
    if not _may_nest_deep(line):
        try:
            return _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError):
            pass
    value = parse_json(line.decode())
    if _has_half_pair(value):
        raise ValueError("a text holds half of a surrogate pair, which is no character")
    return value


def _has_half_pair(value: JsonValue) -> bool:
    if isinstance(value, str):
        return has_half_pair(value)
    if isinstance(value, dict):
        return any(map(_has_half_pair, chain(value, value.values())))
    return isinstance(value, list) and any(map(_has_half_pair, value))
