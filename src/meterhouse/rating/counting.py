"""Usage that is told and not charged, and how much of the charged is as a limit says.

Counts go before prices: what one takes is no longer there for them. A record of which a count
takes a part is cut by the breakdown that the count asks for; of the others, those stay that know
the same fields. Quantities are conserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from meterhouse.core.charge import Counted, GroupedValue, MeteredUsage, Unpriced
from meterhouse.core.price_book import Included, Limit, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import ABSENT, RECORD_FIELDS
from meterhouse.rating.items import Cutter, CutUsage
from meterhouse.rating.matching import Matcher

_Key = tuple[int, tuple[str, ...]]
_UnpricedKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Usage without what is only counted, and that.

    ``unpriced`` is usage of which nobody knows how much a count takes.
    """

    usage: Sequence[MeteredUsage]
    counted: tuple[Counted, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()


@dataclass(frozen=True, slots=True)
class Portion:
    """How much of some usage is as a limit says; ``entries`` by the fields that it tells apart.

    ``unknown`` is usage of which nobody knows whether it is so.
    """

    part: Decimal
    whole: Decimal
    entries: tuple[tuple[Mapping[str, str], Decimal], ...] = ()
    unknown: Decimal = ZERO


class Counts:
    """The counts of a book, in their order: the first one whose usage something is takes it."""

    def __init__(self, book: PriceBook, *, customer: str) -> None:
        self._prices = [
            Price(f"count {place}", Included(), count.match, priority=-place, line_by=count.by)
            for place, count in enumerate(book.counts)
        ]
        self._cutter = Cutter(self._prices, customer=customer, ranked=_by_order)
        self._matcher = Matcher(self._prices, ranked=_by_order)

    def place(self, fields: Mapping[str, str]) -> int | None:
        """Return the place of the count that takes usage with these fields; ``None``: none does."""
        matched = self._matcher.match(fields)
        return None if matched.unpriced else matched.place

    def cut(self, usage: MeteredUsage) -> CutUsage:
        """Return the items of a record, as counts ask for them."""
        return self._cutter.cut(usage)

    def key(self, fields: Mapping[str, str]) -> _Key | None:
        """Return the count that takes usage, and the values by which it tells it apart."""
        place = self.place(fields)
        if place is None:
            return None
        return place, tuple(fields.get(name, ABSENT) for name in self._prices[place].line_by)

    def named(self, key: _Key) -> Mapping[str, str]:
        """Return the fields by which a count tells usage apart."""
        return dict(zip(self._prices[key[0]].line_by, key[1], strict=True))

    def left(
        self, record: MeteredUsage, asked: frozenset[str], taken: Decimal
    ) -> MeteredUsage | None:
        """Return what is left of a record of which so much is taken: ``None`` where nothing is."""
        value = EXACT.subtract(record.value, taken)
        own = self._cutter.fields(record)
        breakdowns = {
            section: tuple(self._entries(entries, own))
            for section, entries in record.breakdowns.items()
            if asked <= set(section)
        }
        if not value and not any(one.value for some in breakdowns.values() for one in some):
            return None
        events = next((e for e in map(_events, breakdowns.values()) if _adds_up(e, value)), None)
        return replace(record, value=value, breakdowns=breakdowns, events=events)

    def _entries(
        self, entries: Sequence[GroupedValue], own: Mapping[str, str]
    ) -> Iterator[GroupedValue]:
        certain = {name: own[name] for name in RECORD_FIELDS}
        for entry in entries:
            if self.place({**own, **entry.fields, **certain}) is None:
                yield entry


def _by_order(price: Price) -> tuple[int, int]:
    return 0, price.priority


def counted_apart(book: PriceBook, usage: Sequence[MeteredUsage], *, customer: str) -> Apart:
    """Take what the book counts from usage. The order of the usage changes nothing."""
    if not book.counts:
        return Apart(usage)
    counts = Counts(book, customer=customer)
    left: list[MeteredUsage] = []
    sums: dict[_Key, Decimal] = {}
    unknown: dict[_UnpricedKey, list[MeteredUsage]] = {}
    for record in usage:
        cut = counts.cut(record)
        if cut.failed and record.value:
            unknown.setdefault(_told_by(cut), []).append(record)
            continue
        keys = [None if cut.failed else counts.key(item.fields) for item in cut.items]
        taken = ZERO
        for key, item in zip(keys, cut.items, strict=True):
            if key is not None:
                sums[key] = EXACT.add(sums.get(key, ZERO), item.quantity)
                taken = EXACT.add(taken, item.quantity)
        rest = counts.left(record, cut.asked, taken) if any(keys) else record
        left += [] if rest is None else [rest]
    counted = (Counted(key[0], sums[key], counts.named(key)) for key in sorted(sums))
    unpriced = (_unpriced(key, unknown[key]) for key in sorted(unknown))
    return Apart(left, tuple(counted), tuple(unpriced))


def _told_by(cut: CutUsage) -> _UnpricedKey:
    [item] = cut.items
    return (("meter_type", item.fields["meter_type"]),)


def _unpriced(key: _UnpricedKey, records: Sequence[MeteredUsage]) -> Unpriced:
    ids = tuple(sorted({record.record_id for record in records}))
    return Unpriced(dict(key), _sum(one.value for one in records), "no_breakdown", records=ids)


def _events(entries: Sequence[GroupedValue]) -> tuple[Decimal, ...] | None:
    """Return the single events of entries; ``None`` where those of any are not known."""
    events: list[Decimal] = []
    for entry in entries:
        if entry.events is None:
            return None
        events += entry.events
    return tuple(events)


def _adds_up(events: tuple[Decimal, ...] | None, value: Decimal) -> bool:
    return events is not None and _sum(events) == value


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total


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
    unknown = ZERO
    for record in usage:
        cut = cutter.cut(record)
        if cut.failed:
            unknown = EXACT.add(unknown, record.value.copy_abs())
            whole = EXACT.add(whole, record.value)
            continue
        for item in cut.items:
            if within.match(item.fields).unpriced:
                continue
            whole = EXACT.add(whole, item.quantity)
            if not part.match(item.fields).unpriced and unless.match(item.fields).unpriced:
                key = tuple(item.fields.get(name, ABSENT) for name in limit.by)
                entries[key] = EXACT.add(entries.get(key, ZERO), item.quantity)
    told = tuple(
        (dict(zip(limit.by, key, strict=True)), quantity)
        for key, quantity in sorted(entries.items())
        if quantity
    )
    return Portion(_sum(entries.values()), whole, told, unknown)
