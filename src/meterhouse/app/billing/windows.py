"""Usage by day: what an invoice shows of the single records that event-time meters keep.

Theory of operation. The windows of a metered record add up to it, or there are none of it: a record
whose usage was changed since, or is more than is read, is told of as an exception. Minima and
maxima have no windows, as they do not add up; nor has what other meters counted, whose single
records nobody keeps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from meterhouse.app.ports import Ledger
from meterhouse.app.usage_ports import KeptUsage
from meterhouse.core.aggregation import Aggregation
from meterhouse.core.charge import MeteredUsage
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Window
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.core.timezone import local_time, zone
from meterhouse.rating.asked import RECORD_FIELDS, asked_fields
from meterhouse.rating.counting import Counts

#: So many single records of an invoice are read, at most.
RECORDS_MAX = 1_000_000
#: With more windows than these, only meter types are told apart.
WINDOWS_MAX = 10_000
_ADDING_UP = (Aggregation.SUM, Aggregation.INCREMENT)
_Place = tuple[date, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class UsageByDay:
    """The windows of an invoice, by day and fields, and what is not in them."""

    windows: tuple[Window, ...]
    exceptions: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Sums:
    by_place: dict[_Place, Decimal] = field(default_factory=dict)
    changed: int = 0
    left_out: int = 0
    records: int = 0

    def add(self, sums: Mapping[_Place, Decimal]) -> None:
        for place, value in sums.items():
            self.by_place[place] = EXACT.add(self.by_place.get(place, ZERO), value)


def kept_usage(ledger: Ledger, usage: MeteredUsage, *, limit: int) -> Sequence[KeptUsage] | None:
    """Return the single records of a metered one; ``None`` where they do not add up to it.

    Not more than ``limit`` and one are read.
    """
    meter, start = usage.meter, usage.period.start
    aggregation = ledger.usage_aggregation(meter, start=start) if meter else None
    if aggregation not in _ADDING_UP:
        return None
    counts = aggregation is Aggregation.INCREMENT
    found = ledger.usage_of_period(meter, start=start, before=usage.before, limit=limit + 1)
    return [_counted(one) for one in found] if counts else found


def _counted(one: KeptUsage) -> KeptUsage:
    """A record of a meter that counts is one, whatever its value."""
    return replace(one, record=replace(one.record, quantity=Decimal(1)))


def usage_by_day(
    ledger: Ledger,
    usage: Iterable[MeteredUsage],
    *,
    books: Sequence[PriceBook],
    starts: Sequence[Instant],
    customer: str,
    whole: Collection[str] = (),
) -> UsageByDay:
    """Return the usage of each day in the books' zone, by the fields that their prices ask for.

    ``starts`` is when each book begins to hold. What it only counts is left out, as it is of the
    lines; of ``whole`` records all is the first one's.
    """
    counting = _Counting(books, starts, customer)
    prices = [price for book in books for price in book.prices]
    named = frozenset(("meter_type",)).union(*map(asked_fields, prices))
    sums = _Sums()
    for one in usage:
        kept = kept_usage(ledger, one, limit=RECORDS_MAX - sums.records)
        if kept is None:
            continue
        sums.records += len(kept)
        if sums.records > RECORDS_MAX:
            sums.records -= len(kept)
            sums.left_out += 1
        elif total_of(kept) != one.value:
            sums.changed += 1
        else:
            fields = _own(one, customer, named)
            kept = counting.left(one, kept, whole=one.record_id in whole)
            sums.add(_by_place(kept, fields, named - fields.keys(), timezone=books[0].timezone))
    return UsageByDay(_windows(sums.by_place), tuple(_exceptions(sums)))


class _Counting:
    """Tells which single records the books only count."""

    def __init__(
        self, books: Sequence[PriceBook], starts: Sequence[Instant], customer: str
    ) -> None:
        self._counts = [Counts(book, customer=customer) for book in books]
        self._any = any(book.counts for book in books)
        self._changes, self._customer = starts[1:], customer

    def left(
        self, usage: MeteredUsage, kept: Sequence[KeptUsage], *, whole: bool
    ) -> Sequence[KeptUsage]:
        """Return the single records of a metered one that are not counted."""
        if not self._any:
            return kept
        by_place: dict[int, list[KeptUsage]] = {}
        for one in kept:
            place = 0 if whole else bisect_right(self._changes, one.timestamp)
            by_place.setdefault(place, []).append(one)
        return [
            one
            for place, some in by_place.items()
            for one in uncounted(usage, some, self._counts[place], customer=self._customer)
        ]


def uncounted(
    usage: MeteredUsage, kept: Iterable[KeptUsage], counts: Counts, *, customer: str
) -> list[KeptUsage]:
    """Return the single records of a metered one that no count takes."""
    grouped = {name for section in usage.breakdowns for name in section}
    own = _own(usage, customer, frozenset((*RECORD_FIELDS, *usage.custom_fields)))

    def groups(one: KeptUsage) -> dict[str, str]:
        return {name: canonical_text(one.record.fields.get(name)) for name in grouped}

    return [one for one in kept if counts.place({**groups(one), **own}) is None]


def total_of(kept: Iterable[KeptUsage]) -> Decimal:
    """Return what single records come to."""
    total = ZERO
    for one in kept:
        total = EXACT.add(total, one.record.quantity)
    return total


def _own(usage: MeteredUsage, customer: str, named: frozenset[str]) -> dict[str, str]:
    """Return what all of a record's usage has, as prices see it; groups go before custom fields."""
    texts = (usage.meter_type, usage.category, usage.user, customer)
    own = dict(zip(RECORD_FIELDS, map(canonical_text, texts), strict=True))
    grouped = {name for section in usage.breakdowns for name in section}
    custom = {n: text for n, text in usage.custom_fields.items() if n not in grouped}
    return {name: text for name, text in (custom | own).items() if name in named}


def _by_place(
    kept: Iterable[KeptUsage], own: Mapping[str, str], named: frozenset[str], *, timezone: str
) -> dict[_Place, Decimal]:
    there, sums = zone(timezone), dict[_Place, Decimal]()
    for one in kept:
        fields = {n: canonical_text(v) for n, v in one.record.fields.items() if n in named}
        day = local_time(one.timestamp, there).date()
        place = day, tuple(sorted({**fields, **own}.items()))
        sums[place] = EXACT.add(sums.get(place, ZERO), one.record.quantity)
    return sums


def _windows(sums: Mapping[_Place, Decimal]) -> tuple[Window, ...]:
    shown = dict(sums)
    if len(shown) > WINDOWS_MAX:
        shown = {}
        for (day, fields), value in sums.items():
            place = day, tuple(pair for pair in fields if pair[0] == "meter_type")
            shown[place] = EXACT.add(shown.get(place, ZERO), value)
    return tuple(Window(day, dict(fields), shown[day, fields]) for day, fields in sorted(shown))


def _exceptions(sums: _Sums) -> Iterable[tuple[str, str]]:
    if sums.changed:
        text = (
            f"single usage was changed after it was metered (records: {sums.changed}), and the "
            "adjustments are not here: run the streams, and draft again"
        )
        yield "usage_changed", text
    if sums.left_out:
        text = (
            f"usage by day does not show all (records left out: {sums.left_out}): only "
            f"{RECORDS_MAX:,} single records of an invoice are read"
        )
        yield "usage_by_day_left_out", text
