"""What rating refuses: usage and prices of which no right amount can be made."""

from __future__ import annotations

from meterhouse.core.problem import MeterhouseError


class RatingError(MeterhouseError):
    """A line cannot be rated. The message names the line and the figures."""

    code = "rating_failed"
