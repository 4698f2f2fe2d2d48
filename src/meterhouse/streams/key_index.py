"""Finding the rows of a table by their keys, a column at a time.

Two keys are equal where their JSON values are: 5 and 5.0 are one, the text "5" is another. Each
value of a key column gets a number, and numbers of several columns are packed into one, so that
records are joined on whole numbers. Texts that are coded are looked up once, however often they
stand in a batch. Null, which is an absent field, equals nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import polars as pl

from meterhouse.core.json_text import parse_json
from meterhouse.engine.column import Coded, Column, ColumnKind, timestamp_texts

_NUMBER = pl.Int64()
#: Combinations are looked up where there are so many times fewer of them than records.
_SHARE = 8


class KeyIndex:
    """The rows of a table by the values of their key columns.

    >>> index = KeyIndex([Column.from_values(["a", "b"])])
    >>> index.rows([Column.from_values(["b", None, "x"])]).to_list()
    [1, None, None]
    """

    def __init__(self, keys: Sequence[Column]) -> None:
        self._columns = [_Values(key) for key in keys]
        self._pairs: list[_Numbers] = []
        numbers = self._columns[0].numbers(keys[0])
        for values, key in zip(self._columns[1:], keys[1:], strict=True):
            packed = numbers * values.size + values.numbers(key)
            pairs = _Numbers(packed)
            self._pairs.append(pairs)
            numbers = pairs.numbers(packed)
        self._rows, self.duplicate = _rows_of(numbers)

    def rows(self, columns: Sequence[Column]) -> pl.Series:
        """Return the row of each record, null where there is none; the columns as the keys."""
        combined = combinations(columns)
        if combined is not None:
            distinct, places = combined
            return self._looked_up(distinct).gather(places)
        return self._looked_up(columns)

    def _looked_up(self, columns: Sequence[Column]) -> pl.Series:
        numbers = self._columns[0].numbers(columns[0])
        for values, pairs, column in zip(self._columns[1:], self._pairs, columns[1:], strict=True):
            numbers = pairs.numbers(numbers * values.size + values.numbers(column))
        return self._rows.gather(numbers)


def combinations(columns: Sequence[Column]) -> tuple[list[Column], pl.Series] | None:
    """Return the combinations that coded columns may have, and which one each record has.

    ``None`` where there are not far fewer of them than records, or a column is not coded.
    """
    coded = [column.coded for column in columns if column.coded is not None]
    if not coded or len(coded) < len(columns):
        return None
    # One number more in each stands for no text.
    sizes = [len(one.texts) + 1 for one in coded]
    many = prod(sizes)
    if many > len(columns[0]) // _SHARE:
        return None
    every = pl.int_range(many, dtype=pl.UInt32, eager=True)
    places = pl.zeros(len(columns[0]), dtype=pl.UInt32, eager=True)
    distinct, width = [], 1
    for one, size in zip(reversed(coded), reversed(sizes), strict=True):
        absent = size - 1
        own = every // width % size
        distinct.append(Column.of_codes(Coded(own.set(own == absent, None), one.texts)))
        places = places + one.codes.cast(pl.UInt32).fill_null(absent) * width
        width *= size
    return distinct[::-1], places


def _rows_of(numbers: pl.Series) -> tuple[pl.Series, tuple[int, int] | None]:
    """Return the first row of each number, and two rows of one number if there are any."""
    present = numbers.is_not_null()
    first = present & numbers.is_first_distinct()
    again = (present & ~first).arg_max() if (present & ~first).any() else None
    order = numbers.filter(first)
    places = first.arg_true()
    rows = pl.zeros(len(order), dtype=pl.UInt32, eager=True).scatter(order, places)
    if again is None:
        return rows, None
    return rows, (rows[numbers[again]], again)


class _Numbers:
    """Distinct values of one Polars type, numbered from 0 on."""

    def __init__(self, values: pl.Series, *, first: int = 0) -> None:
        distinct = values.drop_nulls().unique(maintain_order=True)
        self.size = len(distinct)
        self._table = _frame(distinct).with_columns(
            n=pl.int_range(first, first + self.size, dtype=_NUMBER, eager=True)
        )

    def numbers(self, values: pl.Series) -> pl.Series:
        """Return the number of each value, null where it has none."""
        if not self.size:
            return _none(len(values))
        joined = _frame(values).join(self._table, on="k", how="left", maintain_order="left")
        return joined["n"]

    @property
    def values(self) -> pl.Series:
        """The values in order of number."""
        return self._table["k"]

    @property
    def own(self) -> pl.Series:
        """The numbers."""
        return self._table["n"]


class _Values:
    """The distinct JSON values of one key column, numbered from 0 on.

    Texts are numbered apart from all else; whole numbers are found without writing them as text.
    """

    def __init__(self, column: Column) -> None:
        texts, others = _split(column)
        self._texts = _Numbers(texts)
        self._others = _Numbers(others, first=self._texts.size)
        self.size = self._texts.size + self._others.size
        whole = self._others.values.cast(pl.Int64, strict=False)
        self._whole = _frame(whole).with_columns(n=self._others.own).drop_nulls()

    def numbers(self, column: Column) -> pl.Series:
        """Return the number of each value, null where it has none."""
        if column.coded is not None:
            return self._texts.numbers(column.coded.texts).gather(column.coded.codes)
        if column.kind is ColumnKind.NUMBER and column.values.dtype == pl.Int64:
            return self._of_whole(column.values)
        texts, others = _split(column)
        if column.kind is not ColumnKind.JSON:
            is_text = column.kind in (ColumnKind.TEXT, ColumnKind.TIMESTAMP)
            return self._texts.numbers(texts) if is_text else self._others.numbers(others)
        found = self._texts.numbers(texts)
        return found.zip_with(found.is_not_null(), self._others.numbers(others))

    def _of_whole(self, values: pl.Series) -> pl.Series:
        if not self._whole.height:
            return _none(len(values))
        joined = _frame(values).join(self._whole, on="k", how="left", maintain_order="left")
        return joined["n"]


def _split(column: Column) -> tuple[pl.Series, pl.Series]:
    """Return the texts of a column, and the canonical JSON of all that is no text."""
    match column.kind:
        case ColumnKind.TEXT:
            return column.values, _no_text(len(column))
        case ColumnKind.TIMESTAMP:
            return timestamp_texts(column.values), _no_text(len(column))
        case ColumnKind.NUMBER | ColumnKind.BOOLEAN:
            return _no_text(len(column)), column.canonical()
    canonical = column.canonical()
    is_text = canonical.str.starts_with('"').fill_null(value=False)
    texts = canonical.set(~is_text, None).map_elements(parse_json, return_dtype=pl.String)
    return texts, canonical.set(is_text, None)


def _frame(values: pl.Series) -> pl.DataFrame:
    return values.alias("k").to_frame()


def _none(length: int) -> pl.Series:
    return pl.Series([None], dtype=_NUMBER).new_from_index(0, length)


def _no_text(length: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, length)
