"""Each unit costs what its own tier says; each tier that is entered adds its flat amount."""

from __future__ import annotations

from meterhouse.core.price_book import Graduated
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.models.tiers import Entered, entered_tiers
from meterhouse.rating.ratio import Ratio


def graduated(model: Graduated, measure: Measure) -> tuple[Part, ...]:
    """Charge each slice at its tier's price. At 0 the first tier's flat amount is due."""
    return tuple(priced_tier(entered, measure) for entered in entered_tiers(model.tiers, measure))


def priced_tier(entered: Entered, measure: Measure) -> Part:
    """Price what lies in a tier, and add the tier's flat amount."""
    tier, inside = entered.tier, entered.quantity
    amount = measure.cost(inside, tier.price).plus(Ratio(tier.flat))
    return Part(entered.label, amount, measure.units(inside), tier.price, tier.flat)
