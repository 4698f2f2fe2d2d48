"""Exact arithmetic of expressions, and how it rounds where it must.

Sums, differences and products are exact. A quotient is rounded half-even at 18 digits after the
point. Numbers have up to 80 digits; what would need more is an error, never an approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Decimal,
    DecimalException,
)
from functools import reduce

from meterhouse.core.expression.fault import Unfit
from meterhouse.core.quantity import EXACT, FRACTION_DIGITS_MAX, ZERO

#: The most digits of a number.
DIGITS_MAX = EXACT.prec
#: Numbers of places that round, floor and ceil take.
PLACES_MAX = 60
#: Exponents that power takes.
EXPONENT_MAX = 300
_ONE = Decimal(1)


def _exact(
    compute: Callable[[Decimal, Decimal], Decimal], left: Decimal, right: Decimal
) -> Decimal:
    try:
        number = compute(left, right) or ZERO
    except DecimalException:
        raise _overflow() from None
    if number.adjusted() >= DIGITS_MAX:
        raise _overflow()
    return number


def _overflow() -> Unfit:
    hint = "round the operands, or compute with smaller numbers"
    return Unfit(f"The result would need more than {DIGITS_MAX} digits", hint)


def add(left: Decimal, right: Decimal) -> Decimal:
    """Add exactly."""
    return _exact(EXACT.add, left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """Subtract exactly."""
    return _exact(EXACT.subtract, left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """Multiply exactly."""
    return _exact(EXACT.multiply, left, right)


def divide(left: Decimal, right: Decimal) -> Decimal:
    """Divide, rounded half-even at 18 digits after the point.

    >>> divide(Decimal(2), Decimal(3)), divide(Decimal(1), Decimal(8))
    (Decimal('0.666666666666666667'), Decimal('0.125'))
    """
    _refuse_zero(right)
    # So far apart, the quotient is out of reach or rounds to nothing, whatever the digits.
    distance = left.adjusted() - right.adjusted()
    if left and distance > DIGITS_MAX:
        raise _overflow()
    if not left or distance < -FRACTION_DIGITS_MAX - 2:
        return ZERO
    top, below = _scaled(left), _scaled(right)
    shift = top[1] - below[1] + FRACTION_DIGITS_MAX
    numerator = top[0] * 10 ** max(shift, 0)
    denominator = below[0] * 10 ** max(-shift, 0)
    whole, rest = divmod(abs(numerator), abs(denominator))
    twice = 2 * rest - abs(denominator)
    whole += twice > 0 or (twice == 0 and whole % 2 == 1)
    negative = (numerator < 0) != (denominator < 0)
    return _plain(-whole if negative else whole, -FRACTION_DIGITS_MAX)


def remainder(left: Decimal, right: Decimal) -> Decimal:
    """Return what is left of a division to a whole number; it has the sign of the first.

    >>> remainder(Decimal("-7.5"), Decimal(2))
    Decimal('-1.5')
    """
    _refuse_zero(right)
    return _exact(EXACT.remainder, left, right)


def quotient(left: Decimal, right: Decimal) -> Decimal:
    """Return how often a number goes into another as a whole, towards zero.

    >>> quotient(Decimal("-7.5"), Decimal(2))
    Decimal('-3')
    """
    _refuse_zero(right)
    return _exact(EXACT.divide_int, left, right)


def power(base: Decimal, exponent: int) -> Decimal:
    """Multiply a number by itself; a negative exponent divides 1 by that.

    >>> power(Decimal("1.1"), 2), power(Decimal(2), -1)
    (Decimal('1.21'), Decimal('0.5'))
    """
    if abs(exponent) > EXPONENT_MAX:
        hint = f"use -{EXPONENT_MAX} to {EXPONENT_MAX}"
        raise Unfit(f"{exponent} is too large an exponent", hint)
    product = _ONE
    for _ in range(abs(exponent)):
        product = multiply(product, base)
    return divide(_ONE, product) if exponent < 0 else product


def average(*numbers: Decimal) -> Decimal:
    """Return the mean of some numbers, rounded as a quotient.

    >>> average(Decimal(1), Decimal(2))
    Decimal('1.5')
    """
    return divide(reduce(add, numbers), Decimal(len(numbers)))


def sign(number: Decimal) -> int:
    """Return -1, 0 or 1."""
    return (number > ZERO) - (number < ZERO)


def rounded(number: Decimal, places: int = 0) -> Decimal:
    """Round to so many digits after the point, halves away from zero.

    >>> rounded(Decimal("2.5")), rounded(Decimal("-0.125"), 2), rounded(Decimal(1250), -2)
    (Decimal('3'), Decimal('-0.13'), Decimal('1300'))
    """
    return _to_places(number, places, ROUND_HALF_UP)


def floor(number: Decimal, places: int = 0) -> Decimal:
    """Round down, towards the smaller number."""
    return _to_places(number, places, ROUND_FLOOR)


def ceil(number: Decimal, places: int = 0) -> Decimal:
    """Round up, towards the greater number."""
    return _to_places(number, places, ROUND_CEILING)


def truncated(number: Decimal, places: int = 0) -> Decimal:
    """Cut digits off, towards zero."""
    return _to_places(number, places, ROUND_DOWN)


def _to_places(number: Decimal, places: int, rounding: str) -> Decimal:
    if abs(places) > PLACES_MAX:
        raise Unfit(f"{places} is no number of places", f"use -{PLACES_MAX} to {PLACES_MAX}")
    _, _, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if exponent >= -places:
        return number
    context = EXACT.copy()
    # Rounding is the purpose here; all else that is inexact stays an error.
    context.traps = dict.fromkeys(context.traps, False)
    quantized = number.quantize(Decimal(1).scaleb(-places), rounding=rounding, context=context)
    return _plain_number(quantized)


def _refuse_zero(number: Decimal) -> None:
    if not number:
        raise Unfit("This divides by zero", "use if(b == 0, …, a / b)")


def _scaled(number: Decimal) -> tuple[int, int]:
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    return (-1 if sign else 1) * int("".join(map(str, digits))), exponent


def _plain(digits: int, exponent: int) -> Decimal:
    # Made from text, a number is exact, however many digits it has.
    return _exact(lambda number, _: _plain_number(number), Decimal(f"{digits}E{exponent}"), ZERO)


def _plain_number(number: Decimal) -> Decimal:
    """Return a number without needless zeros behind its point."""
    if not number:
        return ZERO
    short = EXACT.normalize(number)
    _, _, exponent = short.as_tuple()
    assert isinstance(exponent, int)
    return short if exponent <= 0 else EXACT.quantize(short, Decimal(1))
