"""What of a line's usage is charged: conversion, then usage discounts, then included units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from meterhouse.core.charge import UsageItem
from meterhouse.core.money import rounded_ratio
from meterhouse.core.price_book import ONE, Conversion, DiscountKind, Price
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.asked import (
    ABSENT,
    by_event,
    costs_as_little,
    dimensions,
    has_cells,
    has_free_events,
)
from meterhouse.rating.fault import BELOW_ZERO, LineRefused
from meterhouse.rating.lines import Line
from meterhouse.rating.measure import Measure, Slice

_AS_METERED = Conversion()


def metered_quantity(items: Iterable[UsageItem]) -> Decimal:
    """The usage of a line as metered."""
    total = ZERO
    for item in items:
        total = EXACT.add(total, item.quantity)
    return total


def measured(line: Line, *, share: tuple[int, int]) -> Measure:
    """Return the quantity of a line that is charged. Raises ``LineRefused``."""
    price = line.price
    conversion = price.conversion or _AS_METERED
    names = dimensions(price)
    slices = list(_slices(line, names))
    if not names and not by_event(price):
        slices = [Slice((), metered_quantity(line.items))]
    converted = [Slice(one.cell, _converted(one.quantity, conversion)) for one in slices]
    divisor = conversion.divide if conversion.digits is None else ONE
    free = EXACT.multiply(_free_units(price), divisor)
    used = _total(converted) > ZERO
    if not costs_as_little(price):
        converted = _not_below_zero(line, converted, names)
        _check_refunds(line, converted, free=free)
    charged = tuple(_without(converted, free)) if free else tuple(converted)
    return Measure(
        _total(charged),
        divisor,
        per=price.per,
        slices=charged,
        dimensions=names,
        share=share,
        used=used,
    )


def _slices(line: Line, names: Sequence[str]) -> Iterator[Slice]:
    """Each event where events are priced; otherwise the sum of each cell, in order.

    Cells without a price come first: earlier versions price them, and free units that they had
    then they keep.
    """
    cells: dict[tuple[str, ...], Decimal] = {}
    for item in line.items:
        cell = tuple(item.fields.get(name, ABSENT) for name in names)
        if by_event(line.price):
            # Nothing is no event: a meter that nobody touched costs no fixed amount.
            whole = (item.quantity,) if item.quantity else ()
            values = whole if item.events is None else item.events
            yield from (Slice(cell, value) for value in values)
        else:
            cells[cell] = EXACT.add(cells.get(cell, ZERO), item.quantity)
    ordered = sorted(cells, key=lambda cell: (_has_price(line.price, names, cell), cell))
    yield from (Slice(cell, cells[cell]) for cell in ordered)


def _has_price(price: Price, names: Sequence[str], cell: Sequence[str]) -> bool:
    return not names or has_cells(price, dict(zip(names, cell, strict=True)))


def _converted(quantity: Decimal, conversion: Conversion) -> Decimal:
    """The quantity in units of price, times what it has to be divided by if it is not rounded."""
    multiplied = EXACT.multiply(quantity, conversion.multiply)
    if conversion.digits is None:
        return multiplied
    digits, mode = conversion.digits, conversion.rounding
    return rounded_ratio(multiplied, conversion.divide, digits, mode)


def _not_below_zero(line: Line, slices: Sequence[Slice], names: Sequence[str]) -> list[Slice]:
    """Return slices of which each cell comes to 0 at least; refused where one does not.

    Of a line that is floored, such a cell is as if nothing had been used; and so is one that only
    other versions price.
    """
    sums: dict[tuple[str, ...], Decimal] = {}
    for one in slices:
        sums[one.cell] = EXACT.add(sums.get(one.cell, ZERO), one.quantity)
    below = {cell: quantity for cell, quantity in sums.items() if quantity < ZERO}
    wrong = [below[cell] for cell in below if _has_price(line.price, names, cell)]
    if wrong and not line.floored:
        raise LineRefused(
            f"the quantity {number_text(min(wrong))} is less than 0",
            hint="Usage taken back is billed as the difference of two ratings of its period",
            reason=BELOW_ZERO,
        )
    kept = [one for one in slices if one.cell not in below]
    # Nothing used is no event.
    return kept if by_event(line.price) else kept + [Slice(cell, ZERO) for cell in below]


def _check_refunds(line: Line, slices: Sequence[Slice], *, free: Decimal) -> None:
    """Refuse events below 0 where nobody knows whether what they take back was free."""
    refunds = [one.quantity for one in slices if one.quantity < ZERO]
    if refunds and (free or has_free_events(line.price)):
        raise LineRefused(
            f"the event of {number_text(min(refunds))} takes back what may have been free",
            hint="Price it without free events, free amounts and included units",
            reason="refund_of_free",
        )


def _free_units(price: Price) -> Decimal:
    free = price.included
    for discount in price.discounts:
        if discount.kind is DiscountKind.USAGE:
            free = EXACT.add(free, discount.value)
    return free


def _without(slices: Sequence[Slice], free: Decimal) -> Iterator[Slice]:
    """Take free units off, slice by slice: a slice of which nothing is left costs nothing."""
    for one in slices:
        taken = min(one.quantity, free)
        free = EXACT.subtract(free, taken)
        left = EXACT.subtract(one.quantity, taken)
        if left or not taken:
            yield Slice(one.cell, left)


def _total(slices: Sequence[Slice]) -> Decimal:
    total = ZERO
    for one in slices:
        total = EXACT.add(total, one.quantity)
    return total
