"""Division, remainders and rounding of exact number columns, as ``core.expression.arithmetic``."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import polars as pl

from meterhouse.core.quantity import EXACT, FRACTION_DIGITS_MAX
from meterhouse.streams.expression_columns.digits import (
    LIMIT,
    SCALE_MAX,
    Digits,
    Known,
    aligned,
    one,
    product,
    typed,
    wide,
)
from meterhouse.streams.expression_columns.unsure import Mask, either

#: Divisors below have an inverse that ``EXACT`` can hold, if they have one at all.
_INVERSE_LIMIT = 10**18


class Rounding(Enum):
    """Where digits are cut off, to which side."""

    HALF_AWAY = "round"
    FLOOR = "floor"
    CEILING = "ceil"
    DOWN = "trunc"


def divided(top: Digits, below: Digits) -> Known:
    """Divide, rounded half-even at 18 digits after the point; zero divisors are unsure."""
    inverse = _inverse(below)
    if inverse is not None and top.scale + inverse.scale <= FRACTION_DIGITS_MAX:
        return product(top, inverse)
    shift = FRACTION_DIGITS_MAX - top.scale + below.scale
    raise_top, raise_below = 10 ** max(shift, 0), 10 ** max(-shift, 0)
    if max(raise_top, raise_below) > LIMIT:
        return None
    top, beyond = top.over(LIMIT // raise_top)
    below, beyond_too = below.over(LIMIT // raise_below)
    numerator = wide(top.times(raise_top).units)
    units = wide(below.times(raise_below).units)
    zero = units == 0
    # A divisor above zero: the sign goes to the other side, and zeros are divided by 1.
    numerator = _where(units < 0, one(0, numerator) - numerator, numerator)
    divisor = _where(zero, one(1, units), units.abs())
    whole = numerator // divisor
    rest = numerator - whole * divisor
    other = divisor - rest
    odd = whole % one(2, whole) != 0
    up = (rest > other) | ((rest == other) & odd)
    limit = top.limit * raise_top
    quotient = Digits(whole + up.cast(pl.Int128), FRACTION_DIGITS_MAX, limit)
    return quotient, either(beyond, beyond_too, zero if zero.any() else None)


def _inverse(below: Digits) -> Digits | None:
    """Return 1 divided by a divisor that is the same for all, where that has few digits."""
    if len(below.units) != 1 or below.units[0] in (None, 0):
        return None
    units = abs(below.units[0])
    while units % 2 == 0:
        units //= 2
    while units % 5 == 0:
        units //= 5
    if units != 1:
        return None
    number = Decimal(below.units[0]).scaleb(-below.scale)
    if below.limit >= _INVERSE_LIMIT:
        return None
    return Digits.of_number(EXACT.normalize(EXACT.divide(Decimal(1), number)))


def remainder(top: Digits, below: Digits) -> Known:
    """Return what is left of a division to a whole number, with the sign of the first."""
    both = _divisible(top, below)
    if both is None:
        return None
    a, b, unsure = both
    rest = a.units % b.units
    negative = (a.units < 0) & (rest != 0)
    rest = _where(negative, rest - b.units, rest)
    return Digits(rest, a.scale, a.limit), unsure


def quotient(top: Digits, below: Digits) -> Known:
    """Return how often a number goes into another as a whole, towards zero."""
    negative = (top.units < 0) != (below.units < 0)
    both = _divisible(top, below)
    if both is None:
        return None
    a, b, unsure = both
    whole = a.units.abs() // b.units
    return Digits(_where(negative, one(0, whole) - whole, whole), 0, a.limit), unsure


def _divisible(top: Digits, below: Digits) -> tuple[Digits, Digits, Mask] | None:
    """Bring both to one scale, the second above zero; zero divisors are unsure."""
    both = aligned(top, below)
    if both is None:
        return None
    a, b, unsure = both
    left, right = typed(a.units, b.units, max(a.limit, b.limit))
    zero = right == 0
    right = _where(zero, one(1, right), right.abs())
    unsure = either(unsure, zero if zero.any() else None)
    return Digits(left, a.scale, a.limit), Digits(right, b.scale, b.limit), unsure


def rounded(numbers: Digits, places: int, how: Rounding) -> Digits | None:
    """Cut digits off; ``None`` where columns cannot do that."""
    cut = numbers.scale - places
    if cut <= 0:
        return numbers
    if cut >= SCALE_MAX:
        return None
    step = 10**cut
    limit = numbers.limit // step + 1
    raised = 10 ** max(-places, 0)
    if limit * raised > LIMIT:
        return None
    units, _ = typed(numbers.units, numbers.units, max(numbers.limit, step))
    whole = units // one(step, units)
    if how is not Rounding.FLOOR:
        whole = whole + _upwards(units, whole, step, how).cast(units.dtype)
    return Digits(Digits(whole, 0, limit).times(raised).units, max(places, 0), limit * raised)


def _upwards(units: pl.Series, whole: pl.Series, step: int, how: Rounding) -> pl.Series:
    """Tell where the next whole number above is meant; ``whole`` is the one below."""
    rest = units - whole * one(step, units)
    match how:
        case Rounding.CEILING:
            return rest > 0
        case Rounding.DOWN:
            return (rest > 0) & (units < 0)
        case _:
            half = step // 2  # steps are powers of ten
            return (rest > half) | ((rest == half) & (units > 0))


def _where(mask: pl.Series, then: pl.Series, otherwise: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(then).otherwise(otherwise)).to_series()
