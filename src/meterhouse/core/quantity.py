"""Exact quantities: what a meter adds up.

This module decides which numbers are quantities (20 integer and 18 fraction digits, never
rounded), how they are read from a record and how they are written. It knows nothing of meters.
"""

from __future__ import annotations

import re
from decimal import Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from meterhouse.core.suspense import Reason

FRACTION_DIGITS_MAX = 18
INTEGER_DIGITS_MAX = 20
#: Quantities lie strictly between ``-LIMIT`` and ``LIMIT``.
LIMIT = Decimal(10) ** INTEGER_DIGITS_MAX
#: The greatest quantity.
GREATEST = Decimal("9" * INTEGER_DIGITS_MAX + "." + "9" * FRACTION_DIGITS_MAX)
ZERO = Decimal(0)

#: Arithmetic that fails rather than rounds. 80 digits hold the sum of any two quantities and
#: the product of a capacity with a percentage.
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Clamped])

#: What counts as a number when it is written as text: the JSON grammar, and also a leading
#: plus sign, leading zeros and a bare point on either side, as exports of spreadsheets have them.
NUMBER_PATTERN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?$"
_NUMBER = re.compile(NUMBER_PATTERN[:-1] + r"\Z")

#: Beyond this magnitude a number is written with an exponent, lest 1e999999999 become a gigabyte.
_PLAIN_DIGITS_MAX = 100
_PLAIN_INT_MAX = 10**_PLAIN_DIGITS_MAX


def number_from_text(text: str) -> Decimal | None:
    """Read a number written as text, exactly, or ``None`` where the text is no number.

    >>> number_from_text("0.10")
    Decimal('0.10')
    >>> number_from_text("NaN") is None
    True
    """
    if _NUMBER.match(text) is None:
        return None
    return Decimal(text)


def quantity(value: object) -> Decimal | Reason:
    """Return the quantity that a record's field holds, or the reason why it holds none.

    Numbers (``int``, ``Decimal``) and numbers written as text are taken as written.

    >>> quantity("12.50")
    Decimal('12.50')
    >>> quantity(True).value
    'value_not_numeric'
    """
    number = _number(value)
    if number is None or not number.is_finite():
        return Reason.VALUE_NOT_NUMERIC
    if fraction_digits(number) > FRACTION_DIGITS_MAX:
        return Reason.VALUE_TOO_PRECISE
    if not in_range(number):
        return Reason.VALUE_OUT_OF_RANGE
    # A zero may carry any exponent: 0e999999999 is read, and would break the arithmetic.
    return number or ZERO


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str):
        return number_from_text(value)
    return None


def fraction_digits(number: Decimal) -> int:
    """How many digits after the point a finite number really needs (trailing zeros need none)."""
    if not number:
        return 0
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    trailing_zeros = len(digits) - len(bytes(digits).rstrip(b"\0"))
    return max(-exponent - trailing_zeros, 0)


def in_range(number: Decimal) -> bool:
    """Whether a finite number fits the 20 integer digits of a quantity."""
    return number.adjusted() < INTEGER_DIGITS_MAX or not number


def add(left: Decimal, right: Decimal) -> Decimal:
    """Add two quantities exactly."""
    return EXACT.add(left, right)


def number_text(number: Decimal | int) -> str:
    """Write a number plainly: no exponent, no trailing zeros, no negative zero.

    >>> number_text(Decimal("1.50")), number_text(Decimal("-0")), number_text(Decimal("1E+2"))
    ('1.5', '0', '100')
    """
    if isinstance(number, int):
        if -_PLAIN_INT_MAX < number < _PLAIN_INT_MAX:
            return str(number)
        number = Decimal(number)
    if not number:
        return "0"
    if abs(number.adjusted()) >= _PLAIN_DIGITS_MAX:
        return _exponent_text(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent_text(number: Decimal) -> str:
    sign, digits, _ = number.as_tuple()
    mantissa = "".join(map(str, digits)).rstrip("0")
    point = "." if len(mantissa) > 1 else ""
    return f"{'-' if sign else ''}{mantissa[0]}{point}{mantissa[1:]}E{number.adjusted():+d}"
