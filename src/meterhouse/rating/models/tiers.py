"""Tiers as ranges: above one bound, up to and including the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.price_book import Tier
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.fault import LineRefused
from meterhouse.rating.labels import range_text
from meterhouse.rating.measure import Measure


@dataclass(frozen=True, slots=True)
class Entered:
    """A tier that a quantity reaches, and how much of the quantity lies in it."""

    tier: Tier
    label: str
    quantity: Decimal


def entered_tiers(tiers: Sequence[Tier], measure: Measure) -> Iterator[Entered]:
    """Yield each tier that the quantity enters. The first is entered at 0 already."""
    _check_end(tiers, measure)
    below = above = ZERO
    for number, tier in enumerate(tiers):
        if number and measure.quantity <= below:
            return
        bound = measure.quantity if tier.up_to is None else measure.bound(tier.up_to)
        inside = EXACT.subtract(min(measure.quantity, bound), below)
        yield Entered(tier, range_text(above, tier.up_to), inside)
        below, above = bound, tier.up_to or ZERO


def holding_tier(tiers: Sequence[Tier], measure: Measure) -> Entered:
    """Return the one tier that holds the whole quantity."""
    _check_end(tiers, measure)
    above = ZERO
    for tier in tiers[:-1]:
        assert tier.up_to is not None
        if measure.quantity <= measure.bound(tier.up_to):
            return Entered(tier, range_text(above, tier.up_to), measure.quantity)
        above = tier.up_to
    return Entered(tiers[-1], range_text(above, tiers[-1].up_to), measure.quantity)


def _check_end(tiers: Sequence[Tier], measure: Measure) -> None:
    end = tiers[-1].up_to
    if end is not None and measure.quantity > measure.bound(end):
        shown = number_text(measure.units(measure.quantity).shown())
        raise LineRefused(
            f"the quantity {shown} is above the last tier, which ends at {number_text(end)}",
            hint="Give the last tier no up_to",
            reason="above_tiers",
        )
