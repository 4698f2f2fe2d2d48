"""The quickest reading of NDJSON: lines that differ only in their values.

What one program writes has the same fields in the same order on most lines. Then the text
between two values is the same on those lines too, and they are cut into values and pieces, all
lines at once: at their commas where no text has one (``cells``), else by the places of their
quotes. As every byte of a line is part of a piece that equals the template's, or of a value that
is checked, the result is exact; lines that are not like that are left for another reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from meterhouse.connectors.lines import is_utf8, places
from meterhouse.connectors.ndjson.cells import CutLines, cut_at_commas
from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.connectors.ndjson.span import Span, tiled
from meterhouse.connectors.ndjson.template import Piece, Template, template_of
from meterhouse.connectors.ndjson.typed import typed
from meterhouse.engine.column import Column, ColumnKind

_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = (ord(character) for character in '"\\\n ')
#: A template that fits fewer lines, of a thousand, is not worth its while.
_LINES_MIN = 250


@dataclass(frozen=True, slots=True)
class Alike:
    """The lines of a span that are alike, as columns; ``mask`` says which, all if there is none."""

    columns: dict[str, Column]
    mask: pl.Series | None


def _keep(_name: str) -> bool:
    return True


def lines_alike(
    span: Span, fields: Mapping[str, FieldType], *, keeps: Callable[[str], bool] = _keep
) -> Alike | None:
    """Read the lines that are like the first one, or like the one in the middle.

    Fields that ``keeps`` does not want are checked like all others, and left out.
    """
    for place in (0, span.count // 2):
        template = template_of(span.line(place), fields)
        if template is not None:
            return _lines_like(template, span, keeps)
    return None


def _lines_like(template: Template, span: Span, keeps: Callable[[str], bool]) -> Alike | None:
    counted = None
    cut = cut_at_commas(template, span, keeps=keeps)
    if cut is None:
        marks = _marks_of_all(template, span)
        if marks is None:
            counted = _counts_fit(template, span)
            if _too_few(counted):
                return None
            span = span.pick(counted)
            marks = _marks(span)
        cut = _cut_at_quotes(template, span, marks, keeps)
    columns = cut.columns
    fitting = _all_of(cut.checks)
    if fitting is not None:
        if _too_few(fitting):
            return None
        columns = {name: column.filter(fitting) for name, column in columns.items()}
    present = [name for name in template.names if name in columns and _has_values(columns[name])]
    return Alike({name: columns[name] for name in present}, _within(counted, fitting))


def _cut_at_quotes(
    template: Template, span: Span, marks: pl.Series, keeps: Callable[[str], bool]
) -> CutLines:
    texts = {2 * place + 1: name for place, name in enumerate(template.texts) if keeps(name)}
    pieces = {2 * place: piece for place, piece in enumerate(template.pieces)}
    elements = _elements(template, span, marks, turns=sorted([*texts, *pieces]))
    checks: list[pl.Series] = []
    columns = {name: Column(ColumnKind.TEXT, elements[turn]) for turn, name in texts.items()}
    for turn, piece in pieces.items():
        for name, column in _slots(elements[turn], piece, template.types, checks):
            if keeps(name):
                columns[name] = column
    return CutLines(columns, checks)


def _too_few(mask: pl.Series) -> bool:
    return int(mask.sum() or 0) * 1000 < max(_LINES_MIN * len(mask), 1)


def _has_values(column: Column) -> bool:
    return column.null_count() < len(column)


def _all_of(checks: list[pl.Series]) -> pl.Series | None:
    """Say which lines pass all checks; ``None``: all."""
    failed = [
        check.fill_null(value=False) for check in checks if check.null_count() or not check.all()
    ]
    if not failed:
        return None
    passed = failed[0]
    for check in failed[1:]:
        passed &= check
    return passed


def _within(outer: pl.Series | None, inner: pl.Series | None) -> pl.Series | None:
    """Return a mask of all lines from one of those that another mask has chosen."""
    if outer is None or inner is None:
        return inner if outer is None else outer
    return outer.scatter(places(outer).filter(~inner), False)


def _marks(span: Span) -> pl.Series:
    """Return where quotes and newlines are."""
    return places((span.series == _QUOTE) | (span.series == _NEWLINE))


def _marks_of_all(template: Template, span: Span) -> pl.Series | None:
    """Return the marks if on all lines they are as many as on the template's.

    And no text can hold a control character or a backslash.
    """
    series, width = span.series, len(template.kept_marks())
    controls = series < _SPACE
    if (
        (series == _BACKSLASH).any()
        or controls.sum() != span.count * template.controls
        or (template.controls > 1 and not (span.per_line(controls) == template.controls).all())
        or not is_utf8(span.data)
    ):
        return None
    marks = _marks(span)
    if len(marks) != span.count * width:
        return None
    last = series.gather(marks.gather_every(width, offset=width - 1))
    return marks if (last == _NEWLINE).all() else None


def _counts_fit(template: Template, span: Span) -> pl.Series:
    """Say of which lines the same holds."""
    series, quotes = span.series, len(template.kept_marks()) - 1
    fits = span.per_line(series == _QUOTE) == quotes
    fits &= span.per_line(series < _SPACE) == template.controls
    fits &= span.per_line(series == _BACKSLASH) == 0
    if not is_utf8(span.data):
        fits &= pl.Series([_decodes(line) for line in span.lines()])
    return fits


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _elements(
    template: Template, span: Span, marks: pl.Series, *, turns: Sequence[int]
) -> dict[int, pl.Series]:
    """Cut the lines into pieces and texts, by turns; return the columns of some turns."""
    behind = template.ends_behind()
    ends = marks.filter(tiled(template.kept_marks(), span.count)).cast(pl.Int64)
    ends += tiled(behind, span.count)
    offsets = pl.Series([0]).append(ends).rechunk().to_arrow()
    array = pa.Array.from_buffers(
        pa.large_string(), len(ends), [None, offsets.buffers()[1], pa.py_buffer(span.data)]
    )
    elements = pl.DataFrame({"all": pl.from_arrow(array)})
    chosen = elements.select(
        pl.col("all").gather_every(len(behind), offset=turn).alias(str(turn)) for turn in turns
    )
    return dict(zip(turns, chosen.get_columns(), strict=True))


def _slots(
    texts: pl.Series, piece: Piece, types: Mapping[str, FieldType], checks: list[pl.Series]
) -> Iterator[tuple[str, Column]]:
    """Yield the fields between the literals of a piece; add to the checks what must be true."""
    if not piece.slots:
        checks.append(texts == piece.literals[0])
        return
    first, last = piece.literals[0], piece.literals[-1]
    checks.append(texts.str.starts_with(first))
    rest = texts.str.strip_prefix(first)
    checks.append(rest.str.ends_with(last))
    rest = rest.str.strip_suffix(last)
    for name, literal in zip(piece.slots, [*piece.literals[1:-1], None], strict=True):
        cells = rest
        if literal is not None:
            cells, rest = rest.str.split_exact(literal, 1).struct.unnest().get_columns()
        values, right = typed(cells, types[name])
        checks.append(right)
        kind = types[name] is FieldType.BOOLEAN
        yield name, Column(ColumnKind.BOOLEAN if kind else ColumnKind.NUMBER, values)
