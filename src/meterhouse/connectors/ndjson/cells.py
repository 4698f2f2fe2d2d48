"""Lines cut at their commas: the quickest way where no text and no name has a comma in it.

A line is then one cell a field: what stands before the value on every line, the value, and what
stands behind it. The cells of a field are judged all at once. Where neighbouring fields repeat,
they are not cut apart on each line: each text of them that occurs is, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from meterhouse.connectors.lines import is_utf8, places
from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.connectors.ndjson.span import Span, tiled
from meterhouse.connectors.ndjson.template import Cell, Template
from meterhouse.connectors.ndjson.typed import typed
from meterhouse.engine.column import Coded, Column, ColumnKind

if TYPE_CHECKING:
    pc: Any  # what it has is made when it is loaded
else:
    import pyarrow.compute as pc

_QUOTE, _BACKSLASH, _NEWLINE, _SPACE, _COMMA = (ord(character) for character in '"\\\n ,')
#: A field repeats if so many lines have so few different cells; numbers, or a run of fields.
_SAMPLE, _SAMPLE_TEXTS_MAX, _SAMPLE_NUMBERS_MAX, _SAMPLE_RUNS_MAX = 256, 50, 230, 200
#: How many different texts there may be; one in how many numbers, or texts of a run, may be new.
_TEXTS_MAX, _NUMBERS_SHARE, _RUNS_SHARE = 500, 2, 8
_STEPS = 1 << 14
_KINDS = {
    FieldType.TEXT: ColumnKind.TEXT,
    FieldType.INTEGER: ColumnKind.NUMBER,
    FieldType.DECIMAL: ColumnKind.NUMBER,
    FieldType.BOOLEAN: ColumnKind.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class CutLines:
    """The fields of some lines, and checks: on lines like the template all of them are true."""

    columns: dict[str, Column] = field(default_factory=dict)
    checks: list[pl.Series] = field(default_factory=list)


def cut_at_commas(
    template: Template, span: Span, *, keeps: Callable[[str], bool]
) -> CutLines | None:
    """Read lines that have as many commas each as the template; ``None`` if some do not.

    A line for which all checks hold has at least the quotes of the template. As all lines
    together have no more than that, none is left for their texts.
    """
    marks = _marks(template, span)
    if marks is None:
        return None
    runs = list(_runs(template, span, marks))
    if len(runs) < len(template.cells):
        cut = _cut(runs, span, marks, keeps)
        if cut is not None and not cut.checks:
            return cut
    cut = _cut([(cell,) for cell in template.cells], span, marks, keeps)
    if cut is None or not cut.checks:
        return cut
    width = len(template.cells)
    if not (span.series.gather(marks.gather_every(width, width - 1)) == _NEWLINE).all():
        return None
    # Other lines may have less than the template, so that those that look like it may have more.
    cut.checks.append(span.per_line(span.series == _QUOTE) == template.quotes)
    cut.checks.append(span.per_line(span.series < _SPACE) == template.controls)
    return cut


def _marks(template: Template, span: Span) -> pl.Series | None:
    """Return where commas and newlines are, if there are no more of anything than there may be."""
    series, width = span.series, len(template.cells)
    if (
        not width
        or (series == _BACKSLASH).any()
        or (series == _QUOTE).sum() != span.count * template.quotes
        or not _plain(span, controls=span.count * template.controls)
    ):
        return None
    marks = places((series == _COMMA) | (series == _NEWLINE))
    return marks if len(marks) == span.count * width else None


def _plain(span: Span, *, controls: int) -> bool:
    """Whether the lines are UTF-8 and have so many control characters."""
    if controls == span.count:
        # There is a newline a line, and signed bytes beyond ASCII are less than any character.
        data = pa.py_buffer(span.data)
        signed = _series(pa.Array.from_buffers(pa.int8(), len(span.data), [None, data]))
        if (signed < _SPACE).sum() == controls:
            return True
    return (span.series < _SPACE).sum() == controls and is_utf8(span.data)


def _runs(template: Template, span: Span, marks: pl.Series) -> Iterator[Sequence[Cell]]:
    """Yield the fields, together where neighbours repeat together."""
    width = len(template.cells)
    lines = min(_SAMPLE, span.count)
    sample = _between(span, marks.head(lines * width)).to_pylist()
    cells = [sample[place::width] for place in range(width)]
    repeats = [
        lines == _SAMPLE and len(set(each)) <= _SAMPLE_TEXTS_MAX and place + 1 < width
        for place, each in enumerate(cells)
    ]
    first = 0
    while first < width:
        end = first + 1
        while (
            repeats[first]
            and repeats[end]
            and len(set(zip(*cells[first : end + 1], strict=True))) <= _SAMPLE_RUNS_MAX
        ):
            end += 1
        yield template.cells[first:end]
        first = end


def _between(span: Span, marks: pl.Series) -> pa.StringArray:
    """Return the texts that end with these marks."""
    offsets = pl.Series([0], dtype=pl.UInt32).append(marks + 1).rechunk().to_arrow()
    buffers = [None, offsets.buffers()[1], pa.py_buffer(span.data)]
    return pa.Array.from_buffers(pa.string(), len(marks), buffers)


def _cut(
    runs: Sequence[Sequence[Cell]], span: Span, marks: pl.Series, keeps: Callable[[str], bool]
) -> CutLines | None:
    """Cut all lines into runs, and these into fields; ``None`` if a run does not repeat."""
    ends = tuple(mark for run in runs for mark in [False] * (len(run) - 1) + [True])
    if not all(ends):
        marks = marks.filter(tiled(ends, span.count))
    texts = _between(span, marks)
    cut = CutLines()
    for place, run in enumerate(runs):
        whole = pc.take(texts, _every(len(runs), span.count, place=place), boundscheck=False)
        if len(run) == 1:
            _add_field(cut, whole, run[0], wanted=keeps(run[0].name))
        elif not _add_run(cut, whole, run, keeps):
            return None
    return cut


def _every(width: int, times: int, *, place: int) -> pa.Array:
    """Return one place in so many after one another, so many times."""
    return _steps(width, -(-times // _STEPS) * _STEPS, place).slice(0, times)


@lru_cache(maxsize=128)
def _steps(width: int, times: int, place: int) -> pa.Array:
    return pl.int_range(place, width * times, width, dtype=pl.UInt32, eager=True).to_arrow()


def _add_field(cut: CutLines, texts: pa.StringArray, cell: Cell, *, wanted: bool) -> None:
    """Judge the cells of one field, and read them if they are wanted."""
    found = _encoded(texts, cell)
    if found is not None and _fit(found[0], cell):
        _add_coded(cut, found[0], found[1], cell=cell)
        return
    if not _fit(texts, cell):
        right = _fitting(texts, cell)
        cut.checks.append(_series(right))
        texts = pc.if_else(right, texts, None)
    if cell.kind is not FieldType.TEXT or wanted:
        values, right = _values(texts, cell)
        if right is not None:
            cut.checks.append(right)
        cut.columns[cell.name] = Column(_KINDS[cell.kind], values)


def _encoded(texts: pa.StringArray, cell: Cell) -> tuple[pa.StringArray, pl.Series] | None:
    """Return texts that repeat, and which of them each cell is; ``None`` if they do not."""
    few, most = _SAMPLE_TEXTS_MAX, _TEXTS_MAX
    if cell.kind is not FieldType.TEXT:
        few, most = _SAMPLE_NUMBERS_MAX, len(texts) // _NUMBERS_SHARE
    sample = pc.dictionary_encode(texts.slice(0, _SAMPLE))
    if len(sample) < _SAMPLE or len(sample.dictionary) > few:
        return None
    whole = pc.dictionary_encode(texts)
    if len(whole.dictionary) > most:
        return None
    return whole.dictionary, _series(whole.indices)


def _add_run(
    cut: CutLines, texts: pa.StringArray, run: Sequence[Cell], keeps: Callable[[str], bool]
) -> bool:
    """Cut the texts of a run that occur; say whether they repeat and all are right."""
    whole = pc.dictionary_encode(texts)
    if len(whole.dictionary) * _RUNS_SHARE > len(whole):
        return False
    parts = pc.split_pattern(whole.dictionary, ",").flatten()
    width = len(run) + 1  # Nothing is behind the last comma.
    if len(parts) != len(whole.dictionary) * width:
        return False
    codes = _series(whole.indices)
    for place, whole_cell in enumerate(run):
        cell = replace(whole_cell, behind=whole_cell.behind.removesuffix(","))
        every = _every(width, len(whole.dictionary), place=place)
        found = pc.dictionary_encode(pc.take(parts, every))
        if not _fit(found.dictionary, cell):
            return False
        if cell.kind is not FieldType.TEXT or keeps(cell.name):
            each = _series(found.indices).gather(codes)
            _add_coded(cut, found.dictionary, each, cell=cell)
    return True


def _add_coded(cut: CutLines, texts: pa.StringArray, codes: pl.Series, *, cell: Cell) -> None:
    """Read a field of which a few texts are right."""
    values, right = _values(texts, cell)
    if right is not None:
        cut.checks.append(right.gather(codes))
    if cell.kind is FieldType.TEXT:
        cut.columns[cell.name] = Column.of_codes(Coded(codes, values))
    else:
        cut.columns[cell.name] = Column(_KINDS[cell.kind], values.gather(codes))


def _fit(texts: pa.StringArray, cell: Cell) -> bool:
    """Whether all texts begin and end as the template's."""
    begin = pc.starts_with(texts, pattern=cell.before)
    end = pc.ends_with(texts, pattern=cell.behind)
    if begin.false_count or end.false_count:
        return False
    return pc.min_max(pc.binary_length(texts))["min"].as_py() >= cell.least


def _fitting(texts: pa.StringArray, cell: Cell) -> pa.BooleanArray:
    """Say which texts begin and end as the template's, without an overlap."""
    begin = pc.starts_with(texts, pattern=cell.before)
    end = pc.ends_with(texts, pattern=cell.behind)
    return pc.and_(pc.and_(begin, end), pc.greater_equal(pc.binary_length(texts), cell.least))


def _values(texts: pa.StringArray, cell: Cell) -> tuple[pl.Series, pl.Series | None]:
    """Read what is between the two ends; say which is right, if not all is."""
    start, stop = len(cell.before.encode()), -len(cell.behind.encode())
    inner = _series(pc.binary_slice(texts.view(pa.binary()), start, stop).view(pa.string()))
    if cell.kind is FieldType.TEXT:
        return inner, None
    values, right = typed(inner, cell.kind)
    return values, None if right.all() else right


def _series(array: pa.Array) -> pl.Series:
    return pl.Series(array)
