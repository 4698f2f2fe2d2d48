"""One block of NDJSON lines, each by the quickest reading that is exact for it.

First the lines that are alike, form by form; then what Arrow reads rightly; then the rest, line
by line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import polars as pl

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import joined
from meterhouse.connectors.layout import in_columns
from meterhouse.connectors.lines import Block
from meterhouse.connectors.ndjson.alike import lines_alike
from meterhouse.connectors.ndjson.exact import exact_chunk
from meterhouse.connectors.ndjson.quick import Refusal, odd_lines, quick_columns
from meterhouse.connectors.ndjson.shape import Shape
from meterhouse.connectors.ndjson.span import Span
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column
from meterhouse.streams.ports import ReadChunk

#: So many forms of lines are looked for in a block, as long as there are so many lines left.
_FORMS_MAX = 4
_FORM_LINES = 256
#: So many lines are read exactly where a quick attempt has failed, and where there are fewer.
_EXACT_LINES = 64
#: After so many failures the rest of a block is read exactly.
_FAILURES_MAX = 32


def read_block(block: Block, asked: Asked, *, shape: Shape) -> ReadChunk:
    """Read the records of a block; the shape learns from what did not fit it."""
    span = Span.of(block)
    parts: list[ReadChunk] = []
    for form in range(_FORMS_MAX):
        if not shape.alike or span.count < (_FORM_LINES if form else 1):
            break
        alike = lines_alike(span, shape.fields, keeps=asked.keeps)
        if form == 0:
            shape.note_alike(were=alike is not None)
        if alike is None:
            break
        taken = span.numbers if alike.mask is None else span.numbers.filter(alike.mask)
        parts.append(_chunk(alike.columns, taken, asked.source))
        shape.learn(parts[-1].batch)
        if alike.mask is None:
            return _in_order(parts)
        span = span.pick(~alike.mask)
    parts += _Reading(span, shape, asked.source).parts()
    return _in_order(parts)


def _chunk(columns: Mapping[str, Column], numbers: pl.Series, source: int) -> ReadChunk:
    length = len(numbers)
    return ReadChunk(
        UsageBatch.from_columns(columns, length=length, source=source, offsets=numbers)
    )


def _in_order(parts: list[ReadChunk]) -> ReadChunk:
    chunk = joined(parts)
    offsets = chunk.batch.origin_frame()["offset"]
    if offsets.is_sorted():
        return chunk
    return ReadChunk(chunk.batch.take(offsets.arg_sort()), chunk.unreadable)


class _Reading:
    """The way through some lines: attempts of ``step`` lines, exact runs where they fail."""

    def __init__(self, span: Span, shape: Shape, source: int) -> None:
        self._span = span
        self._shape = shape
        self._source = source
        self._odd = odd_lines(span) if span.count else []

    def parts(self) -> Iterator[ReadChunk]:
        total = self._span.count
        at, step, failures = 0, total, 0
        run, run_end = _EXACT_LINES, 0
        while at < total:
            take = min(step, self._next_odd(at) - at)
            hopeless = failures > _FAILURES_MAX or self._shape.hopeless
            known = bool(self._shape.fields) and not hopeless
            if known and take >= min(_EXACT_LINES, total - at):
                try:
                    part = self._quick(at, take)
                except Refusal as refusal:
                    failures += 1
                    step = take // 4 if refusal.row is None else refusal.row
                else:
                    yield part
                    at += take
                    step = max(step, take) * 4
                continue
            # Exact runs grow while there is little between them that could be read quickly.
            run = run * 2 if at - run_end < 8 * run and run_end else _EXACT_LINES
            take = total - at if hopeless else min(run, total - at)
            part = self._exact(at, take)
            if part.batch.columnar:
                self._shape.learn(part.batch)
            yield part
            at = run_end = at + take
            step = max(step, 4 * run)

    def _next_odd(self, at: int) -> int:
        place = bisect_left(self._odd, at)
        return self._odd[place] if place < len(self._odd) else self._span.count

    def _quick(self, first: int, count: int) -> ReadChunk:
        span = self._span.part(first, count)
        columns = quick_columns(span.data, line_count=count, fields=self._shape.fields)
        return _chunk(columns, span.numbers, self._source)

    def _exact(self, first: int, count: int) -> ReadChunk:
        span = self._span.part(first, count)
        return in_columns(exact_chunk(span.lines(), span.numbers, source=self._source))
