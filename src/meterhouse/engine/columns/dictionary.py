"""Dictionaries of group fields: canonical JSON texts as small numbers for the time of a run.

0 is ``null`` (the field is absent), odd numbers are JSON strings, even ones all other values.
Strings go in unquoted, so that the common case costs one dictionary look-up and no text work.
"""

from __future__ import annotations

import polars as pl

from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.metered_record import key_text
from meterhouse.engine.column import Column, ColumnKind, timestamp_texts


class FieldDictionary:
    """Numbers the values of one field, the same way in every batch."""

    def __init__(self) -> None:
        self._texts = _Numbering()
        self._others = _Numbering()
        #: what ``texts`` returned, for so many of both
        self._known: tuple[tuple[int, int], pl.Series] | None = None

    def encode(self, column: Column) -> pl.Series:
        """Return the number of each value (UInt32, no nulls)."""
        if column.coded is not None:
            numbers = self._texts.numbers(column.coded.texts, first=1).gather(column.coded.codes)
            return numbers.fill_null(0) if numbers.null_count() else numbers
        if column.kind is ColumnKind.TEXT:
            return self._texts.numbers(column.values, first=1)
        if column.kind is ColumnKind.TIMESTAMP:
            return self._texts.numbers(timestamp_texts(column.values), first=1)
        canonical = column.canonical()
        if column.kind is not ColumnKind.JSON:
            return self._others.numbers(canonical, first=2)
        is_text = canonical.str.starts_with('"').fill_null(value=False)
        others = self._others.numbers(canonical.set(is_text, None), first=2)
        if not is_text.any():
            return others
        texts = self._texts.numbers(_unquoted(canonical.set(~is_text, None)), first=1)
        return texts.zip_with(is_text, others)

    @property
    def numbers_end(self) -> int:
        """All numbers so far are less than this."""
        return 2 * max(self._texts.count, self._others.count) + 2

    def texts(self) -> pl.Series:
        """Return the canonical text of every number, in order of number."""
        counts = self._texts.count, self._others.count
        known = self._known
        if known is None or known[0] != counts:
            self._known = known = counts, self._all_texts()
        return known[1]

    def _all_texts(self) -> pl.Series:
        strings = [json_text(text) for text in self._texts.values()]
        others = self._others.values()
        table = ["null"] * (2 * max(len(strings), len(others)) + 1)
        table[1 : 2 * len(strings) : 2] = strings
        table[2 : 2 * len(others) + 1 : 2] = others
        return pl.Series(table, dtype=pl.String)


def key_texts(texts: pl.Series) -> pl.Series:
    """How the texts of a dictionary appear inside the JSON string ``key`` of a group entry."""
    return pl.Series([key_text(text) for text in texts], dtype=pl.String)


class _Numbering:
    """Distinct texts, every other number from ``first`` on; 0 stands for null."""

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        # The categories live as long as some series of their type does.
        self._keeper = pl.Series([], dtype=pl.Categorical(self._categories))

    def numbers(self, texts: pl.Series, *, first: int) -> pl.Series:
        codes = texts.cast(self._keeper.dtype).to_physical() * 2 + first
        return codes.fill_null(0) if codes.null_count() else codes

    @property
    def count(self) -> int:
        return len(self._categories.to_series())

    def values(self) -> list[str]:
        return self._categories.to_series().to_list()


def _unquoted(texts: pl.Series) -> pl.Series:
    """JSON strings without their quotes; those with escapes are parsed in Python."""
    plain = texts.str.slice(1, texts.str.len_chars() - 2)
    escaped = texts.str.contains("\\", literal=True).fill_null(value=False)
    if not escaped.any():
        return plain
    parsed = texts.set(~escaped, None).map_elements(parse_json, return_dtype=pl.String)
    return parsed.zip_with(escaped, plain)
