"""What a price model takes and gives: a quantity to be charged, and the parts of its cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.price_book import ONE
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.ratio import NOTHING, Ratio, ratio


@dataclass(frozen=True, slots=True)
class Slice:
    """One cell's quantity, or one event's: ``cell`` has a text for each dimension of the line."""

    cell: tuple[str, ...]
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Measure:
    """The quantity of a line, as its model sees it: converted, without what costs nothing.

    Quantities here are whole multiples of ``1 / divisor`` units, so that a conversion without an
    end (seconds as hours) loses nothing: bounds of tiers are multiplied instead. ``per`` is the
    number of units that prices are for. ``slices`` add up to ``quantity``; only models that price
    events or cells have them. ``used``: something was metered, though all of it may be free.
    """

    quantity: Decimal
    divisor: Decimal = ONE
    per: Decimal = ONE
    slices: tuple[Slice, ...] = ()
    dimensions: tuple[str, ...] = ()
    share: tuple[int, int] = (1, 1)
    used: bool = True

    def bound(self, units: Decimal) -> Decimal:
        """Units of a price book in the measure of ``quantity``."""
        return EXACT.multiply(units, self.divisor)

    def units(self, quantity: Decimal) -> Ratio:
        """A quantity of this measure in units of the price book."""
        return ratio(quantity, self.divisor)

    def cost(self, quantity: Decimal, price: Decimal) -> Ratio:
        """What a quantity costs at a price for ``per`` units."""
        return ratio(EXACT.multiply(quantity, price), EXACT.multiply(self.divisor, self.per))

    def portion(self, quantity: Decimal, factor: Decimal) -> Ratio:
        """A factor times a quantity that is money itself: ``per`` has no part in it."""
        return ratio(EXACT.multiply(quantity, factor), self.divisor)


@dataclass(frozen=True, slots=True)
class Part:
    """A step of the calculation, exact: see ``ChargePart``.

    ``step`` says which one of its model it is, whatever was used: the cell of a matrix, or, in a
    period whose prices change, the place of a tier.
    """

    label: str
    amount: Ratio
    quantity: Ratio = NOTHING
    unit_price: Decimal | None = None
    flat: Decimal = ZERO
    step: tuple[object, ...] = ()
