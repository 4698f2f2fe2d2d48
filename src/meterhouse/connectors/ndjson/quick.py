"""The quick reading of NDJSON: whole lines at once, by Arrow, into columns.

Arrow reads numbers as written, but forgives what must not be forgiven. So this module gives a
result only where it can prove that it is what the exact reading would give; else ``Refusal``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.json as pa_json

from meterhouse.connectors.lines import is_utf8
from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.connectors.ndjson.span import Span
from meterhouse.core.quantity import LIMIT
from meterhouse.engine.column import Column, ColumnKind

_KINDS = {
    FieldType.TEXT: ColumnKind.TEXT,
    FieldType.INTEGER: ColumnKind.NUMBER,
    FieldType.DECIMAL: ColumnKind.NUMBER,
    FieldType.BOOLEAN: ColumnKind.BOOLEAN,
}
_ROW = re.compile(r" in row (\d+)$")


class Refusal(Exception):
    """These lines need the exact reading; ``row`` is the first that does, where it is known."""

    def __init__(self, row: int | None = None) -> None:
        super().__init__(row)
        self.row = row


def quick_columns(
    data: memoryview, *, line_count: int, fields: Mapping[str, FieldType]
) -> dict[str, Column]:
    """Read lines of which none is odd (see ``odd_lines``). Raises ``Refusal``."""
    table = _table(data, fields)
    if table.num_rows != line_count:
        raise Refusal  # two objects on one line, and the like
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    columns: dict[str, Column] = {}
    for (name, kind), values in zip(fields.items(), frame.get_columns(), strict=True):
        if kind is FieldType.DECIMAL:
            _prove_numbers(data, name, values)
        if values.null_count() < len(values):
            columns[name] = Column(_KINDS[kind], values)
    return columns


def _table(data: memoryview, fields: Mapping[str, FieldType]) -> pa.Table:
    schema = pa.schema([(name, kind.value) for name, kind in fields.items()])
    try:
        return pa_json.read_json(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pa_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid as error:
        found = _ROW.search(str(error))
        raise Refusal(int(found[1]) if found else None) from error
    except UnicodeDecodeError as error:  # Arrow's message quotes bytes that are no UTF-8
        raise Refusal from error


def _prove_numbers(data: memoryview, name: str, values: pl.Series) -> None:
    """Refuse texts, which Arrow reads as decimals too, and numbers beyond 20 integer digits.

    A quote that no backslash precedes and whose text ends in a colon is a key. If as many keys
    as there are values have a number behind them, then all values are numbers.
    """
    count = len(values) - values.null_count()
    key = re.escape(json.dumps(name, ensure_ascii=False).encode())
    number = re.compile(key + rb"(?<!\\" + key + rb")[ \t]*:[ \t]*[-0-9]")
    if len(number.findall(data)) != count:
        raise Refusal
    beyond = values.is_not_null() & ((values >= LIMIT) | (values <= -LIMIT))
    if beyond.any():
        raise Refusal(int(beyond.arg_true()[0]))


def odd_lines(span: Span) -> list[int]:
    """Return the lines that are not UTF-8 from ``{`` to ``}``: none in clean input.

    Within one JSON value a line break is never between ``}`` and ``{``. So if all breaks are,
    and there are as many values as lines, each line is one value. Arrow does not look whether
    texts are UTF-8.
    """
    foreign = set() if is_utf8(span.data) else _lines_not_utf8(span.lines())
    newline = span.series == ord("\n")
    opening, closing = span.series == ord("{"), span.series == ord("}")
    inner = max(len(span.data) - 2, 0)
    breaks = newline.slice(1, inner) & opening.slice(2) & closing.slice(0, inner)
    edges = inner > 0 and bool(opening[0]) and bool(closing[-2])
    if edges and span.count == 1 + int(breaks.sum() or 0):
        return sorted(foreign)
    return sorted(foreign | set(_odd_by_line(span)))


def _lines_not_utf8(lines: Sequence[bytes]) -> set[int]:
    found = set()
    for number, line in enumerate(lines):
        try:
            line.decode()
        except UnicodeDecodeError:
            found.add(number)
    return found


def _odd_by_line(span: Span) -> list[int]:
    starts, ends = span.bounds.slice(0, span.count), span.bounds.slice(1)
    # The last character but a carriage return; a line of none or one has no "}" to its "{".
    last = span.series.gather((ends - 2).clip(lower_bound=0))
    before = span.series.gather((ends - 3).clip(lower_bound=0))
    closed = (last == ord("}")) | ((last == ord("\r")) & (before == ord("}")))
    good = (span.series.gather(starts) == ord("{")) & closed & (ends - starts >= 3)
    return (~good).arg_true().to_list()
