"""Each unit costs the same."""

from __future__ import annotations

from meterhouse.core.price_book import PerUnit
from meterhouse.rating.measure import Measure, Part


def per_unit(model: PerUnit, measure: Measure) -> tuple[Part, ...]:
    """Charge quantity times price."""
    amount = measure.cost(measure.quantity, model.price)
    return (Part("all", amount, measure.units(measure.quantity), model.price),)
