"""Usage of a period whose prices change within it, cut at the changes.

When usage was is known by instant where an event-time meter keeps its single records, by day
where a breakdown has the group field ``day`` (an ISO date, in the zone of the price book), and of
any record whose own period is of one version. The parts of a record add up to it, as do those of
each group; a record of which nobody knows that is left whole, to the version that is in force when
the period begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from meterhouse.app.billing.cut_before import BilledCuts
from meterhouse.app.billing.day_cuts import cut_at_days, knows_days
from meterhouse.app.billing.periods import Days
from meterhouse.app.billing.versions import Versions
from meterhouse.app.billing.windows import RECORDS_MAX, kept_usage, total_of
from meterhouse.app.ports import Ledger
from meterhouse.app.usage_ports import KeptUsage
from meterhouse.core.charge import GroupedValue, MeteredUsage
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import Included, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import RECORD_FIELDS, asked_fields, needs_events

_Names = tuple[str, ...]
_Entries = tuple[GroupedValue, ...]
_Parts = list[MeteredUsage | None]


@dataclass(frozen=True, slots=True)
class CutUsage:
    """The usage of each version, and the records with usage that could not be cut."""

    by_version: tuple[tuple[MeteredUsage, ...], ...]
    whole: tuple[str, ...] = ()


def cut_usage(
    ledger: Ledger,
    usage: Sequence[MeteredUsage],
    versions: Versions,
    *,
    before: BilledCuts | None = None,
) -> CutUsage:
    """Give each version the usage of its days; what cannot be cut goes to the first.

    ``before`` is how records were cut when they were billed: so they stay where nobody knows more.
    """
    if len(versions.dated) == 1:
        return CutUsage((tuple(usage),))
    cutter = _Cutter(ledger, versions)
    made: list[list[MeteredUsage]] = [[] for _ in versions.dated]
    whole: list[str] = []
    for one in usage:
        parts = cutter.parts(one)
        if parts is None and before is not None:
            parts = before.parts(one)
        if parts is None:
            whole += [one.record_id] if one.value else []
            parts = [one]
        for place, part in enumerate(parts):
            if part is not None:
                made[place].append(part)
    return CutUsage(tuple(map(tuple, made)), tuple(whole))


class _Cutter:
    def __init__(self, ledger: Ledger, versions: Versions) -> None:
        self._ledger = ledger
        self._days = [one.first for one in versions.dated[1:]]
        self._instants: list[Instant] = [
            Days(one.first, one.first).in_zone(one.book.timezone).start
            for one in versions.dated[1:]
        ]
        prices = [price for book in versions.books for price in book.prices]
        self._asking = [*prices, *_told(versions.books)]
        self._asked: dict[_Names, frozenset[str]] = {}
        self._events = any(map(needs_events, prices))

    def parts(self, usage: MeteredUsage) -> _Parts | None:
        """Return the part of each version; ``None`` where nobody knows when something was used.

        What meters count as it comes may be of days before: the field that says them goes first.
        """
        whole = self._within_one(usage)
        if whole is not None and (usage.meter or not knows_days(usage)):
            return whole
        kept = kept_usage(self._ledger, usage, limit=RECORDS_MAX)
        if kept is not None and len(kept) <= RECORDS_MAX and total_of(kept) == usage.value:
            return self._by_instant(usage, kept)
        return cut_at_days(usage, self._days, asked=self._asked_of(usage)) or whole

    def _within_one(self, usage: MeteredUsage) -> _Parts | None:
        """Return a record whose own period is of one version; ``None`` where it is of several."""
        first, last = (
            bisect_right(self._instants, at) for at in (usage.period.start, usage.period.end - 1)
        )
        if first != last:
            return None
        return [usage if place == first else None for place in range(len(self._instants) + 1)]

    def _asked_of(self, usage: MeteredUsage) -> frozenset[str]:
        """Return the fields by which versions may tell a record's usage apart."""
        own = tuple(map(canonical_text, (usage.meter_type, usage.category, usage.user)))
        if own not in self._asked:
            fields = dict(zip(RECORD_FIELDS, own, strict=False))
            self._asked[own] = frozenset[str]().union(
                *(asked_fields(price) for price in self._asking if _may_ask(price, fields))
            )
        return self._asked[own]

    def _by_instant(self, usage: MeteredUsage, kept: Sequence[KeptUsage]) -> _Parts | None:
        some: list[list[KeptUsage]] = [[] for _ in (None, *self._instants)]
        for one in kept:
            some[bisect_right(self._instants, one.timestamp)].append(one)
        if sum(map(bool, some)) < 2:
            return [
                usage if ones or not (kept or place) else None for place, ones in enumerate(some)
            ]
        cuts = {names: [_grouped(names, ones) for ones in some] for names in usage.breakdowns}
        if any(
            not _whole(names, cuts[names], entries) for names, entries in usage.breakdowns.items()
        ):
            return None
        return [self._part(usage, ones, place, cuts) for place, ones in enumerate(some)]

    def _part(
        self,
        usage: MeteredUsage,
        kept: Sequence[KeptUsage],
        place: int,
        cuts: Mapping[_Names, Sequence[Mapping[_Names, list[Decimal]]]],
    ) -> MeteredUsage | None:
        if not kept:
            return None
        breakdowns = {
            names: tuple(
                GroupedValue(
                    dict(zip(names, texts, strict=True)),
                    _sum(values),
                    tuple(values) if self._events else None,
                )
                for texts, values in groups[place].items()
            )
            for names, groups in cuts.items()
        }
        # A part has no meter: single usage that is read once more would be that of all parts.
        return replace(
            usage,
            value=total_of(kept),
            breakdowns=breakdowns,
            events=tuple(one.record.quantity for one in kept) if self._events else None,
            meter="",
        )


def _told(books: Iterable[PriceBook]) -> Iterator[Price]:
    """Yield what counts and limits ask for, as prices ask for it."""
    for book in books:
        for count in book.counts:
            yield Price("count", Included(), count.match, line_by=count.by)
        for limit in book.limits:
            named = (*limit.match.fields, *limit.unless.fields, *limit.by)
            yield Price("limit", Included(), limit.of, line_by=named)


def _may_ask(price: Price, fields: Mapping[str, str]) -> bool:
    """Whether a price may be for usage of a record with these fields."""
    wanted = price.match.fields
    return all(
        not wanted[name] or text in wanted[name] for name, text in fields.items() if name in wanted
    )


def _grouped(names: _Names, kept: Iterable[KeptUsage]) -> dict[_Names, list[Decimal]]:
    groups: dict[_Names, list[Decimal]] = {}
    for one in kept:
        texts = tuple(canonical_text(one.record.fields.get(name)) for name in names)
        groups.setdefault(texts, []).append(one.record.quantity)
    return groups


def _whole(
    names: _Names, cuts: Iterable[Mapping[_Names, Sequence[Decimal]]], entries: _Entries
) -> bool:
    """Whether the groups of all parts come to those of the record."""
    sums: dict[_Names, Decimal] = {}
    for groups in cuts:
        for texts, values in groups.items():
            sums[texts] = EXACT.add(sums.get(texts, ZERO), _sum(values))
    said = {tuple(entry.fields[name] for name in names): entry.value for entry in entries}
    return {texts: value for texts, value in sums.items() if value} == {
        texts: value for texts, value in said.items() if value
    }


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
