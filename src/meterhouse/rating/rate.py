"""Metered usage and a price book become charges: see ``rate``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterhouse.core.charge import (
    BillingPeriod,
    Charge,
    ChargeKind,
    ChargePart,
    MeteredUsage,
    Rating,
    Source,
    UsageItem,
)
from meterhouse.core.money import rounded
from meterhouse.core.price_book import Flat, PerUnit, Price, PriceBook
from meterhouse.rating.amounts import Amounts, amounts_of, digits_of
from meterhouse.rating.counting import counted_apart
from meterhouse.rating.lines import Line, lines_of
from meterhouse.rating.measure import Part
from meterhouse.rating.measuring import metered_quantity
from meterhouse.rating.models import model_name
from meterhouse.rating.refusing import Refusals


def rate(
    book: PriceBook,
    usage: Sequence[MeteredUsage],
    *,
    period: BillingPeriod,
    customer: str,
    share: tuple[int, int] = (1, 1),
    floor: bool = False,
) -> Rating:
    """Price all usage of a customer in a period.

    ``share``: how many days of how many are charged; prorated flat amounts depend on it, and where
    it is none, only what was used is charged. The order of the usage changes nothing. What has no
    right amount is unpriced; with ``floor``, lines that come to less than 0 count as nothing.
    Raises ``RatingError`` where a record or the book is wrong.
    """
    digits = digits_of(book)
    apart = counted_apart(book, usage, customer=customer)
    found = lines_of(book, apart.usage, customer=customer)
    refusals = Refusals(floor)

    def made(line: Line) -> Charge:
        amounts = amounts_of(book, line, digits=digits, share=share)
        return charge_of(book, line, amounts, period=period)

    charges = [refusals.made(line, made) for line in found.lines if line.used or share[0]]
    return Rating(
        tuple(charge for charge in charges if charge is not None),
        (*apart.unpriced, *found.unpriced, *refusals.unpriced),
        apart.counted,
        tuple(refusals.floored),
        tuple(apart.usage),
    )


def charge_of(book: PriceBook, line: Line, amounts: Amounts, *, period: BillingPeriod) -> Charge:
    """Return the charge of a line that comes to these amounts."""
    price = line.price
    measure = amounts.measure
    metered_unit = _metered_unit(line)
    return Charge(
        sku=price.sku,
        kind=ChargeKind.FEE if isinstance(price.model, Flat) else ChargeKind.USAGE,
        name=price.name or price.sku,
        model=model_name(price.model),
        unit=price.unit or _own_unit(price, metered_unit),
        fields=line.fields,
        quantity=metered_quantity(line.items),
        billable=measure.units(measure.quantity).shown(),
        per=price.per,
        list_price=_list_price(book, price),
        parts=tuple(_shown_part(book, part) for part in amounts.parts),
        exact=amounts.exact.shown(),
        gross=amounts.gross,
        net=amounts.net,
        tax=price.tax,
        period=period,
        reductions=amounts.reductions,
        sources=tuple(map(_source, line.items)),
        metered_unit=metered_unit,
    )


def _metered_unit(line: Line) -> str:
    """The unit of the meters of a line, where they all have the same."""
    units = {item.unit for item in line.items}
    return units.pop() if len(units) == 1 else ""


def _own_unit(price: Price, metered_unit: str) -> str:
    """The unit of a price that names none: the meter's, unless it is converted or a flat amount."""
    return "" if price.conversion is not None or isinstance(price.model, Flat) else metered_unit


def _list_price(book: PriceBook, price: Price) -> Decimal | None:
    return _shown(book, price.model.price) if isinstance(price.model, PerUnit) else None


def _shown_part(book: PriceBook, part: Part) -> ChargePart:
    unit_price = None if part.unit_price is None else _shown(book, part.unit_price)
    amount, quantity = part.amount.shown(), part.quantity.shown()
    return ChargePart(part.label, quantity, unit_price, part.flat, amount)


def _shown(book: PriceBook, price: Decimal) -> Decimal:
    """A unit price, with no more digits than the book shows."""
    exponent = price.as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent <= book.unit_price_digits:
        return price
    return rounded(price, book.unit_price_digits, book.rounding)


def _source(item: UsageItem) -> Source:
    return Source(item.record_id, item.quantity, item.part)
