"""Pieces of a price over a column of quantities: exact units, and units of the currency."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import polars as pl

from meterhouse.core.money import Rounding
from meterhouse.rating.column_numbers import INT64_MAX, INT128_MAX, Numbers
from meterhouse.rating.pieces import Pieces


@dataclass(frozen=True, slots=True)
class Rounder:
    """Exact units to units of the currency: times ``multiplier``, by ``divisor``, rounded."""

    multiplier: int
    divisor: int
    mode: Rounding

    @classmethod
    def of(cls, denominator: int, *, digits: int, mode: Rounding) -> Rounder:
        """The shortest way from one denominator to a currency's digits."""
        common = gcd(10**digits, denominator)
        return cls(10**digits // common, denominator // common, mode)

    def rounded(self, units: pl.Expr, dtype: type[pl.Int64 | pl.Int128]) -> pl.Expr:
        """Round units that are at least 0: up is away from zero here, and down towards it."""
        whole = units if self.multiplier == 1 else units * pl.lit(self.multiplier, dtype)
        if self.divisor == 1:
            return whole
        divisor = pl.lit(self.divisor, dtype)
        if self.mode in (Rounding.DOWN, Rounding.FLOOR):
            return whole // divisor
        if self.mode in (Rounding.UP, Rounding.CEILING):
            return (whole + pl.lit(self.divisor - 1, dtype)) // divisor
        raised = whole + pl.lit(self.divisor // 2, dtype)
        nearest = raised // divisor
        if self.mode is Rounding.HALF_UP or self.divisor % 2:
            return nearest
        tie = (nearest * divisor == raised) & (nearest % pl.lit(2, dtype) == 1)
        return nearest - tie.cast(dtype)


def most_of(pieces: Pieces, rounder: Rounder, *, limit: int = INT128_MAX) -> int:
    """The greatest quantity, in units, for which no step leaves a limit; less than 0: none."""
    return pieces.most(limit, divisor=rounder.divisor, multiplier=rounder.multiplier)


def computed(pieces: Pieces, numbers: Numbers, rounder: Rounder) -> tuple[pl.Series, pl.Series]:
    """Return exact units and rounded ones for quantities that are all within ``most_of``."""
    reached = pieces.below(numbers.high)
    narrow = numbers.high <= most_of(reached, rounder, limit=INT64_MAX)
    dtype = pl.Int64 if narrow else pl.Int128
    quantities = pl.DataFrame({"q": numbers.units.cast(dtype)})
    charged = quantities.select(_charged(reached, dtype).alias("x"))["x"]
    units = _cost(reached, charged)
    minor = pl.DataFrame({"units": units}).select(rounder.rounded(pl.col("units"), dtype))
    return units, minor.to_series().alias("minor")


def _cost(pieces: Pieces, charged: pl.Series) -> pl.Series:
    """Constant and slope of the piece that holds each number: a search for bounds below it."""
    dtype = charged.dtype
    constants = pl.Series([one.constant for one in pieces.pieces], dtype=dtype)
    slopes = pl.Series([one.slope for one in pieces.pieces], dtype=dtype)
    if len(pieces.pieces) == 1:
        return charged * slopes + constants
    bounds = pl.Series([one.above for one in pieces.pieces[1:]], dtype=dtype)
    held = bounds.search_sorted(charged, side="left")
    return constants.gather(held) + slopes.gather(held) * charged


def _charged(pieces: Pieces, dtype: type[pl.Int64 | pl.Int128]) -> pl.Expr:
    """What is priced: units without the free ones, or packages of them."""
    x = pl.col("q")
    if pieces.factor != 1:
        x = x * pl.lit(pieces.factor, dtype)
    if pieces.free:
        free = pl.lit(pieces.free, dtype)
        x = pl.when(x > free).then(x - free).otherwise(pl.lit(0, dtype))
    if pieces.size:
        x = x if pieces.down else x + pl.lit(pieces.size - 1, dtype)
        x = x // pl.lit(pieces.size, dtype)
    return x
