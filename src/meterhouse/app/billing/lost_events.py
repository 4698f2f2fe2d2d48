"""Lines of a billed period that were priced by single events which nobody knows any more.

Single usage is not kept for ever. Such a line cannot be priced again: where it is for the same
records as before, it stays as it was billed; else nobody knows what late usage makes of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.app.billing.priced import PricedPeriod
from meterhouse.core.charge import Unpriced
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.asked import ABSENT
from meterhouse.rating.book_discounts import sum_of

_RECORDS_NAMED = 5
#: The SKU of lines, and their values of the fields that tell them apart.
_Family = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Comparable:
    """What of a period's lines can be compared: as they were billed, and as they are priced now."""

    billed: tuple[InvoiceLine, ...]
    priced: tuple[InvoiceLine, ...]
    unpriced: tuple[Unpriced, ...]
    exceptions: tuple[tuple[str, str], ...] = ()


def comparable(billed: Sequence[InvoiceLine], priced: PricedPeriod) -> Comparable:
    """Leave lines out whose single events nobody knows any more, with what they were billed.

    That other usage is without a price is as it is.
    """
    lost: dict[_Family, list[Unpriced]] = {}
    unpriced = []
    for one in priced.unpriced:
        families = _families_of(one, billed)
        for family in families:
            lost.setdefault(family, []).append(one)
        unpriced += [] if families else [one]
    changed = [
        family
        for family, some in lost.items()
        if not _stay(_of(billed, (family,)), _of(priced.lines, (family,)), some)
    ]
    if lost and any(book.commitments or book.discounts for book in priced.books):
        # They depend on all lines, and are not known without these.
        changed = list(lost)
    return Comparable(
        tuple(line for line in billed if _family(line) not in lost),
        tuple(line for line in priced.lines if _family(line) not in lost),
        tuple(unpriced),
        tuple(_exceptions(changed, [one for family in changed for one in lost[family]])),
    )


def _families_of(one: Unpriced, billed: Iterable[InvoiceLine]) -> list[_Family]:
    """Return the lines that have billed usage whose single events were known then."""
    if one.reason != "no_events":
        return []
    families = dict.fromkeys(_family(line) for line in billed if line.charge.sku in one.skus)
    return [
        (sku, fields)
        for sku, fields in families
        if all(one.fields.get(name, ABSENT) == text for name, text in fields)
    ]


def _family(line: InvoiceLine) -> _Family:
    return line.charge.sku, tuple(sorted(line.charge.fields.items()))


def _of(lines: Iterable[InvoiceLine], families: Collection[_Family]) -> list[InvoiceLine]:
    return [line for line in lines if _family(line) in families]


def _stay(
    billed: Sequence[InvoiceLine], priced: Sequence[InvoiceLine], lost: Sequence[Unpriced]
) -> bool:
    """Whether lines are for the same records, and as much of them, as they were billed for."""
    records = _records(priced).union(*(one.records for one in lost))
    quantities = [*(line.charge.quantity for line in priced), *(one.quantity for one in lost)]
    before = sum_of([line.charge.quantity for line in billed])
    return _records(billed) == records and before == sum_of(quantities)


def _records(lines: Iterable[InvoiceLine]) -> frozenset[str]:
    """Return the records that lines are for; adjustments take some off again."""
    sums: dict[str, Decimal] = {}
    for source in (source for line in lines for source in line.charge.sources):
        before = sums.get(source.record_id, ZERO)
        sums[source.record_id] = EXACT.add(before, source.quantity)
    return frozenset(id for id, quantity in sums.items() if quantity)


def _exceptions(
    families: Collection[_Family], lost: Iterable[Unpriced]
) -> Iterator[tuple[str, str]]:
    if not families:
        return
    skus = ", ".join(sorted({sku for sku, _ in families}))
    records = sorted({id for one in lost for id in one.records})
    few = ", ".join(records[:_RECORDS_NAMED]) + (" ..." if len(records) > _RECORDS_NAMED else "")
    text = (
        f"of usage priced by single events ({skus}) nobody knows these any more (records: {few}): "
        "what it costs with what is late cannot be told"
    )
    yield "late_no_events", text
