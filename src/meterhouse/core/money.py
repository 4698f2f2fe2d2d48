"""Amounts of money: exact decimals, rounded at named places in named ways, and shared out whole.

An amount is a ``Decimal``; which currency it is in is said once, by the price book or the invoice.
Nothing here rounds unless it is asked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)
from enum import Enum

from meterhouse.core.quantity import EXACT, ZERO

#: Beyond any product of quantities and prices; what needs more digits fails.
_PRECISION = 120


class Rounding(Enum):
    """How a number becomes one of fewer digits. Halves go as the name says."""

    HALF_UP = "half_up"  # away from zero: 2.345 to 2.35, -2.345 to -2.35
    HALF_EVEN = "half_even"
    UP = "up"  # away from zero
    DOWN = "down"  # towards zero
    CEILING = "ceiling"
    FLOOR = "floor"


_MODES = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
    Rounding.CEILING: ROUND_CEILING,
    Rounding.FLOOR: ROUND_FLOOR,
}


def rounded(value: Decimal, digits: int, mode: Rounding = Rounding.HALF_UP) -> Decimal:
    """Return a number with so many digits after the point (fewer than 0: tens, hundreds).

    >>> rounded(Decimal("271.535"), 2), rounded(Decimal("-2.345"), 2), rounded(Decimal(155), -1)
    (Decimal('271.54'), Decimal('-2.35'), Decimal('160'))
    """
    context = Context(prec=_PRECISION, rounding=_MODES[mode])
    made = value.quantize(Decimal((0, (1,), -digits)), context=context)
    if digits < 0:
        made = made.quantize(Decimal(1), context=context)
    return made if made else made.copy_abs()


def rounded_ratio(
    numerator: Decimal, denominator: Decimal, digits: int, mode: Rounding = Rounding.HALF_UP
) -> Decimal:
    """Return a quotient, rounded once: no digit is lost before.

    >>> rounded_ratio(Decimal(17000), Decimal(30), 2)
    Decimal('566.67')
    """
    scale = max(_places(numerator), _places(denominator))
    top, bottom = (int(EXACT.scaleb(part, scale)) for part in (numerator, denominator))
    if bottom < 0:
        top, bottom = -top, -bottom
    # Two digits more than asked for, the last of which says whether anything is left below them.
    units, rest = divmod(abs(top) * 10 ** max(digits + 1, 0), bottom)
    shift = max(digits + 1, 0)
    digits_of = (*map(int, str(units)), 1 if rest else 0)
    exact_enough = Decimal((1 if top < 0 else 0, digits_of, -shift - 1))
    return rounded(exact_enough, digits, mode)


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)


def shared_out(total: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """Share an amount out by weights, by largest remainder: the parts add up to it exactly.

    Among equal remainders the first part gets more. Weights are at least 0 and not all 0;
    ``total`` has at most ``digits`` digits after the point. (Hamilton's method.)

    >>> shared_out(Decimal("10.00"), [Decimal(1), Decimal(1), Decimal(1)], 2)
    [Decimal('3.34'), Decimal('3.33'), Decimal('3.33')]
    """
    scale = max(map(_places, weights), default=0)
    parts = [int(EXACT.scaleb(weight, scale)) for weight in weights]
    units, whole = int(EXACT.scaleb(total.copy_abs(), digits)), sum(parts)
    assert whole > 0 and EXACT.scaleb(Decimal(units), -digits) == total.copy_abs()
    floors = [units * part // whole for part in parts]
    remainders = [units * part % whole for part in parts]
    order = sorted(range(len(parts)), key=lambda place: (-remainders[place], place))
    for place in order[: units - sum(floors)]:
        floors[place] += 1
    sign = -1 if total < ZERO else 1
    return [EXACT.scaleb(Decimal(sign * floor), -digits) if floor else ZERO for floor in floors]


def amount_text(amount: Decimal, digits: int) -> str:
    """Write an amount with all the digits of its currency, however many it has itself.

    >>> amount_text(Decimal("386.9"), 2), amount_text(Decimal("0.002100"), 2)
    ('386.90', '0.0021')
    """
    needed = max(_places(amount.normalize(EXACT)), digits)
    text = format(amount, f".{needed}f")
    return text[1:] if text.startswith("-") and not amount else text
