"""Metered records and a price book become charges: see README.md."""

from meterhouse.rating.fault import RatingError
from meterhouse.rating.rate import rate

__all__ = ["RatingError", "rate"]
