"""Late usage: what a period costs with it, less what it was billed without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from meterhouse.core.charge import (
    BillingPeriod,
    Charge,
    ChargeKind,
    ChargePart,
    MeteredUsage,
    Rating,
    Source,
    Unpriced,
)
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.rate import rate

_Fields = tuple[tuple[str, str], ...]
_LineKey = tuple[str, _Fields]


def difference(
    book: PriceBook,
    before: Sequence[MeteredUsage],
    after: Sequence[MeteredUsage],
    *,
    period: BillingPeriod,
    customer: str,
    share: tuple[int, int] = (1, 1),
) -> Rating:
    """Rate a period twice, and charge the difference of each line as an adjustment.

    ``before`` is the usage that was billed, ``after`` all usage as it is known now. Amounts and
    quantities may be negative, in the customer's favour; lines that did not change are left out.
    """
    old = rate(book, before, period=period, customer=customer, share=share)
    new = rate(book, after, period=period, customer=customer, share=share)
    old_lines, new_lines = _by_line(old.charges), _by_line(new.charges)
    # A line of nothing but old usage comes behind the lines of all usage.
    keys = dict.fromkeys((*new_lines, *old_lines))
    changes = (_change(old_lines.get(key), new_lines.get(key)) for key in keys)
    charges = (change for change in changes if change.net or change.quantity)
    return Rating(tuple(charges), _unpriced_change(old.unpriced, new.unpriced))


def _by_line(charges: Iterable[Charge]) -> dict[_LineKey, Charge]:
    return {(charge.sku, tuple(charge.fields.items())): charge for charge in charges}


def _change(old: Charge | None, new: Charge | None) -> Charge:
    shown = new or old
    assert shown is not None
    old_net, new_net = (ZERO if one is None else one.net for one in (old, new))
    net = EXACT.subtract(new_net, old_net)
    parts = (_part("rated anew", new, sign=1), _part("rated before", old, sign=-1))
    return replace(
        shown,
        kind=ChargeKind.ADJUSTMENT,
        quantity=_less(new, old, lambda charge: charge.quantity),
        billable=_less(new, old, lambda charge: charge.billable),
        parts=tuple(part for part in parts if part is not None),
        exact=net,
        gross=net,
        net=net,
        reductions=(),
        sources=_source_changes(old, new),
    )


def _less(new: Charge | None, old: Charge | None, figure: Callable[[Charge], Decimal]) -> Decimal:
    figures = (ZERO if one is None else figure(one) for one in (new, old))
    return EXACT.subtract(*figures)


def _part(label: str, charge: Charge | None, *, sign: int) -> ChargePart | None:
    if charge is None:
        return None
    factor = Decimal(sign)
    quantity, amount = (EXACT.multiply(one, factor) for one in (charge.quantity, charge.net))
    return ChargePart(label, quantity, None, ZERO, amount)


def _source_changes(old: Charge | None, new: Charge | None) -> tuple[Source, ...]:
    """The records, or parts of records, whose quantities are not what was billed."""
    changes: dict[tuple[str, _Fields], Decimal] = {}
    for charge, sign in ((old, Decimal(-1)), (new, Decimal(1))):
        for source in () if charge is None else charge.sources:
            key = (source.record_id, tuple(sorted(source.fields.items())))
            change = EXACT.multiply(source.quantity, sign)
            changes[key] = EXACT.add(changes.get(key, ZERO), change)
    return tuple(
        Source(record_id, quantity, dict(fields))
        for (record_id, fields), quantity in sorted(changes.items())
        if quantity
    )


def _unpriced_change(old: Iterable[Unpriced], new: Iterable[Unpriced]) -> tuple[Unpriced, ...]:
    billed = {_unpriced_key(one): one.quantity for one in old}
    changed = []
    for one in new:
        quantity = EXACT.subtract(one.quantity, billed.get(_unpriced_key(one), ZERO))
        if quantity:
            changed.append(replace(one, quantity=quantity))
    return tuple(changed)


def _unpriced_key(one: Unpriced) -> tuple[_Fields, str, tuple[str, ...]]:
    return tuple(one.fields.items()), one.reason, one.skus
