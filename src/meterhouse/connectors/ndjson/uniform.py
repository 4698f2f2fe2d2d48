"""The quickest reading of NDJSON: lines that differ only in their values.

What one program writes has the same fields in the same order on every line. Then the text
between two values is the same on every line too, and a block is cut into values and pieces by
the places of its quotes, all lines at once. As every byte is either part of a piece that equals
that of the first line, or of a value that is checked, the result is exact; if anything differs,
there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import polars as pl
import pyarrow as pa

from meterhouse.connectors.lines import byte_series, is_utf8, places
from meterhouse.connectors.ndjson.exact import line_value
from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.core.json_text import JsonValue
from meterhouse.engine.column import QUANTITY, Column, ColumnKind

#: What stands between two quotes: an opening brace; a colon; a comma or the end; all of a
#: scalar from its colon on.
_OPEN = re.compile(r"\s*\{\s*")
_COLON = re.compile(r"\s*:\s*")
_NEXT = re.compile(r"\s*[,}]\s*")
_SCALAR = re.compile(r"(\s*:\s*)[^\s,:{}\[\]]+(\s*[,}]\s*)")
_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?$"
_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = (ord(character) for character in '"\\\n ')
_LINE_BYTES_MAX = 1 << 16
_TILES = 1 << 14


class Irregular(Exception):
    """The lines are not all like the first one, or not provably so."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The text between two texts: literals, and between them fields of other types."""

    literals: Sequence[str]
    slots: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Template:
    """One line: a piece, a text, a piece, and so on; the last piece ends with the newline."""

    names: Sequence[str]
    texts: Sequence[str]
    pieces: Sequence[_Piece]
    types: Mapping[str, FieldType]


def uniform_columns(
    data: memoryview, *, line_count: int, fields: Mapping[str, FieldType]
) -> dict[str, Column]:
    """Read lines of the same fields in the same order. Raises ``Irregular``."""
    series = byte_series(data)
    if (series == _BACKSLASH).any() or not is_utf8(data):
        raise Irregular
    head = bytes(data[:_LINE_BYTES_MAX])
    first_line = head[: head.find(b"\n") + 1]
    template = _template(first_line, fields)
    # The same bytes below the space on each line: those of the pieces, so none in a text.
    if (series < _SPACE).sum() != line_count * sum(byte < _SPACE for byte in first_line):
        raise Irregular
    elements = _elements(data, series, template, line_count)
    columns: dict[str, Column] = {}
    for place, piece in enumerate(template.pieces):
        columns.update(_slots(elements[2 * place], piece, template.types))
    for place, name in enumerate(template.texts):
        columns[name] = Column(ColumnKind.TEXT, elements[2 * place + 1])
    return {name: columns[name] for name in template.names if name in columns}


def _template(line: bytes, fields: Mapping[str, FieldType]) -> _Template:
    """Take a line apart that has no backslash, so that quotes only begin and end texts."""
    try:
        record = line_value(line)
    except ValueError:
        raise Irregular from None
    if not isinstance(record, dict):
        raise Irregular
    texts = [name for name, value in record.items() if isinstance(value, str)]
    pieces = list(_pieces(line.decode().split('"')))
    others = [name for piece in pieces for name in piece.slots]
    types = {name: _type(record.get(name), fields.get(name)) for name in others}
    # A name that stands there twice is one name in the record.
    if len(pieces) != len(texts) + 1 or len(texts) + len(others) != len(record):
        raise Irregular
    return _Template(list(record), texts, pieces, types)


def _pieces(gaps: Sequence[str]) -> Iterator[_Piece]:
    """Yield the pieces of a line that was split at its quotes: names and texts at odd places."""
    if not _OPEN.fullmatch(gaps[0]) or len(gaps) == 1:
        raise Irregular
    literals, slots = [gaps[0]], []
    place = 1
    while place < len(gaps):
        name, gap = gaps[place : place + 2]
        scalar = _SCALAR.fullmatch(gap)
        if scalar is not None:
            literals[-1] += f'"{name}"{scalar[1]}'
            literals.append(scalar[2])
            slots.append(name)
            place += 2
        elif _COLON.fullmatch(gap) and _NEXT.fullmatch(gaps[place + 3]):
            literals[-1] += f'"{name}"{gap}"'
            yield _Piece(literals, slots)
            literals, slots = ['"' + gaps[place + 3]], []
            place += 4
        else:
            raise Irregular
    yield _Piece(literals, slots)


def _type(value: JsonValue, known: FieldType | None) -> FieldType:
    if known is not None and known is not FieldType.TEXT:
        return known
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int):
        return FieldType.INTEGER
    if isinstance(value, Decimal):
        return FieldType.DECIMAL
    raise Irregular


def _elements(
    data: memoryview, series: pl.Series, template: _Template, line_count: int
) -> list[pl.Series]:
    """Cut all lines into pieces and texts by turns; return each turn's column.

    On each line come the quotes of names, two by two, those of texts, which are kept, and the
    newline. The ends of the elements are where texts begin (behind the quote), where they end
    (before it) and where lines end (behind the newline).
    """
    marks = places((series == _QUOTE) | (series == _NEWLINE))
    kept: list[bool] = []
    behind: list[int] = []
    for piece in template.pieces:
        # The quotes of names: those of the slots and, before a text, of its own.
        last = piece is template.pieces[-1]
        kept += [False] * 2 * (len(piece.slots) + (not last)) + ([True] if last else [True, True])
        behind += [1] if last else [1, 0]
    if len(marks) != line_count * len(kept):
        raise Irregular
    newlines = marks.gather_every(len(kept), offset=len(kept) - 1)
    if not (series.gather(newlines) == _NEWLINE).all():
        raise Irregular
    ends = marks.filter(_tiled(tuple(kept), line_count)).cast(pl.Int64)
    ends += _tiled(tuple(behind), line_count)
    offsets = pl.Series([0]).append(ends).rechunk().to_arrow()
    array = pa.Array.from_buffers(
        pa.large_string(), len(ends), [None, offsets.buffers()[1], pa.py_buffer(data)]
    )
    elements = pl.DataFrame({"all": pl.from_arrow(array)})
    turns = len(behind)
    return elements.select(
        pl.col("all").gather_every(turns, offset=turn).alias(str(turn)) for turn in range(turns)
    ).get_columns()


def _tiled(pattern: tuple[int, ...], times: int) -> pl.Series:
    """Return a pattern so many times in a row."""
    return _tiles(pattern, -(-times // _TILES) * _TILES).slice(0, times * len(pattern))


@lru_cache(maxsize=8)
def _tiles(pattern: tuple[int, ...], times: int) -> pl.Series:
    return pl.Series(list(pattern) * times)


def _slots(
    texts: pl.Series, piece: _Piece, types: Mapping[str, FieldType]
) -> Iterator[tuple[str, Column]]:
    """Yield the fields between the literals of a piece."""
    if not piece.slots:
        if not (texts == piece.literals[0]).all():
            raise Irregular
        return
    first, last = piece.literals[0], piece.literals[-1]
    if not texts.str.starts_with(first).all():
        raise Irregular
    rest = texts.str.strip_prefix(first)
    if not rest.str.ends_with(last).all():
        raise Irregular
    rest = rest.str.strip_suffix(last)
    for name, literal in zip(piece.slots, [*piece.literals[1:-1], None], strict=True):
        cell = rest
        if literal is not None:
            cell, rest = rest.str.split_exact(literal, 1).struct.unnest().get_columns()
            if rest.null_count():
                raise Irregular
        column = _column(cell, types[name])
        if column.values.null_count() < len(column.values):
            yield name, column


def _column(cells: pl.Series, kind: FieldType) -> Column:
    """Read the cells of a field, all of its type or ``null``."""
    if kind is FieldType.BOOLEAN:
        values = cells == "true"
        right = values | (cells == "false")
    elif kind is FieldType.INTEGER:
        values = cells.cast(pl.Int64, strict=False)
        right = values.cast(pl.String) == cells  # no plus, no leading zero, no negative zero
    else:
        right = cells.str.contains(_DECIMAL)
        values = cells.cast(QUANTITY, strict=False)
    if right.null_count() or not right.all():
        right = right.fill_null(value=False)
        if not (right | (cells == "null")).all():
            raise Irregular
        values = values.set(~right, None)
    return Column(ColumnKind.BOOLEAN if kind is FieldType.BOOLEAN else ColumnKind.NUMBER, values)
