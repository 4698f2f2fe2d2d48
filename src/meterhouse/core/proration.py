"""Shares of amounts: what so many days of a period cost, and what a change within it gives back.

Shares are exact fractions; an amount is rounded once, when it is made.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from meterhouse.core.money import Rounding, rounded_ratio
from meterhouse.core.quantity import EXACT


def prorated(
    amount: Decimal,
    share: tuple[int, int] | Fraction,
    *,
    digits: int,
    mode: Rounding = Rounding.HALF_UP,
) -> Decimal:
    """Return the share of an amount that so many of so many days have.

    >>> prorated(Decimal(1000), (17, 30), digits=2)
    Decimal('566.67')
    """
    part, whole = share.as_integer_ratio() if isinstance(share, Fraction) else share
    return rounded_ratio(EXACT.multiply(amount, Decimal(part)), Decimal(whole), digits, mode)
