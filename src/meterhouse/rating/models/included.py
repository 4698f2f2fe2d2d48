"""Counted and shown, and costs nothing: another line has it in its price."""

from __future__ import annotations

from meterhouse.core.price_book import Included
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.ratio import NOTHING


def included(_model: Included, measure: Measure) -> tuple[Part, ...]:
    """Charge nothing."""
    return (Part("included", NOTHING, measure.units(measure.quantity)),)
