"""Comparing number columns with a number, exactly: no cast of the column, no rounding.

A column of scale s holds multiples of 10**-s, so comparing it with any number is comparing it
with that number rounded down to scale s, and knowing whether something was cut off.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal

import polars as pl

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_DECIMAL_DIGITS = 38
#: Beyond this many integer digits no column reaches.
_DIGITS_MAX = 40
_FLOOR = Context(prec=2 * _DECIMAL_DIGITS + _DIGITS_MAX, rounding=ROUND_FLOOR)


def less_than(values: pl.Series, limit: Decimal) -> pl.Series:
    """Tell for each number whether it is below ``limit``; null where there is none."""
    return _below(values, limit, or_equal=False)


def at_most(values: pl.Series, limit: Decimal) -> pl.Series:
    """Tell for each number whether it is ``limit`` or below; null where there is none."""
    return _below(values, limit, or_equal=True)


def equals(values: pl.Series, number: Decimal) -> pl.Series:
    """Tell for each number whether it is ``number``; null where there is none."""
    return at_most(values, number) & ~less_than(values, number)


def _below(values: pl.Series, limit: Decimal, *, or_equal: bool) -> pl.Series:
    scale = values.dtype.scale if isinstance(values.dtype, pl.Decimal) else 0
    assert scale is not None
    if limit.adjusted() >= _DIGITS_MAX and limit:
        return _constant(values, value=limit > 0)
    floor = limit.quantize(Decimal(1).scaleb(-scale), context=_FLOOR)
    lowest, highest = _range(values, scale)
    if not lowest <= floor <= highest:
        return _constant(values, value=floor > 0)
    if isinstance(values.dtype, pl.Decimal):
        bound = pl.Series([floor], dtype=values.dtype)
    else:
        bound = pl.Series([int(floor)], dtype=pl.Int64)
    # Below a limit that lies between two steps means: at most the lower step.
    return values <= bound if or_equal or floor != limit else values < bound


def _range(values: pl.Series, scale: int) -> tuple[Decimal, Decimal]:
    if not isinstance(values.dtype, pl.Decimal):
        return Decimal(_INT64_MIN), Decimal(_INT64_MAX)
    highest = _FLOOR.subtract(Decimal(10) ** (_DECIMAL_DIGITS - scale), Decimal(1).scaleb(-scale))
    return -highest, highest


def _constant(values: pl.Series, *, value: bool) -> pl.Series:
    frame = values.alias("v").to_frame()
    return frame.select(pl.when(pl.col("v").is_not_null()).then(pl.lit(value)).alias("v"))["v"]
