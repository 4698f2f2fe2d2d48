"""Late usage: the lines that a period comes to, less the lines that it was billed.

Lines are compared as they count: after discounts of the book and commitments, true-ups among them.
So what a period was billed in the end, on however many invoices, is what it costs as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from meterhouse.core.charge import Charge, ChargeKind, ChargePart, Source
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.book_discounts import sum_of

#: What the parts of late usage are called that are of all usage of the period.
ANEW = "rated anew"
#: Steps that are all usage of a line.
_SAYS_NOTHING = ("all", "included")
_Fields = tuple[tuple[str, str], ...]
_Key = tuple[str, _Fields, str, Decimal, Instant, Instant]


def line_changes(
    before: Sequence[InvoiceLine], after: Sequence[InvoiceLine]
) -> list[tuple[Charge, str]]:
    """Return an adjustment for each line that changed, with the hash of its price book.

    Lines are one where SKU, fields, tax and period are equal. Adjustments in ``before`` count as
    what they adjusted. Amounts and quantities may be negative, in the customer's favour.
    """
    old, new = _by_key(before), _by_key(after)
    # A line of nothing but old usage comes behind the lines of all usage.
    changes = (_change(old.get(key, ()), new.get(key, ())) for key in dict.fromkeys((*new, *old)))
    return [(charge, book) for charge, book in changes if charge.net or charge.quantity]


def _by_key(lines: Iterable[InvoiceLine]) -> Mapping[_Key, Sequence[InvoiceLine]]:
    found: dict[_Key, list[InvoiceLine]] = {}
    for line in lines:
        fields = tuple(sorted(line.charge.fields.items()))
        tax, period = (line.tax_category, line.tax_rate), line.charge.period
        key = line.charge.sku, fields, *tax, period.start, period.end
        found.setdefault(key, []).append(line)
    return found


def _change(old: Sequence[InvoiceLine], new: Sequence[InvoiceLine]) -> tuple[Charge, str]:
    shown = (*new, *old)[0]

    def less(figure: Callable[[InvoiceLine], Decimal]) -> Decimal:
        return EXACT.subtract(_sum(new, figure), _sum(old, figure))

    net = less(lambda line: line.net)
    parts = (*_anew(new), _part("billed before", old, sign=-1))
    return replace(
        shown.charge,
        kind=ChargeKind.ADJUSTMENT,
        quantity=less(lambda line: line.charge.quantity),
        billable=less(lambda line: line.charge.billable),
        parts=tuple(part for part in parts if part is not None),
        exact=net,
        gross=net,
        net=net,
        reductions=(),
        sources=_source_changes(old, new),
    ), shown.book


def _anew(lines: Sequence[InvoiceLine]) -> Iterator[ChargePart | None]:
    """Yield what lines come to now, by the steps of their calculation where these say more."""
    steps = [part for line in lines for part in line.charge.parts]
    if len(steps) < 2 and all(step.label in _SAYS_NOTHING for step in steps):
        yield _part(ANEW, lines, sign=1)
        return
    for step in steps:
        yield replace(step, label=f"{ANEW}: {step.label}")
    left = EXACT.subtract(_sum(lines, lambda line: line.net), sum_of([one.amount for one in steps]))
    if left:
        yield ChargePart(f"{ANEW}: rounding and discounts", ZERO, None, ZERO, left)


def _sum(lines: Sequence[InvoiceLine], figure: Callable[[InvoiceLine], Decimal]) -> Decimal:
    return sum_of([figure(line) for line in lines])


def _part(label: str, lines: Sequence[InvoiceLine], *, sign: int) -> ChargePart | None:
    if not lines:
        return None
    sums = _sum(lines, lambda line: line.charge.quantity), _sum(lines, lambda line: line.net)
    quantity, amount = (EXACT.multiply(one, Decimal(sign)) for one in sums)
    return ChargePart(label, quantity, None, ZERO, amount)


def _source_changes(old: Sequence[InvoiceLine], new: Sequence[InvoiceLine]) -> tuple[Source, ...]:
    """The records, or parts of records, whose quantities are not what was billed."""
    changes: dict[tuple[str, _Fields], Decimal] = {}
    for lines, sign in ((old, Decimal(-1)), (new, Decimal(1))):
        for source in (source for line in lines for source in line.charge.sources):
            key = (source.record_id, tuple(sorted(source.fields.items())))
            change = EXACT.multiply(source.quantity, sign)
            changes[key] = EXACT.add(changes.get(key, ZERO), change)
    return tuple(
        Source(record_id, quantity, dict(fields))
        for (record_id, fields), quantity in sorted(changes.items())
        if quantity
    )
