"""The quickest reading of NDJSON: lines that differ only in their values.

What one program writes has the same fields in the same order on most lines. Then the text
between two values is the same on those lines too, and they are cut into values and pieces by
the places of their quotes, all lines at once. As every byte of a line is part of a piece that
equals the template's, or of a value that is checked, the result is exact; lines that are not
like that are left for another reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import polars as pl
import pyarrow as pa

from meterhouse.connectors.lines import is_utf8, places
from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.connectors.ndjson.span import Span
from meterhouse.connectors.ndjson.template import Piece, Template, template_of
from meterhouse.engine.column import QUANTITY, Column, ColumnKind

_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?$"
_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = (ord(character) for character in '"\\\n ')
#: A template that fits fewer lines, of a thousand, is not worth its while.
_LINES_MIN = 250
_TILES = 1 << 14


@dataclass(frozen=True, slots=True)
class Alike:
    """The lines of a span that are alike, as columns; ``mask`` says which, all if there is none."""

    columns: dict[str, Column]
    mask: pl.Series | None


def lines_alike(span: Span, fields: Mapping[str, FieldType]) -> Alike | None:
    """Read the lines that are like the first one, or like the one in the middle."""
    for place in (0, span.count // 2):
        template = template_of(bytes(span.part(place, 1).data), fields)
        if template is not None:
            return _lines_like(template, span)
    return None


def _lines_like(template: Template, span: Span) -> Alike | None:
    counted = _counts_fit(template, span)
    if counted is not None:
        if _too_few(counted):
            return None
        span = span.pick(counted)
    elements = _elements(template, span)
    checks: list[pl.Series] = []
    columns: dict[str, Column] = {}
    for place, piece in enumerate(template.pieces):
        columns.update(_slots(elements[2 * place], piece, template.types, checks))
    for place, name in enumerate(template.texts):
        columns[name] = Column(ColumnKind.TEXT, elements[2 * place + 1])
    fits = [check for check in checks if check.null_count() or not check.all()]
    mask = None
    if fits:
        mask = pl.DataFrame({str(n): fit for n, fit in enumerate(fits)}).select(
            pl.all_horizontal(pl.all().fill_null(value=False)).alias("fits")
        )["fits"]
        if _too_few(mask):
            return None
        columns = {name: Column(c.kind, c.values.filter(mask)) for name, c in columns.items()}
    named = {name: columns[name] for name in template.names if _has_values(columns[name])}
    return Alike(named, _within(counted, mask))


def _too_few(mask: pl.Series) -> bool:
    return int(mask.sum() or 0) * 1000 < _LINES_MIN * len(mask)


def _has_values(column: Column) -> bool:
    return column.values.null_count() < len(column.values)


def _within(outer: pl.Series | None, inner: pl.Series | None) -> pl.Series | None:
    """Return a mask of all lines from one of those that another mask has chosen."""
    if outer is None or inner is None:
        return inner if outer is None else outer
    return outer.scatter(places(outer).filter(~inner), False)


def _counts_fit(template: Template, span: Span) -> pl.Series | None:
    """Say which lines have as many quotes and control characters as the template, and no
    backslash: so no text of theirs can hold one. ``None``: all.
    """
    series, width = span.series, len(template.kept_marks())
    quotes, controls = series == _QUOTE, series < _SPACE
    odd = series == _BACKSLASH
    sound = is_utf8(span.data)
    if (
        sound
        and not odd.any()
        and controls.sum() == span.count * template.controls
        and quotes.sum() == span.count * (width - 1)
        and _per_line(span, quotes).eq(width - 1).all()
    ):
        return None
    fits = _per_line(span, quotes) == width - 1
    fits &= _per_line(span, controls) == template.controls
    fits &= _per_line(span, odd) == 0
    if not sound:
        fits &= pl.Series([_decodes(line) for line in span.lines()])
    return None if fits.all() else fits


def _per_line(span: Span, mask: pl.Series) -> pl.Series:
    """Count the bytes of each line for which the mask is true."""
    found = places(mask)
    before = found.search_sorted(span.bounds)
    return before.slice(1).cast(pl.Int64) - before.slice(0, span.count).cast(pl.Int64)


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
