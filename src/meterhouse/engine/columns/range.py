"""The range of quantities in columns: which meters might leave it in this batch."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from meterhouse.core.quantity import EXACT, FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX, LIMIT
from meterhouse.engine.column import QUANTITY

#: Whole numbers of 64 bits end here.
WHOLE_END = 2**63
#: Volumes are bounded in units of this many, so that whole 64-bit numbers are enough.
_UNIT_DIGITS = 9
_UNIT_SCALED = 10 ** (FRACTION_DIGITS_MAX + _UNIT_DIGITS)
_UNITS_MAX = 10 ** (INTEGER_DIGITS_MAX - _UNIT_DIGITS)


def volume_max(assigned: pl.DataFrame) -> Decimal:
    """Return a bound of the absolute value of any sum of quantities of ``assigned`` (``v``)."""
    return EXACT.multiply(greatest(assigned["v"]), Decimal(assigned.height))


def greatest(amounts: pl.Series) -> Decimal:
    """Return the greatest absolute value; 0 where there is none."""
    # The least 64-bit number has no absolute value of 64 bits, so Polars is not asked for it.
    bounds = (amounts.min(), amounts.max())
    absolute = [Decimal(bound).copy_abs() for bound in bounds if isinstance(bound, int | Decimal)]
    return max(absolute, default=Decimal(0))


def surely_within(most: Decimal, before: Decimal, volume: pl.Series) -> bool:
    """Whether no meter can leave the range by quantities whose volume is at most that."""
    return EXACT.add(EXACT.add(most, before), greatest(volume)) < LIMIT


def may_overflow(
    assigned: pl.DataFrame, *, volume: pl.Series, summed: pl.Series | None
) -> pl.Series:
    """Return the meters (rows) that might leave the range; all others surely do not.

    ``assigned`` has ``m`` and ``v``; ``volume`` (``QUANTITY``, by meter row) is the sum of the
    absolute values folded before, capped at the range; ``summed`` tells which meters are sums,
    ``None`` if all are. No total inside a bucket exceeds its volume.
    """
    none = pl.Series([], dtype=pl.Int64)
    if assigned.is_empty():
        return none
    if surely_within(volume_max(assigned), Decimal(0), volume):
        return none
    frame = assigned.select("m", _units(pl.col("v").cast(QUANTITY).abs()).alias("units"))
    bounds = frame.group_by("m").agg(pl.col("units").sum())
    known = volume.gather(bounds["m"]).alias("volume").to_frame().select(_units(pl.col("volume")))
    total = bounds["units"] + known["volume"]
    risky = bounds.filter(total >= _UNITS_MAX)["m"]
    return risky if summed is None else risky.filter(summed.gather(risky))


def _units(amount: pl.Expr) -> pl.Expr:
    """An amount rounded up to whole units."""
    return (amount.to_physical() // _UNIT_SCALED).cast(pl.Int64) + 1
