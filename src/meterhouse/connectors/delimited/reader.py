"""CSV inputs: cut where records end, read in parallel; small ones stay rows.

The offset of a record is the number of its first line, from 0, so the header has offset 0 and
messages can name ``line offset + 1`` as for every text file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import ROWS_MAX
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.delimited.exact import (
    NEVER_CLOSED,
    PLAIN,
    RECORD_BYTES_MAX,
    Cells,
    exact_chunk,
    first_record,
    raw_records,
    record_text,
)
from meterhouse.connectors.delimited.survey import Survey, has_quote, surveyed
from meterhouse.connectors.layout import in_columns
from meterhouse.connectors.lines import (
    Block,
    ByteSource,
    LongLine,
    blocks,
    last_offset,
    lines_of,
    long_line_chunk,
    refuse_cut_end,
)
from meterhouse.connectors.opened import CutOff, unreadable
from meterhouse.connectors.ordered import ordered_map
from meterhouse.core.json_text import Record, json_text
from meterhouse.core.reading import shown
from meterhouse.streams.file_options import CsvDialect
from meterhouse.streams.ports import InputFile, ReadChunk

#: What separates cells in most files.
_DELIMITERS = (",", ";", "\t", "|")
_NO_HEADER = "its first line must name the columns"


@dataclass(frozen=True, slots=True)
class _Span:
    """Whole lines that begin with a record."""

    data: memoryview
    first_line: int
    line_count: int
    survey: Survey | None = None
    #: Whether the last line had no newline of its own.
    open_end: bool = False


def read_csv(
    stream: ByteSource,
    asked: Asked,
    *,
    file: InputFile,
    dialect: CsvDialect = PLAIN,
    block_bytes: int | None = None,
) -> Iterator[ReadChunk]:
    """Yield the records of a CSV input in parts of any size."""
    pieces = blocks(stream, block_bytes=block_bytes)
    first = next(pieces, None)
    if first is None and dialect.columns is not None:
        return
    if first is None:
        raise unreadable(file, "it is empty", hint=_NO_HEADER)
    if isinstance(first, LongLine):
        raise unreadable(file, "its first line has no end", hint=_NO_HEADER)
    header, header_lines = _header(first, file, dialect)
    if asked.remark is not None and (said := _odd_header(header, dialect)):
        asked.remark(f"{file.path}: {said}")
    numbers = {name for name, kind in asked.declared.items() if kind == "number"}
    cells = Cells(header, dialect, frozenset(numbers if dialect.decimal_comma else ()))
    table = _Table(cells, asked)
    header_bytes = sum(map(len, lines_of(first.data)[:header_lines]))
    rest = first.line_count - header_lines
    body = Block(first.data[header_bytes:], header_lines, rest, open_end=first.open_end)
    if first.whole and first.line_count < ROWS_MAX:
        span = _Span(body.data, body.first_line, rest, open_end=body.open_end)
        yield table.exact(span, at_end=True, last=True)[0]
        return
    parts = _parts(chain([body], pieces), table)
    yield from ordered_map(
        lambda part: part if isinstance(part, ReadChunk) else table.read(part), parts
    )


def _header(first: Block, file: InputFile, dialect: CsvDialect) -> tuple[Sequence[str], int]:
    """Return the names of the columns and how many lines they take."""
    if dialect.columns is not None:
        return dialect.columns, 0
    record = first_record(lines_of(first.data), dialect=dialect)
    if record is None:
        raise unreadable(file, "its header line is not CSV", hint=_NO_HEADER)
    if record.fault:
        raise unreadable(file, f"its header line is {record.fault}", hint="save it as UTF-8")
    twice = [name for name, count in Counter(record.cells).items() if count > 1]
    if twice:
        detail = f"its header names the column {twice[0]!r} twice"
        raise unreadable(file, detail, hint="give each column a name of its own")
    return record.cells, record.first_line + record.line_count


def _odd_header(names: Sequence[str], dialect: CsvDialect) -> str | None:
    """Say so where a header of one column looks as if another character separated its cells."""
    if len(names) != 1 or dialect.columns is not None:
        return None
    found = [mark for mark in _DELIMITERS if mark != dialect.delimiter and mark in names[0]]
    if not found:
        return None
    mark = json_text(max(found, key=names[0].count))
    return (
        f"its header has one column, {shown(names[0])}; if cells are separated by {mark}, "
        f'give the reader "delimiter": {mark}'
    )


def _parts(pieces: Iterator[Block | LongLine], table: _Table) -> Iterator[_Span | ReadChunk]:
    """Cut where records end; yield what was read where finding that out took reading."""
    carry = b""
    first_line, count, open_end = 0, 0, False
    for piece in pieces:
        if isinstance(piece, LongLine):
            if carry:
                yield table.exact(_Span(memoryview(carry), first_line, count), at_end=True)[0]
            yield long_line_chunk(piece)
            carry, count = b"", 0
            continue
        if not carry:
            first_line = piece.first_line
        data = memoryview(carry + piece.data) if carry else piece.data
        open_end = piece.open_end
        part, rest = table.cut(_Span(data, first_line, count + piece.line_count, open_end=open_end))
        yield part
        carry, first_line, count = bytes(rest.data), rest.first_line, rest.line_count
    if carry:
        span = _Span(memoryview(carry), first_line, count, open_end=open_end)
        yield table.exact(span, at_end=True, last=True)[0]


@dataclass(frozen=True, slots=True)
class _Table:
    """What all parts of one input have in common."""

    cells: Cells
    asked: Asked

    def cut(self, span: _Span) -> tuple[_Span | ReadChunk, _Span]:
        """Return the records of a span, read or yet to be read, and what is left of it."""
        if not self.cells.dialect.is_plain:
            return self.exact(span, at_end=False)
        if not has_quote(span.data):
            return span, _after(span, len(span.data), span.line_count)
        survey = surveyed(span.data)
        if survey is None or len(span.data) - survey.cut > RECORD_BYTES_MAX:
            return self.exact(span, at_end=False)
        whole = survey.cut == len(span.data)
        records = _Span(
            span.data[: survey.cut],
            span.first_line,
            survey.line_count,
            survey,
            open_end=span.open_end and whole,
        )
        return records, _after(span, survey.cut, survey.line_count)

    def exact(self, span: _Span, *, at_end: bool, last: bool = False) -> tuple[ReadChunk, _Span]:
        """Read record by record; return the records and what is left.

        ``last``: the input ends with the span.
        """
        lines = lines_of(span.data)
        records, used = raw_records(lines, at_end=at_end, dialect=self.cells.dialect)
        chunk = exact_chunk(
            lines, records, cells=self.cells, source=self.asked.source, first_line=span.first_line
        )
        if last:
            _refuse_open_quote(chunk, open_end=span.open_end)
        if span.open_end and used == len(lines):
            refuse_cut_end(chunk)
        chunk = chunk if at_end and span.line_count < ROWS_MAX else in_columns(chunk)
        return self._typed(chunk, span), _after(span, sum(map(len, lines[:used])), used)

    def read(self, span: _Span) -> ReadChunk:
        """Read whole records: at once where that is exact."""
        from meterhouse.connectors.delimited.quick import quick_chunk

        chunk = quick_chunk(
            span.data,
            self.asked,
            header=self.cells.names,
            first_line=span.first_line,
            line_count=span.line_count,
            survey=span.survey,
        )
        if chunk is None:
            return self.exact(span, at_end=True)[0]
        if span.open_end:
            refuse_cut_end(chunk)
        return self._typed(chunk, span)

    def _typed(self, chunk: ReadChunk, span: _Span) -> ReadChunk:
        lines: list[bytes] = []

        def written(offset: int) -> tuple[str, Record]:
            if not lines:
                lines.extend(lines_of(span.data))
            place = offset - span.first_line
            record = first_record(lines, at=place, dialect=self.cells.dialect)
            assert record is not None
            return record_text(lines, record), self.cells.record(record.cells)

        return typed_chunk(chunk, self.asked.declared, written=written)


def _refuse_open_quote(chunk: ReadChunk, *, open_end: bool) -> None:
    """Raise ``CutOff`` where the end of an input is within quotes.

    A quote that is never closed, with whole records behind it, is a bad line and no more; but
    where the last line has no newline either, those may be the text of a cell.
    """
    last = last_offset(chunk.batch)
    for item in chunk.unreadable:
        if item.detail == NEVER_CLOSED and (open_end or item.offset > last):
            raise CutOff(
                f"it ends within the quotes that line {item.offset + 1} opens",
                hint="it was cut off on its way: fetch it again, "
                "or close the quote if that line is complete",
            )


def _after(span: _Span, size: int, line_count: int) -> _Span:
    """Return what is left of a span behind so many bytes, which are so many lines."""
    first_line = span.first_line + line_count
    return _Span(span.data[size:], first_line, span.line_count - line_count)
