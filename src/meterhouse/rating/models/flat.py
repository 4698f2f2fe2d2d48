"""An amount for each period, whatever is used; of one of which no day is charged, nothing."""

from __future__ import annotations

from decimal import Decimal

from meterhouse.core.price_book import Flat
from meterhouse.core.quantity import EXACT
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.ratio import Ratio, ratio


def flat(model: Flat, measure: Measure) -> tuple[Part, ...]:
    """Charge the amount; a share of it where it is prorated, nothing where nothing was used.

    Nor is anything due for a period of which no day is charged.
    """
    if model.only_if_used and not measure.used:
        return ()
    charged, whole = measure.share
    if charged == whole or (charged and not model.prorate):
        return (Part("flat", Ratio(model.amount), flat=model.amount),)
    share = ratio(EXACT.multiply(model.amount, Decimal(charged)), Decimal(whole))
    return (Part(f"flat, {charged} of {whole} days", share, flat=model.amount),)
