"""Where the records of a block of CSV begin, found without reading cells."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from meterhouse.connectors.lines import byte_series, places

_COMMA, _QUOTE, _NEWLINE, _RETURN = (ord(character) for character in ',"\n\r')


@dataclass(frozen=True, slots=True)
class Survey:
    """The complete records at the beginning of some bytes."""

    #: How many bytes they take.
    cut: int
    #: How many lines they take.
    line_count: int
    #: The line that each begins on, from 0; blank lines are no records.
    lines: pl.Series
    #: Where each begins and ends (its newline not counted).
    starts: pl.Series
    ends: pl.Series


def has_quote(data: memoryview) -> bool:
    """Whether any cell may be quoted."""
    return bool((byte_series(data) == _QUOTE).any())


def is_plain(data: memoryview) -> bool:
    """Whether every line is one record, or blank, whatever it holds."""
    series = byte_series(data)
    return not bool(((series == _QUOTE) | (series == _RETURN)).any())


def surveyed(data: memoryview) -> Survey | None:
    """Find the records of bytes that begin with one; ``None`` where quotes or returns are odd.

    Quotes are in order if each one that opens follows a comma or a newline, each one that
    closes stands before one, and all others are pairs within quotes: then a newline ends a
    record exactly if an even number of quotes precedes it.
    """
    series = byte_series(data)
    newlines = _places(series, _NEWLINE)
    quotes = _places(series, _QUOTE)
    returns = _places(series, _RETURN)
    if len(returns) and not bool((series.gather(returns + 1) == _NEWLINE).all()):
        return None
    if not len(quotes):
        return _survey(series, newlines, pl.int_range(len(newlines), eager=True))
    if not _in_order(series, quotes):
        return None
    ending = (quotes.search_sorted(newlines) % 2 == 0).arg_true().cast(pl.Int64)
    return _survey(series, newlines.gather(ending), ending)


def _places(series: pl.Series, byte: int) -> pl.Series:
    return places(series == byte).cast(pl.Int64)


def _in_order(series: pl.Series, quotes: pl.Series) -> bool:
    if len(quotes) % 2:  # the last record is open: it is not looked at
        quotes = quotes.slice(0, len(quotes) - 1)
    opening, closing = quotes.gather_every(2), quotes.gather_every(2, offset=1)
    before = series.gather((opening - 1).clip(lower_bound=0))
    after = series.gather(closing + 1)  # there is one: the bytes end with a newline
    begins = (before == _COMMA) | (before == _NEWLINE) | (before == _QUOTE) | (opening == 0)
    closes = (after == _COMMA) | (after == _NEWLINE) | (after == _RETURN) | (after == _QUOTE)
    return bool(begins.all()) and bool(closes.all())


def _survey(series: pl.Series, ends: pl.Series, end_lines: pl.Series) -> Survey:
    """``ends`` are the newlines that end a record, ``end_lines`` the numbers of their lines."""
    if not len(ends):
        return Survey(0, 0, ends, ends, ends)
    zero = pl.Series([0], dtype=pl.Int64)
    starts = pl.concat([zero, ends.slice(0, len(ends) - 1) + 1])
    lines = pl.concat([zero, end_lines.slice(0, len(ends) - 1) + 1])
    cut, line_count = int(ends[-1]) + 1, int(end_lines[-1]) + 1
    size = ends - starts
    blank = (size == 0) | ((size == 1) & (series.gather(starts) == _RETURN))
    if blank.any():
        lines, starts, ends = (values.filter(~blank) for values in (lines, starts, ends))
    return Survey(cut, line_count, lines, starts, ends)
