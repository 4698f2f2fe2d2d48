"""What rating refuses: usage and prices of which no right amount can be made."""

from __future__ import annotations

from meterhouse.core.problem import MeterhouseError


class RatingError(MeterhouseError):
    """A line cannot be rated. The message names the line and the figures."""

    code = "rating_failed"


class LineRefused(RatingError):
    """One line has no right amount. ``reason`` is that of its usage, which is unpriced then."""

    def __init__(self, message: str, *, hint: str, reason: str) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


#: The reason where usage takes back more than there was.
BELOW_ZERO = "below_zero"
