"""The tier that holds the whole quantity says what all units cost."""

from __future__ import annotations

from meterhouse.core.price_book import Volume
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.models.graduated import priced_tier
from meterhouse.rating.models.tiers import holding_tier


def volume(model: Volume, measure: Measure) -> tuple[Part, ...]:
    """Charge all units at one price. At 0 the first tier's flat amount is due."""
    return (priced_tier(holding_tier(model.tiers, measure), measure),)
