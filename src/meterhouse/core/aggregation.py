"""The four aggregations of a meter type: what a usage record does to a bucket's value."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from meterhouse.core.quantity import ZERO, add

_ONE = Decimal(1)


class Aggregation(Enum):
    """How a meter folds the values of its records."""

    SUM = "sum"
    INCREMENT = "increment"
    MIN = "min"
    MAX = "max"

    @classmethod
    def from_text(cls, text: str) -> Aggregation | None:
        """Read the API's ``aggregation.type``; ``count`` is another name of ``increment``."""
        if text == "count":
            return cls.INCREMENT
        return next((member for member in cls if member.value == text), None)

    @property
    def initial(self) -> Decimal | None:
        """The value of an untouched bucket: 0, or none yet for ``min`` and ``max``."""
        return ZERO if self in (Aggregation.SUM, Aggregation.INCREMENT) else None

    def fold(self, value: Decimal | None, quantity: Decimal) -> Decimal:
        """Return the bucket's value after one more record. ``increment`` ignores the quantity.

        >>> Aggregation.MAX.fold(None, Decimal(3))
        Decimal('3')
        """
        if self is Aggregation.INCREMENT:
            return add(value or ZERO, _ONE)
        if value is None:
            return quantity
        if self is Aggregation.SUM:
            return add(value, quantity)
        return min(value, quantity) if self is Aggregation.MIN else max(value, quantity)
