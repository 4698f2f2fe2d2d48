"""Usage by day of meters that keep no single records: from breakdowns by the field ``day``.

Days tell apart what the lines of the invoice may: the fields that its prices ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from meterhouse.core.charge import MeteredUsage
from meterhouse.core.invoice import Window
from meterhouse.core.json_text import canonical_text, parse_json
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import asked_fields

#: The field that says of which day usage is, as ``2026-10-03``.
DAY = "day"
#: Other forms of a date, such as 20261003, are texts like any other.
_DATE_CHARS = 10
_METER_TYPE = frozenset(("meter_type",))
_TOKENS = ("token", "tokens")
_Place = tuple[date, tuple[tuple[str, str], ...]]


def day_windows(usage: Iterable[MeteredUsage], books: Sequence[PriceBook]) -> tuple[Window, ...]:
    """Return the usage of each day by the breakdown that knows days, as far as prices ask for it.

    Of several, the one with most fields. A breakdown by day alone tells no part of usage from
    another, and is left out, as is one whose days cannot be read. Where prices ask for the name
    of something (``app_name``), its id (``app``) tells it apart. Tokens are so many that days of
    anything else could not be seen beside them: they are left out where there are such.
    """
    asked = _METER_TYPE.union(*(asked_fields(price) for book in books for price in book.prices))
    told = [one for one in usage if not one.meter and day_breakdown(one) is not None]
    others = [one for one in told if one.unit not in _TOKENS]
    sums: dict[_Place, Decimal] = {}
    for record in others or told:
        for place, value in _by_day(record, asked):
            sums[place] = EXACT.add(sums.get(place, ZERO), value)
    return tuple(Window(day, dict(fields), sums[day, fields]) for day, fields in sorted(sums))


def with_units(windows: Sequence[Window], usage: Iterable[MeteredUsage]) -> tuple[Window, ...]:
    """Have usage by day say its unit, where there are several: by the type of its meter."""
    units = {canonical_text(one.meter_type): one.unit for one in usage}
    found = [units.get(window.fields.get("meter_type", ""), "") for window in windows]
    if len(set(found)) < 2:
        return tuple(windows)
    return tuple(replace(window, unit=unit) for window, unit in zip(windows, found, strict=True))


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


def _by_day(record: MeteredUsage, asked: frozenset[str]) -> Iterator[tuple[_Place, Decimal]]:
    section = day_breakdown(record)
    if section is None:
        return
    told = {name for name in section if name in asked or f"{name}_name" in asked}
    names = sorted((told - {DAY}) | _METER_TYPE)
    meter_type = {"meter_type": canonical_text(record.meter_type)}
    days: dict[str | None, date | None] = {}
    for entry in record.breakdowns[section]:
        text = entry.fields.get(DAY)
        if text not in days:
            days[text] = day_of(text)
        day = days[text]
        if day is not None:
            fields = {**entry.fields, **meter_type}
            yield (day, tuple((name, fields[name]) for name in names)), entry.value
