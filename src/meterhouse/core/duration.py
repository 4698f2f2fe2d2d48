"""Durations as ISO 8601 writes them: days, hours, minutes and seconds, no months and no years."""

from __future__ import annotations

import re

from meterhouse.core.instant import DAY, MINUTE, SECOND, Instant

_HOUR = 60 * MINUTE
_UNITS = (("D", DAY), ("H", _HOUR), ("M", MINUTE), ("S", SECOND))
_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?",
    re.ASCII,
)


def read_duration(text: str) -> Instant | None:
    """Read a duration as microseconds; ``None`` where it is none.

    >>> read_duration("P1DT2H") == DAY + 2 * 60 * MINUTE, read_duration("P1M")
    (True, None)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    parts = zip(match.groups(), _UNITS, strict=True)
    return sum(int(number or 0) * unit for number, (_, unit) in parts)


def duration_text(duration: Instant) -> str:
    """Write a duration of whole seconds in its shortest form.

    >>> duration_text(0), duration_text(DAY + 90 * MINUTE)
    ('PT0S', 'P1DT1H30M')
    """
    counts: dict[str, int] = {}
    for letter, unit in _UNITS:
        counts[letter], duration = divmod(duration, unit)
    days = f"{counts['D']}D" if counts["D"] else ""
    time = "".join(f"{counts[letter]}{letter}" for letter in "HMS" if counts[letter])
    if not days and not time:
        return "PT0S"
    return f"P{days}T{time}" if time else f"P{days}"
