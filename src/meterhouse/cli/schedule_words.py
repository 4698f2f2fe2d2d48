"""Reset schedules in a word, for tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meterhouse.core.schedule import ResetSchedule


def interval(schedule: ResetSchedule) -> str:
    """Name a schedule, or write it as a cron line where it has no name.

    >>> from meterhouse.core.schedule import ResetSchedule
    >>> interval(ResetSchedule()), interval(ResetSchedule(hour="*/6", day="*"))
    ('monthly', '0 */6 * * *')
    """
    fields = schedule.to_api()
    restricted = [name for name, text in fields.items() if text != "*"]
    name = _NAMES.get(tuple(restricted))
    plain = all(fields[field].isdigit() or fields[field] in ("*", "L") for field in fields)
    return name if name is not None and plain else " ".join(fields.values())


#: The fields that a schedule restricts, each to one value -> its name.
_NAMES: Mapping[tuple[str, ...], str] = {
    ("minute",): "hourly",
    ("minute", "hour"): "daily",
    ("minute", "hour", "weekday"): "weekly",
    ("minute", "hour", "day"): "monthly",
    ("minute", "hour", "day", "month"): "yearly",
}
