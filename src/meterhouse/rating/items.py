"""Metered records become usage items: the record as one, or the entries of one breakdown.

Which breakdown: of the prices that can win some of the record, the group fields that they ask for;
the breakdown with the fewest fields that has them all. What it does not cover is an item of its
own, so that quantities are conserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce

from meterhouse.core.charge import MeteredUsage, UsageItem
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import Price
from meterhouse.core.price_book_lint import is_fee
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.asked import ABSENT, RECORD_FIELDS, asked_fields, certain_fields
from meterhouse.rating.fault import RatingError
from meterhouse.rating.matching import Rank, rank

_NO_BREAKDOWN = "no_breakdown"
_NO_PRICE = "no_price"


@dataclass(frozen=True, slots=True)
class Cut:
    """How records of one kind are cut.

    ``breakdown``: by which, if any, for the fields ``asked``. ``failed``: none has them all.
    ``unpriced`` is why an item has no price, should it have none.
    """

    breakdown: tuple[str, ...] | None = None
    failed: bool = False
    unpriced: str = _NO_PRICE
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CutUsage:
    """The items of a record, and why one without a price has none.

    ``failed``: the record cannot be cut as its prices ask; the only item is all of it. Otherwise
    ``asked`` are the group fields that say where its parts go.
    """

    items: Sequence[UsageItem]
    unpriced: str
    failed: bool = False
    asked: frozenset[str] = frozenset()


class Cutter:
    """Cuts records for the prices of a book. Records of one kind are judged once.

    ``ranked`` is what decides between prices.
    """

    def __init__(
        self,
        prices: Sequence[Price],
        *,
        customer: str,
        ranked: Callable[[Price], Rank] = rank,
    ) -> None:
        self._ranked = ranked
        self._prices = [price for price in prices if not is_fee(price)]
        self._customer = canonical_text(customer)
        names = {name for price in self._prices for name in certain_fields(price)}
        self._names = tuple(sorted(names))
        self._cuts: dict[tuple[object, ...], Cut] = {}

    def cut(self, usage: MeteredUsage) -> CutUsage:
        """Return the items of a record. Their quantities add up to its value."""
        fields = self.fields(usage)
        groupings = tuple(usage.breakdowns)
        kind = (*map(fields.get, self._names), groupings)
        cut = self._cuts.get(kind)
        if cut is None:
            cut = self._cuts[kind] = _judged(
                self._prices, fields, groupings=groupings, ranked=self._ranked
            )
        if cut.breakdown is None:
            return CutUsage((_whole(usage, fields),), cut.unpriced, cut.failed)
        items = list(_entries(usage, fields, breakdown=cut.breakdown))
        if any(item.quantity < ZERO and not item.part for item in items):
            # The entries are more than the whole, as those of a maximum are: they are no parts.
            return CutUsage((_whole(usage, fields),), _NO_BREAKDOWN, failed=True)
        return CutUsage(items, cut.unpriced, asked=cut.asked)

    def fields(self, usage: MeteredUsage) -> Mapping[str, str]:
        """Return what all of a record has, as prices see it."""
        own = (usage.meter_type, usage.category, usage.user)
        texts = (*map(canonical_text, own), self._customer)
        return {**usage.custom_fields, **dict(zip(RECORD_FIELDS, texts, strict=True))}


def _judged(
    prices: Sequence[Price],
    fields: Mapping[str, str],
    *,
    groupings: Sequence[tuple[str, ...]],
    ranked: Callable[[Price], Rank],
) -> Cut:
    grouped = {name for grouping in groupings for name in grouping} - set(RECORD_FIELDS)
    possible: list[Price] = []
    lacking = False
    for price in prices:
        known = [name for name in certain_fields(price) if name not in grouped]
        failing = [n for n in known if fields.get(n, ABSENT) not in price.match.fields[n]]
        if failing:
            # Only a field that the usage lacks is in the way: say so, should nothing else fit.
            lacking |= not any(name in fields for name in failing)
            continue
        possible.append(price)
    winning = _winning(possible, grouped, ranked=ranked)
    wanted = {name for price in winning for name in asked_fields(price)}
    wanted &= grouped
    unpriced = _NO_BREAKDOWN if lacking else _NO_PRICE
    if not wanted:
        return Cut(unpriced=unpriced)
    having = [grouping for grouping in groupings if wanted <= set(grouping)]
    if not having:
        return Cut(failed=True, unpriced=_NO_BREAKDOWN)
    least = min(having, key=lambda grouping: (len(grouping), grouping))
    return Cut(least, unpriced=unpriced, asked=frozenset(wanted))


def _winning(
    prices: Sequence[Price], grouped: AbstractSet[str], *, ranked: Callable[[Price], Rank]
) -> Iterator[Price]:
    """Yield the prices that can win some of the usage.

    Prices that hold whatever its groups are win over all that are less specific.
    """
    certain = [ranked(one) for one in prices if grouped.isdisjoint(certain_fields(one))]
    least = max(certain, default=None)
    return (one for one in prices if least is None or ranked(one) >= least)


def _whole(usage: MeteredUsage, fields: Mapping[str, str]) -> UsageItem:
    _check_events(usage, usage.value, usage.events)
    item = UsageItem(usage.record_id, fields, usage.value, usage.period, usage.events)
    return replace(item, unit=usage.unit)


def _entries(
    usage: MeteredUsage, fields: Mapping[str, str], *, breakdown: tuple[str, ...]
) -> Iterator[UsageItem]:
    entries = usage.breakdowns[breakdown]
    for entry in entries:
        # Fields of the record go before those of groups that are called the same.
        own = {name: fields[name] for name in RECORD_FIELDS}
        named = {**fields, **entry.fields, **own}
        _check_events(usage, entry.value, entry.events)
        item = UsageItem(usage.record_id, named, entry.value, usage.period, entry.events)
        yield replace(item, part=entry.fields, unit=usage.unit)
    rest = EXACT.subtract(usage.value, _sum([entry.value for entry in entries]))
    if rest:
        yield UsageItem(usage.record_id, fields, rest, usage.period, unit=usage.unit)


def _check_events(usage: MeteredUsage, value: Decimal, events: tuple[Decimal, ...] | None) -> None:
    if events is not None and _sum(events) != value:
        raise RatingError(
            f"record {usage.record_id}: the value is {number_text(value)}, its events add "
            f"up to {number_text(_sum(events))}",
            hint="Give all events of the record, or none",
        )


def _sum(values: Sequence[Decimal]) -> Decimal:
    return reduce(EXACT.add, values, ZERO)
