"""What becomes of a line's rounded amount: discounts, then the maximum, then the minimum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.charge import Reduction
from meterhouse.core.money import Rounding, rounded
from meterhouse.core.price_book import Discount, DiscountKind, Price
from meterhouse.core.quantity import EXACT, ZERO, number_text

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is taken off an amount, what a minimum adds to it, and what is left."""

    reductions: tuple[Reduction, ...]
    lacking: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Held:
    """What a line is held to: amounts of money, rounded; ``None``: to nothing.

    ``discounts`` is what its discounts of an amount may come to together.
    """

    discounts: Decimal | None = None
    maximum: Decimal | None = None
    minimum: Decimal = ZERO


def held_to(price: Price, *, digits: int, mode: Rounding) -> Held:
    """Return what a price holds a line of a whole period to."""
    maximum = None if price.maximum is None else rounded(price.maximum, digits, mode)
    minimum = ZERO if price.minimum is None else rounded(price.minimum, digits, mode)
    return Held(None, maximum, minimum)


def reduced(
    price: Price, gross: Decimal, *, digits: int, mode: Rounding, held: Held | None = None
) -> Reduced:
    """Apply what the price says of the amount of a line; ``held``: where it is held otherwise."""
    held = held or held_to(price, digits=digits, mode=mode)
    reductions = []
    net = gross
    for reduction in _reductions(price, gross, digits=digits, mode=mode, held=held):
        reductions.append(reduction)
        net = EXACT.subtract(net, reduction.amount)
    lacking = max(EXACT.subtract(held.minimum, net), ZERO)
    return Reduced(tuple(reductions), lacking, EXACT.add(net, lacking))


def _reductions(
    price: Price, gross: Decimal, *, digits: int, mode: Rounding, held: Held
) -> Iterator[Reduction]:
    """Percentages before amounts, each of what is left; then what is above the maximum."""
    left, pool = gross, held.discounts
    percentages = [one for one in price.discounts if one.kind is DiscountKind.PERCENTAGE]
    amounts = [one for one in price.discounts if one.kind is DiscountKind.AMOUNT]
    for discount in (*percentages, *amounts):
        amount = min(_discount_amount(discount, left, digits=digits, mode=mode), left)
        if pool is not None and discount.kind is DiscountKind.AMOUNT:
            amount = min(amount, pool)
            pool = EXACT.subtract(pool, amount)
        if amount:
            left = EXACT.subtract(left, amount)
            yield Reduction(discount.name or _discount_name(discount), "discount", amount)
    if held.maximum is not None and left > held.maximum:
        yield Reduction("maximum", "maximum", EXACT.subtract(left, held.maximum))


def _discount_amount(discount: Discount, left: Decimal, *, digits: int, mode: Rounding) -> Decimal:
    if discount.kind is DiscountKind.AMOUNT:
        return rounded(discount.value, digits, mode)
    factor = EXACT.multiply(discount.value, _HUNDREDTH)
    return rounded(EXACT.multiply(left, factor), digits, mode)


def _discount_name(discount: Discount) -> str:
    if discount.kind is DiscountKind.PERCENTAGE:
        return f"{number_text(discount.value)} % discount"
    return "discount"
