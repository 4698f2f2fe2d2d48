"""Metered usage and a price book become charges: see ``rate``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, DecimalException, localcontext
from functools import reduce

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
from meterhouse.core.currency import currency_digits
from meterhouse.core.money import rounded
from meterhouse.core.price_book import Flat, PerUnit, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.fault import RatingError
from meterhouse.rating.lines import Line, lines_of
from meterhouse.rating.measure import Part
from meterhouse.rating.measuring import measured, metered_quantity
from meterhouse.rating.models import model_name, priced
from meterhouse.rating.ratio import Ratio, total_of
from meterhouse.rating.reducing import reduced


def rate(
    book: PriceBook,
    usage: Sequence[MeteredUsage],
    *,
    period: BillingPeriod,
    customer: str,
    share: tuple[int, int] = (1, 1),
) -> Rating:
    """Price all usage of a customer in a period.

    ``share``: how many days of how many are charged; prorated flat amounts depend on it. The order
    of the usage changes nothing. Raises ``RatingError`` where no right amount can be made.
    """
    digits = currency_digits(book.currency)
    if digits is None:
        raise RatingError(
            f"price book {book.id}: there is no currency {book.currency!r}",
            hint="Give a code of ISO 4217, such as EUR",
        )
    found = lines_of(book, usage, customer=customer)
    charges = (
        _charge(book, line, digits=digits, period=period, share=share) for line in found.lines
    )
    return Rating(tuple(charges), found.unpriced)


def _charge(
    book: PriceBook, line: Line, *, digits: int, period: BillingPeriod, share: tuple[int, int]
) -> Charge:
    try:
        return _priced_line(book, line, digits=digits, period=period, share=share)
    except DecimalException:
        raise RatingError(
            f"{_line_name(book, line)}: the amount has more digits than can be computed exactly; "
            f"{_figures(line)}",
            hint="Check the quantities and the prices: 80 digits are computed",
        ) from None
    except RatingError as error:
        hint = error.hint
        raise RatingError(f"{_line_name(book, line)}: {error.args[0]}", hint=hint) from None


def _priced_line(
    book: PriceBook, line: Line, *, digits: int, period: BillingPeriod, share: tuple[int, int]
) -> Charge:
    price = line.price
    measure = measured(line, share=share)
    parts = priced(price.model, measure)
    exact = total_of(part.amount for part in parts)
    gross = _gross(book, parts, exact, digits=digits)
    after = reduced(price, gross, digits=digits, mode=book.rounding)
    if after.lacking:
        lacking = Ratio(after.lacking)
        parts = (*parts, Part("minimum", lacking, flat=after.lacking))
        exact, gross = exact.plus(lacking), EXACT.add(gross, after.lacking)
    return Charge(
        sku=price.sku,
        kind=ChargeKind.FEE if isinstance(price.model, Flat) else ChargeKind.USAGE,
        name=price.name or price.sku,
        model=model_name(price.model),
        unit=price.unit,
        fields=line.fields,
        quantity=metered_quantity(line.items),
        billable=measure.units(measure.quantity).shown(),
        per=price.per,
        list_price=_list_price(book, price),
        parts=tuple(_shown_part(book, part) for part in parts),
        exact=exact.shown(),
        gross=gross,
        net=after.net,
        tax=price.tax,
        period=period,
        reductions=after.reductions,
        sources=tuple(map(_source, line.items)),
    )


def _gross(book: PriceBook, parts: Sequence[Part], exact: Ratio, *, digits: int) -> Decimal:
    if not book.round_tiers:
        return exact.rounded(digits, book.rounding)
    amounts = (part.amount.rounded(digits, book.rounding) for part in parts)
    return reduce(EXACT.add, amounts, ZERO)


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


def _line_name(book: PriceBook, line: Line) -> str:
    fields = "".join(f", {name} {text}" for name, text in line.fields.items())
    return f"price book {book.id}, price {line.price.sku}{fields}"


def _figures(line: Line) -> str:
    with localcontext(prec=200):
        total = sum((item.quantity for item in line.items), ZERO)
    return f"the quantity is {number_text(total)} of {len(line.items)} usage items"
