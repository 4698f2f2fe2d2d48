"""What of a line's usage is charged: conversion, then usage discounts, then included units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from meterhouse.core.charge import UsageItem
from meterhouse.core.money import rounded_ratio
from meterhouse.core.price_book import ONE, Conversion, DiscountKind, Price
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.asked import ABSENT, by_event, dimensions
from meterhouse.rating.fault import RatingError
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
    """Return the quantity of a line that is charged."""
    price = line.price
    conversion = price.conversion or _AS_METERED
    names = dimensions(price)
    slices = list(_slices(line, names))
    if not names and not by_event(price):
        slices = [Slice((), metered_quantity(line.items))]
    converted = [Slice(one.cell, _converted(one.quantity, conversion)) for one in slices]
    _check_signs(converted)
    divisor = conversion.divide if conversion.digits is None else ONE
    free = EXACT.multiply(_free_units(price), divisor)
    charged = tuple(_without(converted, free))
    return Measure(
        _total(charged),
        divisor,
        per=price.per,
        slices=charged,
        dimensions=names,
        share=share,
        used=_total(converted) > ZERO,
    )


def _slices(line: Line, names: Sequence[str]) -> Iterator[Slice]:
    """Each event where events are priced; otherwise the sum of each cell, in order."""
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
    yield from (Slice(cell, cells[cell]) for cell in sorted(cells))


def _converted(quantity: Decimal, conversion: Conversion) -> Decimal:
    """The quantity in units of price, times what it has to be divided by if it is not rounded."""
    multiplied = EXACT.multiply(quantity, conversion.multiply)
    if conversion.digits is None:
        return multiplied
    digits, mode = conversion.digits, conversion.rounding
    return rounded_ratio(multiplied, conversion.divide, digits, mode)


def _check_signs(slices: Sequence[Slice]) -> None:
    for one in slices:
        if one.quantity < ZERO:
            raise RatingError(
                f"the quantity {number_text(one.quantity)} is less than 0",
                hint="Usage taken back is billed as the difference of two ratings of its period",
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
