"""Usage items become lines: those of one price with the same ``line_by`` values.

Conservation: the quantities of all lines and of what is unpriced add up to the metered usage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meterhouse.core.charge import MeteredUsage, Unpriced, UsageItem
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import ABSENT, asked_fields, due_unused, needs_events
from meterhouse.rating.items import Cutter
from meterhouse.rating.matching import Matched, Matcher

_LineKey = tuple[int, tuple[str, ...]]
_UnpricedKey = tuple[tuple[tuple[str, str], ...], str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Line:
    """A price and the usage that it is for. Without usage: what is due all the same.

    ``floored``: of usage that takes back more than there was, as much as there was counts.
    """

    price: Price
    fields: Mapping[str, str]
    items: Sequence[UsageItem] = ()
    floored: bool = False

    @property
    def used(self) -> bool:
        """Whether anything was used: not where all that there is of it is meters at 0."""
        return any(item.quantity or any(item.events or ()) for item in self.items)


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines in the order of the book, then of their fields; and what no line has."""

    lines: Sequence[Line]
    unpriced: tuple[Unpriced, ...]


@dataclass(slots=True)
class _Gathered:
    lines: dict[_LineKey, list[UsageItem]] = field(default_factory=dict)
    unpriced: dict[_UnpricedKey, list[UsageItem]] = field(default_factory=dict)
    records: list[Mapping[str, str]] = field(default_factory=list)


def lines_of(
    book: PriceBook,
    usage: Sequence[MeteredUsage],
    *,
    customer: str,
    unused: Collection[str] | None = None,
) -> Lines:
    """Give each item of the usage to its line.

    ``unused``: the prices that may have a line without usage; all of them where it is not said.
    """
    gathered = _gathered(book, usage, customer=customer)
    unpriced = (_unpriced(key, gathered.unpriced[key]) for key in sorted(gathered.unpriced))
    lines = _in_order(book, gathered, customer=customer, unused=unused)
    return Lines(list(lines), tuple(unpriced))


def _gathered(book: PriceBook, usage: Sequence[MeteredUsage], *, customer: str) -> _Gathered:
    cutter, matcher = Cutter(book.prices, customer=customer), Matcher(book.prices)
    shown = sorted({"meter_type"}.union(*map(asked_fields, book.prices)))
    gathered = _Gathered()
    for record in usage:
        cut = cutter.cut(record)
        gathered.records.append(cutter.fields(record))
        for item in cut.items:
            matched = Matched(unpriced=cut.unpriced) if cut.failed else matcher.match(item.fields)
            if not matched.unpriced and item.quantity and item.events is None:
                matched = _with_events(matched, book.prices)
            if not matched.unpriced:
                line_by = book.prices[matched.place].line_by
                if _is_nothing(item, line_by):
                    continue
                values = tuple([item.fields.get(name, ABSENT) for name in line_by])
                gathered.lines.setdefault((matched.place, values), []).append(item)
            elif item.quantity:
                # Nothing used needs no price: a meter that nobody touched blocks no invoice.
                reason = cut.unpriced if matched.unpriced == "no_price" else matched.unpriced
                named = tuple((name, item.fields[name]) for name in shown if name in item.fields)
                key = (named, reason, matched.skus)
                gathered.unpriced.setdefault(key, []).append(item)
    return gathered


def _is_nothing(item: UsageItem, line_by: Sequence[str]) -> bool:
    """Whether this is a meter that nobody used, of which no line would know what it is for."""
    return not item.quantity and not item.part and any(name not in item.fields for name in line_by)


def _with_events(matched: Matched, prices: Sequence[Price]) -> Matched:
    """Return the match of usage whose single events nobody knows: none where it needs them."""
    price = prices[matched.place]
    return Matched(unpriced="no_events", skus=(price.sku,)) if needs_events(price) else matched


def _in_order(
    book: PriceBook, gathered: _Gathered, *, customer: str, unused: Collection[str] | None
) -> Iterator[Line]:
    values_of: dict[int, list[tuple[str, ...]]] = {}
    for place, values in gathered.lines:
        values_of.setdefault(place, []).append(values)
    for place, price in enumerate(book.prices):
        may_be = (unused is None or price.sku in unused) and _is_for(price, customer)
        if place not in values_of and may_be and due_unused(price, gathered.records):
            yield Line(price, {})
        for values in sorted(values_of.get(place, ())):
            items = sorted(gathered.lines[place, values], key=_item_order)
            yield Line(price, dict(zip(price.line_by, values, strict=True)), items)


def _item_order(item: UsageItem) -> tuple[object, ...]:
    """Time, then identity: the order in which usage comes changes nothing."""
    return item.period.start, item.record_id, sorted(item.part.items())


def _is_for(price: Price, customer: str) -> bool:
    customers = price.match.fields.get("customer")
    return not customers or canonical_text(customer) in customers


def _unpriced(key: _UnpricedKey, items: Sequence[UsageItem]) -> Unpriced:
    named, reason, skus = key
    quantity = ZERO
    for item in items:
        quantity = EXACT.add(quantity, item.quantity)
    records = tuple(sorted({item.record_id for item in items}))
    return Unpriced(dict(named), quantity, reason, skus, records)
