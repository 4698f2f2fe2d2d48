"""Numbers written as text, whole columns at a time, exactly.

Polars reads most of them; where it would round (a 19th fraction digit) or gives up (exponents,
huge numbers), Python does. What a number looks like is decided in ``core.quantity``.
"""

from __future__ import annotations

import polars as pl

from meterhouse.core.json_text import canonical_text
from meterhouse.core.quantity import number_from_text, number_text
from meterhouse.engine.column import QUANTITY, Column, ColumnKind, fits_quantity

#: What Polars may read otherwise than it is written.
_ODD = r"[eE]|\.[0-9]{19}"


def number_column(texts: pl.Series) -> tuple[Column, pl.Series]:
    """Return the numbers that texts hold, and a mask of those that hold none.

    Numbers beyond 20+18 digits make the column one of kind ``JSON``.
    """
    whole = texts.cast(pl.Int64, strict=False)
    if whole.null_count() == texts.null_count():
        return Column(ColumnKind.NUMBER, whole), _none(len(texts))
    odd = texts.str.contains(_ODD).fill_null(value=False)
    exact = texts.cast(QUANTITY, strict=False)
    left = (texts.is_not_null() & (exact.is_null() | odd)).arg_true()
    if not len(left):
        return Column(ColumnKind.NUMBER, exact), _none(len(texts))
    return _with_python(texts, exact, left)


def _with_python(texts: pl.Series, exact: pl.Series, left: pl.Series) -> tuple[Column, pl.Series]:
    numbers = [number_from_text(text) for text in texts.gather(left)]
    wrong = _none(len(texts)).scatter(
        left.gather([place for place, number in enumerate(numbers) if number is None]),
        True,
    )
    if all(number is None or fits_quantity(number) for number in numbers):
        plain = [None if number is None else number_text(number) for number in numbers]
        series = exact.scatter(left, pl.Series(plain, dtype=pl.String).cast(QUANTITY))
        return Column(ColumnKind.NUMBER, series), wrong
    canonical = Column(ColumnKind.NUMBER, exact).canonical()
    written = [None if number is None else canonical_text(number) for number in numbers]
    return Column(ColumnKind.JSON, canonical.scatter(left, pl.Series(written))), wrong


def _none(length: int) -> pl.Series:
    return pl.repeat(False, length, dtype=pl.Boolean, eager=True)
