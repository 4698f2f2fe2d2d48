"""Exact quotients: amounts and quantities that need not end after the point.

A price for 3 units, seconds as hours and 17 of 30 days have no end as decimals. They are kept as
two decimals, and divided once, where they are rounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, Inexact
from functools import reduce

from meterhouse.core.money import Rounding, rounded, rounded_ratio
from meterhouse.core.price_book import ONE
from meterhouse.core.quantity import EXACT, ZERO

#: Digits after the point of a quotient without an end, where it is shown.
SHOWN_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Ratio:
    """``numerator / denominator``. The denominator is positive, and 1 where the quotient ends."""

    numerator: Decimal
    denominator: Decimal = ONE

    def plus(self, other: Ratio) -> Ratio:
        """Add exactly."""
        if self.denominator == other.denominator:
            total = EXACT.add(self.numerator, other.numerator)
            return Ratio(total) if self.denominator == ONE else ratio(total, self.denominator)
        left = EXACT.multiply(self.numerator, other.denominator)
        right = EXACT.multiply(other.numerator, self.denominator)
        return ratio(EXACT.add(left, right), EXACT.multiply(self.denominator, other.denominator))

    def less(self, other: Ratio) -> Ratio:
        """Subtract exactly."""
        return self.plus(Ratio(other.numerator.copy_negate(), other.denominator))

    def times(self, part: int, whole: int) -> Ratio:
        """Return so many of so many equal parts of it."""
        numerator = EXACT.multiply(self.numerator, Decimal(part))
        return ratio(numerator, EXACT.multiply(self.denominator, Decimal(whole)))

    def rounded(self, digits: int, mode: Rounding) -> Decimal:
        """Round once; no digit is lost before."""
        if self.denominator == ONE:
            return rounded(self.numerator, digits, mode)
        return rounded_ratio(self.numerator, self.denominator, digits, mode)

    def shown(self) -> Decimal:
        """The number itself, or the first thirty digits of one without an end."""
        if self.denominator == ONE:
            return self.numerator
        return rounded_ratio(self.numerator, self.denominator, SHOWN_DIGITS, Rounding.HALF_EVEN)


def ratio(numerator: Decimal, denominator: Decimal) -> Ratio:
    """Return the quotient, as one number where it ends.

    >>> ratio(Decimal(1), Decimal(8)), ratio(Decimal(2), Decimal(3)).rounded(2, Rounding.HALF_UP)
    (Ratio(numerator=Decimal('0.125'), denominator=Decimal('1')), Decimal('0.67'))
    """
    if denominator == ONE:
        return Ratio(numerator)
    try:
        return Ratio(EXACT.divide(numerator, denominator))
    except Inexact:
        return Ratio(numerator, denominator)


NOTHING = Ratio(ZERO)


def total_of(ratios: Iterable[Ratio]) -> Ratio:
    """Add up exactly."""
    return reduce(Ratio.plus, ratios, NOTHING)
