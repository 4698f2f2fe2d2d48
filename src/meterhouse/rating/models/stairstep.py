"""The tier that holds the whole quantity says the amount."""

from __future__ import annotations

from meterhouse.core.price_book import Stairstep
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.models.tiers import holding_tier
from meterhouse.rating.ratio import Ratio


def stairstep(model: Stairstep, measure: Measure) -> tuple[Part, ...]:
    """Charge the tier's flat amount, however much of the tier is used."""
    held = holding_tier(model.tiers, measure)
    amount = held.tier.flat
    return (Part(held.label, Ratio(amount), measure.units(held.quantity), flat=amount),)
