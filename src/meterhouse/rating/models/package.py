"""Started packages cost a price each, however full the last one is."""

from __future__ import annotations

from decimal import Decimal

from meterhouse.core.price_book import Package
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.labels import grouped_text
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.ratio import Ratio


def package(model: Package, measure: Measure) -> tuple[Part, ...]:
    """Charge packages. ``per`` has no part in it: the price is for ``size`` units."""
    charged = EXACT.subtract(measure.quantity, measure.bound(model.free))
    count = _packages(max(charged, ZERO), measure.bound(model.size), down=model.round_down)
    noun = "package" if count == 1 else "packages"
    label = f"{grouped_text(count)} {noun} of {grouped_text(model.size)}"
    amount = Ratio(EXACT.multiply(count, model.price))
    return (Part(label, amount, measure.units(measure.quantity), model.price),)


def _packages(quantity: Decimal, size: Decimal, *, down: bool) -> Decimal:
    whole, rest = EXACT.divmod(quantity, size)
    return whole if down or not rest else EXACT.add(whole, Decimal(1))
