"""Numbers as people write them: another decimal point, and marks between groups of digits."""

from __future__ import annotations

from decimal import Decimal

from meterhouse.core.expression.arithmetic import PLACES_MAX, rounded
from meterhouse.core.expression.fault import Unfit
from meterhouse.core.expression.value import number
from meterhouse.core.quantity import number_from_text


def parsed(text: str, point: str, group: str = "") -> Decimal:
    """Read a number with marks of its own.

    >>> parsed("1.234,5", ",", ".")
    Decimal('1234.5')
    """
    _check_marks(point, group)
    plain = text.strip()
    if point != ".":
        # A plain point means nothing here, unless it is the mark of groups.
        plain = plain.replace(".", "" if group == "." else "?")
    if group:
        plain = plain.replace(group, "")
    plain = plain.replace(point, ".")
    if number_from_text(plain) is None:
        raise Unfit(f"{text[:60]!r} is no number with the decimal point {point!r}")
    return number(plain)


def written(value: Decimal, places: int, point: str = ".", group: str = "") -> str:
    """Write a number with so many digits after its point.

    >>> written(Decimal("1234.5"), 2), written(Decimal("1234.5"), 2, ",", ".")
    ('1234.50', '1.234,50')
    """
    _check_marks(point, group)
    if not 0 <= places <= PLACES_MAX:
        raise Unfit(f"{places} is no number of places", f"use 0 to {PLACES_MAX}")
    plain = format(rounded(value, places), f",.{places}f")
    whole, _, fraction = plain.partition(".")
    return whole.replace(",", group) + (point + fraction if places else "")


def _check_marks(point: str, group: str) -> None:
    if len(point) != 1 or len(group) > 1 or point == group:
        hint = 'such as "," and "."'
        raise Unfit("The decimal point and the mark of groups are two characters", hint)
