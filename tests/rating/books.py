"""Price books and metered usage for tests, with as little said as possible."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from meterhouse.core.charge import BillingPeriod, Charge, GroupedValue, MeteredUsage, Rating
from meterhouse.core.instant import DAY
from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import Match, Price, PriceBook, PriceModel, Tier
from meterhouse.rating import RatingError, rate
from meterhouse.rating.line_changes import line_changes
from meterhouse.rating.taxing import line_of

PERIOD = BillingPeriod(0, 31 * DAY, "UTC")
CUSTOMER = "acme"
Number = Decimal | int | str


def dec(value: Number) -> Decimal:
    """A number as an exact decimal."""
    return Decimal(value)


def book(*prices: Price, currency: str = "EUR", **more: Any) -> PriceBook:
    """A book of these prices."""
    made = PriceBook(
        id="book",
        version="1",
        hash="0" * 64,
        currency=currency,
        valid_from=date(2026, 1, 1),
        valid_to=None,
        timezone="UTC",
        prices=prices,
    )
    return replace(made, **more)


def price(model: PriceModel, sku: str = "calls", **more: Any) -> Price:
    """A price; ``match`` maps names to values or lists of them, as a document has them."""
    match = more.pop("match", {})
    fields = {name: _texts(values) for name, values in match.items()}
    return Price(sku=sku, model=model, match=Match(fields), **more)


def _texts(values: object) -> frozenset[str]:
    if values == "*":
        return frozenset()
    listed = values if isinstance(values, list) else [values]
    return frozenset(map(canonical_text, listed))


def tier(up_to: Number | None, unit_price: Number = 0, flat: Number = 0, **more: Any) -> Tier:
    """A tier."""
    return Tier(None if up_to is None else dec(up_to), dec(unit_price), dec(flat), **more)


def used(
    value: Number,
    record_id: str = "r1",
    *,
    meter_type: str = "calls",
    breakdowns: Mapping[str, Sequence[tuple[Sequence[object], Number]]] | None = None,
    custom_fields: Mapping[str, object] | None = None,
    **more: Any,
) -> MeteredUsage:
    """A golden record; ``breakdowns`` maps "field,field" to values of these and a quantity."""
    return MeteredUsage(
        record_id=record_id,
        meter_type=meter_type,
        category=more.pop("category", "api"),
        user=more.pop("user", "ann"),
        unit="call",
        value=dec(value),
        period=more.pop("period", PERIOD),
        breakdowns=dict(_breakdown(*one) for one in (breakdowns or {}).items()),
        custom_fields={k: canonical_text(v) for k, v in (custom_fields or {}).items()},
        **more,
    )


def _breakdown(
    name: str, entries: Iterable[tuple[Sequence[object], Number]]
) -> tuple[tuple[str, ...], tuple[GroupedValue, ...]]:
    names = tuple(name.split(","))
    return names, tuple(
        GroupedValue(dict(zip(names, map(canonical_text, values), strict=True)), dec(value))
        for values, value in entries
    )


def rated(prices: PriceBook | Price, *usage: MeteredUsage, **more: Any) -> Rating:
    """The rating of usage by a book, or by a book of one price."""
    of_book = prices if isinstance(prices, PriceBook) else book(prices)
    return rate(of_book, usage, period=PERIOD, customer=CUSTOMER, **more)


def late(
    of_book: PriceBook,
    before: Sequence[MeteredUsage] | None,
    after: Sequence[MeteredUsage],
    **more: Any,
) -> list[Charge]:
    """What late usage changes: a full rating of all usage, less one of that before.

    ``None`` before: nothing was billed, not even what is due without usage.
    """
    old, new = (
        []
        if usage is None
        else [line_of(charge, of_book) for charge in rated(of_book, *usage, **more).charges]
        for usage in (before, after)
    )
    return [charge for charge, _ in line_changes(old, new)]


def charged(prices: PriceBook | Price, *usage: MeteredUsage, **more: Any) -> Charge:
    """The only charge that usage makes. Raises ``RatingError`` where something is unpriced."""
    rating = rated(prices, *usage, **more)
    if rating.unpriced:
        raise RatingError(", ".join(one.reason for one in rating.unpriced))
    (charge,) = rating.charges
    return charge


def net(model: PriceModel, quantity: Number, **more: Any) -> str:
    """What a quantity costs, with all digits of the amount."""
    return str(charged(price(model, **more), used(quantity)).net)
