"""Each part of an amount of money costs the share that its own tier says."""

from __future__ import annotations

from meterhouse.core.price_book import GraduatedPercentage
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.models.percentage import HUNDREDTH
from meterhouse.rating.models.tiers import Entered, entered_tiers
from meterhouse.rating.ratio import Ratio


def graduated_percentage(model: GraduatedPercentage, measure: Measure) -> tuple[Part, ...]:
    """Charge each slice at its tier's percentage; each tier entered adds its flat amount."""
    return tuple(_priced(entered, measure) for entered in entered_tiers(model.tiers, measure))


def _priced(entered: Entered, measure: Measure) -> Part:
    tier = entered.tier
    percent = tier.percent or ZERO
    share = measure.portion(entered.quantity, EXACT.multiply(percent, HUNDREDTH))
    label = f"{entered.label} at {number_text(percent)} %"
    amount = share.plus(Ratio(tier.flat))
    return Part(label, amount, measure.units(entered.quantity), flat=tier.flat)
