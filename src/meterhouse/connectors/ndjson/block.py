"""One block of NDJSON lines: quickly where that is proven right, exactly where it is not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import polars as pl

from meterhouse.connectors.chunking import in_columns, joined
from meterhouse.connectors.lines import Block, byte_series, lines_of, places
from meterhouse.connectors.ndjson.exact import exact_chunk
from meterhouse.connectors.ndjson.quick import Refusal, odd_lines, quick_columns
from meterhouse.connectors.ndjson.shape import Shape
from meterhouse.connectors.ndjson.uniform import Irregular, uniform_columns
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column
from meterhouse.streams.ports import ReadChunk

#: So many lines are read exactly where a quick attempt has failed, and where there are fewer.
_EXACT_LINES = 64
#: After so many failures the rest of a block is read exactly.
_FAILURES_MAX = 32


def read_block(block: Block, *, shape: Shape, source: int) -> ReadChunk:
    """Read the records of a block; the shape learns from what did not fit it."""
    return joined(list(_Reading(block, shape, source).parts()))


class _Reading:
    """The way through one block: attempts of ``step`` lines, exact runs where they fail."""

    def __init__(self, block: Block, shape: Shape, source: int) -> None:
        self._block = block
        self._shape = shape
        self._source = source
        self._count = block.line_count
        self._odd: list[int] = []
        self._bounds: list[int] | None = None

    def parts(self) -> Iterator[ReadChunk]:
        whole = self._uniform(0, self._count)
        if whole is not None:
            yield whole
            return
        self._odd = odd_lines(self._block.data, line_count=self._count)
        at, step, failures = 0, self._count, 0
        run, run_end = _EXACT_LINES, 0
        while at < self._count:
            take = min(step, self._next_odd(at) - at)
            hopeless = failures > _FAILURES_MAX or self._shape.hopeless
            known = bool(self._shape.fields) and not hopeless
            if known and take >= min(_EXACT_LINES, self._count - at):
                try:
                    part = self._uniform(at, take) or self._quick(at, take)
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
            take = self._count - at if hopeless else min(run, self._count - at)
            part = in_columns(self._exact(at, take))
            if part.batch.columnar:
                self._shape.learn(part.batch)
            yield part
            at = run_end = at + take
            step = max(step, 4 * run)

    def _next_odd(self, at: int) -> int:
        place = bisect_left(self._odd, at)
        return self._odd[place] if place < len(self._odd) else self._count

    def _uniform(self, first: int, count: int) -> ReadChunk | None:
        if not self._shape.uniform:
            return None
        data = self._bytes(first, count)
        try:
            columns = uniform_columns(data, line_count=count, fields=self._shape.fields)
        except Irregular:
            self._shape.note_uniform(was=False)
            return None
        self._shape.note_uniform(was=True)
        return self._chunk(columns, first, count)

    def _quick(self, first: int, count: int) -> ReadChunk:
        data = self._bytes(first, count)
        columns = quick_columns(data, line_count=count, fields=self._shape.fields)
        return self._chunk(columns, first, count)

    def _chunk(self, columns: Mapping[str, Column], first: int, count: int) -> ReadChunk:
        offset = self._block.first_line + first
        return ReadChunk(
            UsageBatch.from_columns(columns, length=count, source=self._source, first_offset=offset)
        )

    def _exact(self, first: int, count: int) -> ReadChunk:
        lines = lines_of(self._bytes(first, count))
        return exact_chunk(lines, source=self._source, first_line=self._block.first_line + first)

    def _bytes(self, first: int, count: int) -> memoryview:
        data = self._block.data
        if count == self._count:
            return data
        if self._bounds is None:
            newlines = places(byte_series(data) == ord("\n")).cast(pl.Int64)
            self._bounds = [0, *(newlines + 1).to_list()]
        return data[self._bounds[first] : self._bounds[first + count]]
