"""Exact numbers as columns for rating: whole units, and how many digits stand behind the point."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.fault import RatingError

INT64_MAX = 2**63 - 1
#: Units are at most so far from zero: 38 digits, as decimals of Polars have them.
INT128_MAX = 10**38 - 1
_SAMPLE = 1_000
_LIMB = 10**18


@dataclass(frozen=True, slots=True)
class Numbers:
    """``units`` times 10 to the power -``scale``; ``low`` and ``high`` are the extremes."""

    units: pl.Series
    scale: int
    low: int
    high: int

    def outside(self, most: int) -> pl.Series | None:
        """Mask what is less than 0 or has more than so many units, if anything is."""
        if self.low >= 0 and self.high <= most:
            return None
        dtype = self.units.dtype
        within = pl.lit(self.units).is_between(
            pl.lit(0, dtype), pl.lit(min(most, self.high), dtype)
        )
        return pl.select(~within).to_series()

    def zeroed(self, outside: pl.Series) -> Numbers:
        """Return the same numbers, 0 where the mask is set."""
        dtype = self.units.dtype
        kept = pl.when(pl.lit(outside)).then(pl.lit(0, dtype)).otherwise(pl.lit(self.units))
        units = pl.select(kept.alias("units"))["units"]
        return Numbers(units, self.scale, *_extremes(units))


def numbers_of(values: pl.Series) -> Numbers:
    """Take a column of whole numbers or decimals, none of them absent.

    >>> made = numbers_of(pl.Series(["1.50"]).cast(pl.Decimal(38, 18)))
    >>> made.units.to_list(), made.scale
    ([15], 1)
    """
    _check(values)
    scale = values.dtype.scale if isinstance(values.dtype, pl.Decimal) else 0
    units = values.to_physical()
    if units.dtype not in (pl.Int64, pl.Int128):
        units = units.cast(pl.Int128)
    low, high = _extremes(units)
    if scale and max(-low, high) > INT64_MAX // 10:
        units, scale = _shortened(units, scale)
        low, high = _extremes(units)
    if units.dtype != pl.Int64 and max(-low, high) <= INT64_MAX:
        units = units.cast(pl.Int64)
    return Numbers(units, scale, low, high)


def _check(values: pl.Series) -> None:
    if not (values.dtype.is_integer() or values.dtype.is_decimal()):
        raise RatingError(
            f"the column {values.name!r} has the type {values.dtype}",
            hint="Quantities are whole numbers or decimals",
        )
    if values.null_count():
        row = values.is_null().arg_true()[0]
        raise RatingError(
            f"the column {values.name!r} has no quantity in row {row}",
            hint="Give 0, or leave the row out",
        )


def sum_fits(values: pl.Series) -> bool:
    """Whether any sum of some of the values is within 38 digits.

    Polars wraps sums of groups in silence.
    """
    numbers = numbers_of(values)
    scale = values.dtype.scale if isinstance(values.dtype, pl.Decimal) else 0
    furthest = max(-numbers.low, numbers.high) * 10 ** (scale - numbers.scale)
    if furthest * len(values) <= INT128_MAX:
        return True
    # In two limbs, neither of which can leave 128 bits: 2**64 rows are fewer than 10**20.
    limb = pl.lit(_LIMB, dtype=pl.Int128)
    units = pl.lit(values.to_physical().cast(pl.Int128).abs())
    sums = pl.select((units // limb).sum().alias("high"), (units % limb).sum().alias("low"))
    return sums["high"][0] * _LIMB + sums["low"][0] <= INT128_MAX


def decimal_of(values: pl.Series, row: int) -> Decimal:
    """One quantity as Python has it."""
    value = values[row]
    return value if isinstance(value, Decimal) else Decimal(value)


def units_of(amount: Decimal, digits: int) -> int:
    """An amount in the smallest units of its currency.

    >>> units_of(Decimal("386.90"), 2)
    38690
    """
    return int(EXACT.scaleb(amount, digits)) if amount else int(ZERO)


def _extremes(units: pl.Series) -> tuple[int, int]:
    low, high = units.min(), units.max()
    if low is None or high is None:
        return 0, 0
    assert isinstance(low, int)
    assert isinstance(high, int)
    return low, high


def _shortened(units: pl.Series, scale: int) -> tuple[pl.Series, int]:
    """Leave out the zeros that all numbers end in: found in some, then looked for in all."""
    zeros, some = scale, units.head(_SAMPLE)
    while True:
        zeros = _common_zeros(some, zeros)
        ending = pl.Series([10**zeros], dtype=units.dtype)
        some = units.filter(units % ending != 0).head(_SAMPLE)
        if not len(some):
            return (units // ending if zeros else units), scale - zeros


def _common_zeros(units: pl.Series, most: int) -> int:
    while most and any(unit % 10**most for unit in units):
        most -= 1
    return most
