"""Some lines of an input, not always all that follow one another, with their numbers."""

from __future__ import annotations

from functools import cached_property, lru_cache

import polars as pl

from meterhouse.connectors.lines import Block, byte_series, lines_of, places

_NEWLINE = ord("\n")
_HEAD_BYTES = 4 << 10
_TILES = 1 << 14


class Span:
    """Whole lines and the number of each in its input, from 0."""

    def __init__(self, data: memoryview, numbers: pl.Series) -> None:
        self.data = data
        self.numbers = numbers

    @classmethod
    def of(cls, block: Block) -> Span:
        """Return all lines of a block."""
        first = block.first_line
        return cls(block.data, pl.int_range(first, first + block.line_count, eager=True))

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.numbers)

    @cached_property
    def series(self) -> pl.Series:
        """The bytes as a column."""
        return byte_series(self.data)

    @cached_property
    def bounds(self) -> pl.Series:
        """Where each line begins, and where the last one ends."""
        ends = places(self.series == _NEWLINE).cast(pl.Int64) + 1
        return pl.Series([0]).append(ends)

    def lines(self) -> list[bytes]:
        """Return the lines, each with its newline."""
        return lines_of(self.data)

    def line(self, place: int) -> bytes:
        """Return one line, with its newline; the first one at once."""
        if not place:
            head, newline, _ = bytes(self.data[:_HEAD_BYTES]).partition(b"\n")
            if newline:
                return head + newline
        return bytes(self.part(place, 1).data)

    def per_line(self, mask: pl.Series) -> pl.Series:
        """Count the bytes of each line for which the mask is true."""
        before = places(mask).cast(pl.Int64).search_sorted(self.bounds).cast(pl.Int64)
        return before.slice(1) - before.slice(0, self.count)

    def part(self, first: int, count: int) -> Span:
        """Return ``count`` lines from one on."""
        if count == self.count:
            return self
        start, end = self.bounds[first], self.bounds[first + count]
        return Span(self.data[start:end], self.numbers.slice(first, count))

    def pick(self, mask: pl.Series) -> Span:
        """Return the lines for which the mask is true."""
        changes = places(mask.slice(1) != mask.slice(0, self.count - 1)).cast(pl.Int64) + 1
        edges = [0, *changes.to_list(), self.count]
        places_of = self.bounds.gather(edges).to_list()
        # Runs of chosen and of other lines follow one another by turns.
        first = 0 if mask[0] else 1
        runs = range(first, len(edges) - 1, 2)
        data = b"".join(self.data[places_of[run] : places_of[run + 1]] for run in runs)
        return Span(memoryview(data), self.numbers.filter(mask))


def tiled(pattern: tuple[int, ...], times: int) -> pl.Series:
    """Return a pattern so many times in a row."""
    return _tiles(pattern, -(-times // _TILES) * _TILES).slice(0, times * len(pattern))


@lru_cache(maxsize=16)
def _tiles(pattern: tuple[int, ...], times: int) -> pl.Series:
    return pl.Series(list(pattern) * times)
