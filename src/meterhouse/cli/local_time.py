"""Instants as people write them, in the time zone of what they belong to."""

from __future__ import annotations

from meterhouse.core.instant import Instant
from meterhouse.core.timezone import local_time, zone


def local_text(instant: Instant, timezone: str) -> str:
    """Write an instant in a time zone, shortly.

    >>> local_text(1_767_222_000_000_000, "Europe/Berlin"), local_text(0, "Europe/Berlin")
    ('2026-01-01', '1970-01-01 01:00')
    """
    local = local_time(instant, zone(timezone))
    text = f"{local:%Y-%m-%d %H:%M:%S}"
    return text.removesuffix(":00").removesuffix(" 00:00")
