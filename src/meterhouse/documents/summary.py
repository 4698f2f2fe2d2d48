"""The sums that documents show beside those of the invoice: per component, per kind, by day.

Each is an exact sum of lines; none is rounded, and the last is always what the invoice says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from meterhouse.core.charge import ChargeKind
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceLine
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.documents.shown_line import (
    ShownLine,
    field_text,
    is_queries,
    per_text,
    shown_lines,
    total,
)

_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that have something in common: what they are for, how much, and what it costs.

    ``unit`` is empty and ``quantity`` nothing where the lines count different things; ``price``
    is the list price where all lines have the same, and ``per`` how many units it is for.
    """

    names: tuple[str, ...]
    quantity: Decimal | None
    unit: str
    amount: Decimal
    price: Decimal | None = None
    per: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """How the lines of an invoice come to their sum.

    ``charges`` - ``discounts`` - ``maxima`` + ``true_ups`` + ``adjustments`` = ``lines`` of the
    totals. ``counted`` is all usage, and ``counted_as`` what it is called, where all lines count
    the same or the invoice says how many requests there were; otherwise there is no such sum.
    """

    counted: Decimal | None
    counted_as: str
    charges: Decimal
    discounts: Decimal
    maxima: Decimal
    true_ups: Decimal
    adjustments: Decimal
    #: what was metered in queries, where the invoice says otherwise how many requests there were
    queries: Decimal | None = None


def title_of(invoice: Invoice) -> str:
    """What the document is: ``Invoice`` or ``Credit note``."""
    return "Credit note" if invoice.kind is InvoiceKind.CREDIT_NOTE else "Invoice"


def grouped(lines: Iterable[ShownLine], *names: str) -> list[Group]:
    """Add lines up that have the same values of these columns, in the order of the lines."""
    groups: dict[tuple[str, ...], list[ShownLine]] = {}
    for shown in lines:
        groups.setdefault(tuple(getattr(shown, name) for name in names), []).append(shown)
    return [_group(key, members) for key, members in groups.items()]


def _group(names: tuple[str, ...], lines: Sequence[ShownLine]) -> Group:
    used = [shown for shown in lines if shown.quantity is not None]
    units = {shown.line.charge.unit for shown in used}
    alike = len(units) == 1 and len(used) == len(lines)
    prices = {(shown.list_price, per_text(shown.line.charge)) for shown in used}
    price, per = prices.pop() if alike and len(prices) == 1 else (None, "")
    return Group(
        names,
        total([shown.quantity or ZERO for shown in used]) if alike else None,
        units.pop() if alike else "",
        total([shown.line.net for shown in lines]),
        price,
        per,
    )


def discount_of(line: InvoiceLine) -> Decimal:
    """What discounts took off a line, those of the whole invoice included."""
    return _reduced(line, maximum=False)


def maximum_of(line: InvoiceLine) -> Decimal:
    """What maxima took off a line."""
    return _reduced(line, maximum=True)


def _reduced(line: InvoiceLine, *, maximum: bool) -> Decimal:
    both = (*line.charge.reductions, *line.shares)
    return total([one.amount for one in both if (one.kind == "maximum") is maximum])


def sums_of(invoice: Invoice) -> Sums:
    """Work out how the lines come to their sum."""
    gross = dict.fromkeys(ChargeKind, ZERO)
    discounts = maxima = ZERO
    for line in invoice.lines:
        charge = line.charge
        gross[charge.kind] = EXACT.add(gross[charge.kind], charge.gross)
        discounts = EXACT.add(discounts, discount_of(line))
        maxima = EXACT.add(maxima, maximum_of(line))
    counted, counted_as = _counted(invoice)
    return Sums(
        counted=counted,
        counted_as=counted_as,
        charges=EXACT.add(gross[ChargeKind.USAGE], gross[ChargeKind.FEE]),
        discounts=discounts,
        maxima=maxima,
        true_ups=gross[ChargeKind.TRUE_UP],
        adjustments=gross[ChargeKind.ADJUSTMENT],
        queries=None if invoice.requests is None else _queries(invoice),
    )


def _queries(invoice: Invoice) -> Decimal | None:
    """Add up what all components metered in queries; tokens and other units are no queries."""
    used = [one for one in shown_lines(invoice) if one.line.charge.kind is ChargeKind.USAGE]
    counted = [one.line.charge.quantity for one in used if is_queries(one.metered_unit)]
    return total(counted) if counted else None


def _counted(invoice: Invoice) -> tuple[Decimal | None, str]:
    """Add up what was metered, where that is one thing."""
    if invoice.requests is not None:
        return invoice.requests, "Total requests"
    used = [one for one in shown_lines(invoice) if one.line.charge.kind is ChargeKind.USAGE]
    units = {one.metered_unit for one in used}
    unit = units.pop() if len(units) == 1 else ""
    if not unit:
        return None, ""
    named = "requests" if is_queries(unit) else f"quantity ({unit})"
    return total([one.line.charge.quantity for one in used]), f"Total {named}"


def by_day(invoice: Invoice, series_max: int) -> tuple[list[str], dict[date, list[Decimal]]]:
    """Return the usage of each day by component: names of the components, sums by day.

    The components with the most usage have a series each, all others one together.
    """
    sums: dict[str, Decimal] = {}
    for window in invoice.windows:
        name = field_text(window.fields, "component") or field_text(window.fields, "meter_type")
        sums[name] = EXACT.add(sums.get(name, ZERO), window.quantity)
    names = sorted(sums, key=lambda name: (-sums[name], name))
    if len(names) > series_max:
        names = [*names[: series_max - 1], _OTHERS]
    places = {name: place for place, name in enumerate(names)}
    days: dict[date, list[Decimal]] = {}
    for window in sorted(invoice.windows, key=lambda window: window.start):
        name = field_text(window.fields, "component") or field_text(window.fields, "meter_type")
        row = days.setdefault(window.start, [ZERO] * len(names))
        place = places.get(name, len(names) - 1)
        row[place] = EXACT.add(row[place], window.quantity)
    return names, days
