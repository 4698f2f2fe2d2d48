"""Exact numbers as columns: whole units, and how many of their digits stand behind the point.

Polars rounds products of decimals and lets whole numbers overflow in silence. Here every operation
knows a bound of its operands, and leaves out the records for which the result might not fit: they
are *unsure*, and rows decide about them. ``None`` instead of a result means all records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from math import isqrt

import polars as pl

from meterhouse.streams.expression_columns.unsure import Mask, either

#: Units are at most so far from zero: 38 digits.
LIMIT = 10**38 - 1
SCALE_MAX = 38
_INT64 = 2**63 - 1
#: A scale from which on it pays to look for zeros that all numbers end in.
_LONG_SCALE = 4
_SAMPLE = 1_000
_WIDE = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Digits:
    """Numbers: ``units`` (Int64 or Int128, null where absent) times 10 to the power -``scale``.

    No unit is further from zero than ``limit``.
    """

    units: pl.Series
    scale: int
    limit: int

    @classmethod
    def of_series(cls, values: pl.Series) -> Digits:
        """Take a number column: Int64 or Decimal.

        >>> made = Digits.of_series(pl.Series(["1.50"]).cast(pl.Decimal(38, 18)))
        >>> made.units.to_list(), made.scale
        ([1500000000000000000], 18)
        """
        scale = values.dtype.scale if isinstance(values.dtype, pl.Decimal) else 0
        units = values.to_physical()
        limit = _furthest(units)
        if limit > _INT64 and scale >= _LONG_SCALE:
            units, scale = _shortened(units, scale)
            limit = _furthest(units)
        return cls(_narrowed(units, limit), scale, limit)

    @classmethod
    def of_number(cls, number: Decimal) -> Digits | None:
        """Take one number; ``None`` where it has too many digits."""
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        if not number:
            return cls(pl.Series([0], dtype=pl.Int64), 0, 0)
        if len(digits) + max(exponent, 0) > SCALE_MAX or exponent < -SCALE_MAX:
            return None
        units = int(number.copy_abs().scaleb(-min(exponent, 0), context=_WIDE))
        units = -units if number < 0 else units
        return cls(_whole(units), max(-exponent, 0), abs(units))

    def over(self, bound: int) -> tuple[Digits, Mask]:
        """Return the numbers whose units are within a bound; others are 0 and unsure."""
        if self.limit <= bound:
            return self, None
        limit = _furthest(self.units)
        if limit <= bound:
            return Digits(self.units, self.scale, limit), None
        beyond = ((self.units > bound) | (self.units < -bound)).fill_null(value=False)
        frame = pl.select(
            pl.when(beyond).then(pl.lit(0, dtype=self.units.dtype)).otherwise(self.units)
        )
        return Digits(frame.to_series(), self.scale, bound), beyond

    def times(self, factor: int) -> Digits:
        """Return the same numbers in units that are so much smaller; it must fit."""
        if factor == 1:
            return self
        limit = self.limit * factor
        assert limit <= LIMIT
        return Digits(_product(self.units, _whole(factor), limit), self.scale, limit)

    def gather(self, positions: pl.Series) -> Digits:
        """Return the numbers at positions."""
        return Digits(self.units.gather(positions), self.scale, self.limit)


#: Known numbers and the records that are unsure; ``None``: all are.
Known = tuple[Digits, Mask] | None


def aligned(
    left: Digits, right: Digits, *, room: int = LIMIT
) -> tuple[Digits, Digits, Mask] | None:
    """Bring two columns to one scale, with units of at most ``room``."""
    scale = max(left.scale, right.scale)
    factors = [10 ** (scale - side.scale) for side in (left, right)]
    if max(factors) > room:
        return None
    sides = []
    unsure: Mask = None
    for side, factor in zip((left, right), factors, strict=True):
        fitting, beyond = side.over(room // factor)
        scaled = fitting.times(factor)
        sides.append(Digits(scaled.units, scale, scaled.limit))
        unsure = either(unsure, beyond)
    return sides[0], sides[1], unsure


def plus(left: Digits, right: Digits) -> Known:
    """Add."""
    return _joined(left, right, lambda a, b: a + b)


def minus(left: Digits, right: Digits) -> Known:
    """Subtract."""
    return _joined(left, right, lambda a, b: a - b)


def _joined(
    left: Digits, right: Digits, compute: Callable[[pl.Series, pl.Series], pl.Series]
) -> Known:
    both = aligned(left, right, room=LIMIT // 2)
    if both is None:
        return None
    a, b, unsure = both
    limit = a.limit + b.limit
    return Digits(compute(*typed(a.units, b.units, limit)), a.scale, limit), unsure


def product(left: Digits, right: Digits) -> Known:
    """Multiply."""
    scale = left.scale + right.scale
    if scale > SCALE_MAX:
        return None
    unsure: Mask = None
    if left.limit * right.limit > LIMIT:
        # Bounds that hold together: the smaller side keeps its own, as far as that goes.
        a_max, b_max = _furthest(left.units), _furthest(right.units)
        a_max = min(a_max, max(isqrt(LIMIT), LIMIT // max(b_max, 1)))
        left, beyond = left.over(a_max)
        right, beyond_too = right.over(LIMIT // max(a_max, 1))
        unsure = either(beyond, beyond_too)
    limit = left.limit * right.limit
    return Digits(_product(left.units, right.units, limit), scale, limit), unsure


def negated(numbers: Digits) -> Digits:
    """Return the numbers with the other sign."""
    zero = pl.Series([0], dtype=pl.Int64)
    a, b = typed(zero, numbers.units, numbers.limit)
    return Digits(a - b, numbers.scale, numbers.limit)


def without_sign(numbers: Digits) -> Digits:
    """Return the numbers without their sign."""
    units, _ = typed(numbers.units, numbers.units, numbers.limit)
    return Digits(units.abs(), numbers.scale, numbers.limit)


def typed(left: pl.Series, right: pl.Series, limit: int) -> tuple[pl.Series, pl.Series]:
    """Give both a type that holds units up to a limit."""
    if limit <= _INT64 and left.dtype == right.dtype == pl.Int64:
        return left, right
    return left.cast(pl.Int128), right.cast(pl.Int128)


def wide(units: pl.Series) -> pl.Series:
    """Return units in the wider type."""
    return units.cast(pl.Int128)


def one(units: int, like: pl.Series) -> pl.Series:
    """Return one unit of the type that others have."""
    return pl.Series([units], dtype=like.dtype)


def _product(left: pl.Series, right: pl.Series, limit: int) -> pl.Series:
    a, b = typed(left, right, limit)
    return a * b


def _whole(units: int) -> pl.Series:
    return pl.Series([units], dtype=pl.Int64 if abs(units) <= _INT64 else pl.Int128)


def _furthest(units: pl.Series) -> int:
    """Return how far from zero the units are at most."""
    low, high = units.min(), units.max()
    if low is None or high is None:
        return 0
    assert isinstance(low, int)
    assert isinstance(high, int)
    return max(-low, high)


def _narrowed(units: pl.Series, limit: int) -> pl.Series:
    return units.cast(pl.Int64) if limit <= _INT64 and units.dtype != pl.Int64 else units


def _shortened(units: pl.Series, scale: int) -> tuple[pl.Series, int]:
    """Leave out the zeros that all numbers end in: found in some, then looked for in all."""
    zeros = scale
    some = units.head(_SAMPLE)
    while zeros:
        zeros = _common_zeros(some, zeros)
        rest = units % one(10**zeros, units)
        some = units.filter(rest != 0).head(_SAMPLE)
        if not len(some):
            break
    return (units // one(10**zeros, units) if zeros else units), scale - zeros


def _common_zeros(units: pl.Series, most: int) -> int:
    while most and any(unit % 10**most for unit in units.drop_nulls()):
        most -= 1
    return most
