"""The sheet ``Services``: what each service, app or channel used, and what it came to.

A line may be of several: then its amount is shared out over its usage by quantity, so that the
parts add up to it exactly. Which they are is said by the fields of what the line was metered from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.charge import Source
from meterhouse.core.invoice import Invoice
from meterhouse.core.money import rounded_ratio, shared_out
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.documents.shown_line import ShownLine, is_queries, shown_as, total
from meterhouse.documents.workbook.page import Column, Page

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Portion:
    """What one app or channel has of a line. ``unit`` is empty where nothing is counted."""

    key: _Key
    quantity: Decimal | None
    unit: str
    amount: Decimal


def portions_of(lines: Sequence[ShownLine], digits: int) -> list[Portion]:
    """Return the portions of all lines, or none where no line says of whom it is."""
    portions = [portion for line in lines for portion in _portions(line, digits)]
    return portions if any(any(one.key) for one in portions) else []


def _portions(shown: ShownLine, digits: int) -> list[Portion]:
    charge = shown.line.charge
    weights: dict[_Key, Decimal] = {}
    for source in charge.sources:
        key = _key(shown, source)
        weights[key] = EXACT.add(weights.get(key, ZERO), source.quantity)
    whole = total(list(weights.values()))
    if len(weights) < 2 or whole <= ZERO or any(one < ZERO for one in weights.values()):
        key = next(iter(weights), _of(shown))
        return [Portion(key, shown.quantity, charge.unit, shown.line.net)]
    keys = sorted(weights)
    amounts = shared_out(shown.line.net, [weights[key] for key in keys], digits)
    unit = charge.metered_unit or charge.unit
    return [
        Portion(key, weights[key], unit, amount) for key, amount in zip(keys, amounts, strict=True)
    ]


def _key(shown: ShownLine, source: Source) -> _Key:
    fields: Mapping[str, str] = {**source.fields, **shown.line.charge.fields}
    return _of(shown_as(shown.line, fields))


def _of(shown: ShownLine) -> _Key:
    return shown.user, shown.brand, shown.contact_channel


def write_services(page: Page, invoice: Invoice, portions: Iterable[Portion]) -> None:
    """Write what each service or app came to, and its share."""
    whole = invoice.totals.lines
    groups: dict[_Key, list[Portion]] = {}
    for one in portions:
        groups.setdefault(one.key, []).append(one)
    rows = [_summed(key, members) for key, members in groups.items()]
    units = {row.unit for row in rows if row.quantity is not None}
    title = "Queries" if units and all(map(is_queries, units)) else "Quantity"
    amount = f"Amount ({invoice.currency})"
    columns = [
        Column("App/channel", 52, "text", lambda it: it.key[0] or "(none)"),
        Column("Brand", 18, "text", lambda it: it.key[1]),
        Column("Contact channel", 18, "text", lambda it: it.key[2]),
        Column(title, 16, "quantity", lambda it: it.quantity),
        Column("Unit", 12, "text", lambda it: it.unit),
        Column(amount, 16, "amount", lambda it: it.amount),
        Column("Share", 10, "share", lambda it: _share(it.amount, whole)),
    ]
    table = page.table(columns, rows)
    page.sums(table, {amount: whole}, {amount: page.styles.amount("sum")})


def _summed(key: _Key, members: Sequence[Portion]) -> Portion:
    units = {one.unit for one in members if one.quantity is not None}
    alike = len(units) == 1 and all(one.quantity is not None for one in members)
    return Portion(
        key,
        total([one.quantity or ZERO for one in members]) if alike else None,
        units.pop() if alike else "",
        total([one.amount for one in members]),
    )


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return rounded_ratio(part, whole, 6) if whole > 0 else None
