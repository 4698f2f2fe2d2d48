"""An amount for each period, whatever is used."""

from __future__ import annotations

from decimal import Decimal

from meterhouse.core.price_book import Flat
from meterhouse.core.quantity import EXACT
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.ratio import Ratio, ratio


def flat(model: Flat, measure: Measure) -> tuple[Part, ...]:
    """Charge the amount; a share of it where it is prorated, nothing where nothing was used."""
    if model.only_if_used and not measure.used:
        return ()
    charged, whole = measure.share
    if not model.prorate or charged == whole:
        return (Part("flat", Ratio(model.amount), flat=model.amount),)
    share = ratio(EXACT.multiply(model.amount, Decimal(charged)), Decimal(whole))
    return (Part(f"flat, {charged} of {whole} days", share, flat=model.amount),)
