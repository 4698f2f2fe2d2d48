"""What it cost us, times a factor."""

from __future__ import annotations

from meterhouse.core.price_book import CostPlus
from meterhouse.core.quantity import number_text
from meterhouse.rating.measure import Measure, Part


def cost_plus(model: CostPlus, measure: Measure) -> tuple[Part, ...]:
    """Charge the cost, which is the quantity, times the factor. ``per`` has no part in it."""
    amount = measure.portion(measure.quantity, model.multiplier)
    label = f"cost times {number_text(model.multiplier)}"
    return (Part(label, amount, measure.units(measure.quantity)),)
