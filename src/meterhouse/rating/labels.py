"""How parts of a calculation are called: ranges of quantities, fields and their values."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from meterhouse.core.json_text import parse_json
from meterhouse.core.quantity import ZERO, number_text


def grouped_text(number: Decimal) -> str:
    """Write a number with its thousands apart.

    >>> grouped_text(Decimal("12500.50")), grouped_text(Decimal("1E+3"))
    ('12,500.5', '1,000')
    """
    whole, point, fraction = number_text(number).partition(".")
    return f"{int(whole):,}{point}{fraction}"


@lru_cache(maxsize=4096)
def range_text(above: Decimal, up_to: Decimal | None) -> str:
    """Write the range of a tier.

    >>> range_text(Decimal(1000), Decimal(10000)), range_text(Decimal(10000), None)
    ('1,000 to 10,000', 'over 10,000')
    >>> range_text(Decimal(0), None)
    'all'
    """
    if up_to is not None:
        return f"{grouped_text(above)} to {grouped_text(up_to)}"
    return f"over {grouped_text(above)}" if above != ZERO else "all"


def cell_text(cell: Sequence[str]) -> str:
    """Write a cell of a matrix, given as canonical JSON texts.

    >>> cell_text(['"gpt-4o"', '"input"']), cell_text(["null"])
    ('gpt-4o input', '(none)')
    """
    return " ".join(map(_value_text, cell))


def _value_text(text: str) -> str:
    if text == "null":
        return "(none)"
    value = parse_json(text)
    return value if isinstance(value, str) else text
