"""Usage that is told and not charged, and how much of the charged is as a limit says.

Counts go before prices: what one takes is no longer there for them. A record of which a count
takes a part is cut by the breakdown that the count asks for; of the others, those stay that know
the same fields. Quantities are conserved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from meterhouse.core.charge import Counted, GroupedValue, MeteredUsage
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import Included, Limit, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import ABSENT, RECORD_FIELDS, asked_fields
from meterhouse.rating.items import Cutter
from meterhouse.rating.matching import Matcher

_Key = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Apart:
    """Usage without what is only counted, and that."""

    usage: Sequence[MeteredUsage]
    counted: tuple[Counted, ...] = ()


@dataclass(frozen=True, slots=True)
class Portion:
    """How much of some usage is as a limit says; ``entries`` by the fields that it tells apart."""

    part: Decimal
    whole: Decimal
    entries: tuple[tuple[Mapping[str, str], Decimal], ...] = ()


def counted_apart(book: PriceBook, usage: Sequence[MeteredUsage], *, customer: str) -> Apart:
    """Take what the book counts from usage. The order of the usage changes nothing."""
    if not book.counts:
        return Apart(usage)
    # Who comes first in the book counts first.
    prices = [
        Price(f"count {place}", Included(), count.match, priority=-place, line_by=count.by)
        for place, count in enumerate(book.counts)
    ]
    cutter, matcher = Cutter(prices, customer=customer), Matcher(prices)
    left: list[MeteredUsage] = []
    sums: dict[_Key, Decimal] = {}
    for record in usage:
        cut = cutter.cut(record)
        taken = ZERO
        for item in cut.items if not cut.failed else ():
            matched = matcher.match(item.fields)
            if not matched.unpriced:
                values = tuple(item.fields.get(n, ABSENT) for n in prices[matched.place].line_by)
                key = matched.place, values
                sums[key] = EXACT.add(sums.get(key, ZERO), item.quantity)
                taken = EXACT.add(taken, item.quantity)
        rest = _rest(record, taken, matcher, asked=frozenset().union(*map(asked_fields, prices)))
        left += [] if rest is None else [rest]
    counted = (
        Counted(place, quantity, dict(zip(prices[place].line_by, values, strict=True)))
        for (place, values), quantity in sorted(sums.items())
    )
    return Apart(left, tuple(counted))


def _rest(
    record: MeteredUsage, taken: Decimal, matcher: Matcher, *, asked: frozenset[str]
) -> MeteredUsage | None:
    """Return what counts leave of a record: nothing where they take all of it."""
    if not taken:
        return record
    value = EXACT.subtract(record.value, taken)
    if not value:
        return None
    grouped = {name for section in record.breakdowns for name in section}
    needed = (asked & grouped) - set(RECORD_FIELDS)
    breakdowns = {
        section: tuple(_left(record, entries, matcher))
        for section, entries in record.breakdowns.items()
        if needed <= set(section)
    }
    return replace(record, value=value, breakdowns=breakdowns, events=None)


def _left(
    record: MeteredUsage, entries: Sequence[GroupedValue], matcher: Matcher
) -> Iterator[GroupedValue]:
    texts = (record.meter_type, record.category, record.user)
    own = dict(zip(RECORD_FIELDS, map(canonical_text, texts), strict=False))
    for entry in entries:
        if matcher.match({**record.custom_fields, **entry.fields, **own}).unpriced:
            yield entry


def portion(limit: Limit, usage: Sequence[MeteredUsage], *, customer: str) -> Portion:
    """Return how much of the usage that a limit is for is as it says."""
    named = (*limit.match.fields, *limit.unless.fields, *limit.by)
    domain = Price("of", Included(), limit.of, line_by=named)
    cutter, within = Cutter([domain], customer=customer), Matcher([domain])
    part = Matcher([Price("part", Included(), limit.match)])
    # Without fields it is nothing, rather than anything.
    others = [Price("others", Included(), limit.unless)] if limit.unless.specificity else []
    unless = Matcher(others)
    whole = ZERO
    entries: dict[tuple[str, ...], Decimal] = {}
    for record in usage:
        for item in cutter.cut(record).items:
            if within.match(item.fields).unpriced:
                continue
            whole = EXACT.add(whole, item.quantity)
            if not part.match(item.fields).unpriced and unless.match(item.fields).unpriced:
                key = tuple(item.fields.get(name, ABSENT) for name in limit.by)
                entries[key] = EXACT.add(entries.get(key, ZERO), item.quantity)
    total = ZERO
    for quantity in entries.values():
        total = EXACT.add(total, quantity)
    told = tuple(
        (dict(zip(limit.by, key, strict=True)), quantity)
        for key, quantity in sorted(entries.items())
        if quantity
    )
    return Portion(total, whole, told)
