"""The single events of metered usage, for prices that ask for each of them.

Event-time meters keep them. Where those that are kept do not add up to the record, because it was
changed since or is a maximum, nobody knows its events, and a price that needs them is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce

from meterhouse.app.billing.windows import RECORDS_MAX, kept_usage
from meterhouse.app.ports import Ledger
from meterhouse.app.usage_ports import KeptUsage
from meterhouse.core.charge import GroupedValue, MeteredUsage
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import needs_events


def with_events(
    ledger: Ledger, usage: Sequence[MeteredUsage], *, books: Iterable[PriceBook]
) -> tuple[MeteredUsage, ...]:
    """Return usage with its single events, if any price of the books needs them.

    Of a period whose prices change, these are all its versions: one that takes over counts the
    events before it, too.
    """
    if not any(needs_events(price) for book in books for price in book.prices):
        return tuple(usage)
    return tuple(_with_events(ledger, one) for one in usage)


def _with_events(ledger: Ledger, usage: MeteredUsage) -> MeteredUsage:
    kept = kept_usage(ledger, usage, limit=RECORDS_MAX)
    if kept is None or len(kept) > RECORDS_MAX:
        return usage
    return replace(
        usage,
        events=_adding_up(usage.value, (one.record.quantity for one in kept)),
        breakdowns={
            names: _entries(names, entries, kept) for names, entries in usage.breakdowns.items()
        },
    )


def _entries(
    names: Sequence[str], entries: Sequence[GroupedValue], kept: Sequence[KeptUsage]
) -> tuple[GroupedValue, ...]:
    events: dict[tuple[str, ...], list[Decimal]] = {}
    for one in kept:
        texts = tuple(canonical_text(one.record.fields.get(name)) for name in names)
        events.setdefault(texts, []).append(one.record.quantity)
    return tuple(
        replace(entry, events=_adding_up(entry.value, events.get(_place(names, entry.fields), ())))
        for entry in entries
    )


def _place(names: Sequence[str], fields: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(fields[name] for name in names)


def _adding_up(value: Decimal, events: Iterable[Decimal]) -> tuple[Decimal, ...] | None:
    found = tuple(events)
    return found if reduce(EXACT.add, found, ZERO) == value else None
