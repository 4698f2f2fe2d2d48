"""Lines that cannot be rated: their usage is told of, and the rest of the invoice is made.

A line whose usage takes back more than there was is either unpriced, or, of usage that is late,
*floored*: it costs what no usage costs, and that it is so is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import localcontext
from typing import TypeVar

from meterhouse.core.charge import Unpriced, UsageItem
from meterhouse.core.price_book import Price
from meterhouse.core.quantity import ZERO
from meterhouse.rating.asked import asked_fields
from meterhouse.rating.fault import BELOW_ZERO, LineRefused
from meterhouse.rating.lines import Line

_Fields = tuple[tuple[str, str], ...]
_Made = TypeVar("_Made")


@dataclass(slots=True)
class Refusals:
    """Lines that were refused, as what is unpriced; and those that were floored.

    ``floor``: whether lines below 0 are floored.
    """

    floor: bool = False
    unpriced: list[Unpriced] = field(default_factory=list)
    floored: list[Unpriced] = field(default_factory=list)

    def made(self, line: Line, make: Callable[[Line], _Made]) -> _Made | None:
        """Return what is made of a line; ``None`` where nothing right can be, and keep why."""
        try:
            return make(line)
        except LineRefused as error:
            if not self.floor or error.reason != BELOW_ZERO:
                self.unpriced += _told(line, error.reason)
                return None
            self.floored += _told(line, error.reason)
        return self.made(replace(line, floored=True), make)


def _told(line: Line, reason: str) -> Iterator[Unpriced]:
    """Yield the usage of a line, by the fields that its price asks for."""
    found: dict[_Fields, list[UsageItem]] = {}
    for item in line.items:
        found.setdefault(_named(line.price, item), []).append(item)
    if not found:
        found[tuple(line.fields.items())] = []
    for fields, items in sorted(found.items()):
        records = tuple(sorted({item.record_id for item in items}))
        # The sum may have more digits than are computed: that can be why it is refused.
        with localcontext(prec=200):
            quantity = sum((item.quantity for item in items), ZERO)
        yield Unpriced(dict(fields), quantity, reason, skus=(line.price.sku,), records=records)


def _named(price: Price, item: UsageItem) -> _Fields:
    names = sorted({"meter_type", *asked_fields(price)})
    return tuple((name, item.fields[name]) for name in names if name in item.fields)
