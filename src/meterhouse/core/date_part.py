"""Parts of a date as texts: ``2026-01`` is the month of an instant, in UTC.

The text of a part is the beginning of the ISO 8601 text of the instant, so that texts sort as time
does. Weeks are those of ISO 8601.
"""

from __future__ import annotations

from enum import Enum

from meterhouse.core.instant import Instant, instant_text, to_datetime

_LENGTHS = {"YEAR": 4, "MONTH": 7, "DAY": 10, "HOUR": 13, "MINUTE": 16, "SECOND": 19}


class DatePart(Enum):
    """How much of a date is looked at."""

    YEAR = "YEAR"
    QUARTER = "QUARTER"
    MONTH = "MONTH"
    WEEK = "WEEK"
    DAY = "DAY"
    HOUR = "HOUR"
    MINUTE = "MINUTE"
    SECOND = "SECOND"

    def text(self, instant: Instant) -> str:
        """Write the part of an instant.

        >>> DatePart.MONTH.text(0), DatePart.WEEK.text(0), DatePart.QUARTER.text(0)
        ('1970-01', '1970-W01', '1970-Q1')
        """
        moment = to_datetime(instant)
        if self is DatePart.WEEK:
            year, week, _ = moment.isocalendar()
            return f"{year:04}-W{week:02}"
        if self is DatePart.QUARTER:
            return f"{moment.year:04}-Q{(moment.month + 2) // 3}"
        return instant_text(instant)[: _LENGTHS[self.value]]
