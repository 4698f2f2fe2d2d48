"""Usage by day of meters that keep no single records: from breakdowns by the field ``day``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from meterhouse.core.charge import MeteredUsage
from meterhouse.core.invoice import Window
from meterhouse.core.json_text import canonical_text, parse_json
from meterhouse.core.quantity import EXACT, ZERO

#: The field that says of which day usage is, as ``2026-10-03``.
DAY = "day"
#: Other forms of a date, such as 20261003, are texts like any other.
_DATE_CHARS = 10
_Place = tuple[date, tuple[tuple[str, str], ...]]


def day_windows(usage: Iterable[MeteredUsage]) -> tuple[Window, ...]:
    """Return the usage of each day by the other fields of the breakdown that knows days.

    Of several, the one with most fields. A breakdown by day alone tells no part of usage from
    another, and is left out, as is one whose days cannot be read.
    """
    sums: dict[_Place, Decimal] = {}
    for record in usage:
        if not record.meter:
            for place, value in _by_day(record):
                sums[place] = EXACT.add(sums.get(place, ZERO), value)
    return tuple(Window(day, dict(fields), sums[day, fields]) for day, fields in sorted(sums))


def day_breakdown(record: MeteredUsage) -> tuple[str, ...] | None:
    """Return the fields of the breakdown that says most of each day, if any."""
    known = [section for section in record.breakdowns if DAY in section and len(section) > 1]
    return max(known, key=lambda section: (len(section), section), default=None)


def day_of(text: str | None) -> date | None:
    """Return the day that a field says, as canonical JSON; ``None`` where it says none."""
    value = None if text is None else parse_json(text)
    if not isinstance(value, str) or len(value) != _DATE_CHARS:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _by_day(record: MeteredUsage) -> Iterator[tuple[_Place, Decimal]]:
    section = day_breakdown(record)
    for entry in () if section is None else record.breakdowns[section]:
        day = day_of(entry.fields.get(DAY))
        if day is not None:
            fields = {name: text for name, text in entry.fields.items() if name != DAY}
            fields |= {"meter_type": canonical_text(record.meter_type)}
            yield (day, tuple(sorted(fields.items()))), entry.value
