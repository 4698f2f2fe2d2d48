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


def reduced(price: Price, gross: Decimal, *, digits: int, mode: Rounding) -> Reduced:
    """Apply what the price says of the amount of a line."""
    reductions = []
    net = gross
    for reduction in _reductions(price, gross, digits=digits, mode=mode):
        reductions.append(reduction)
        net = EXACT.subtract(net, reduction.amount)
    minimum = ZERO if price.minimum is None else rounded(price.minimum, digits, mode)
    lacking = max(EXACT.subtract(minimum, net), ZERO)
    return Reduced(tuple(reductions), lacking, EXACT.add(net, lacking))


def _reductions(
    price: Price, gross: Decimal, *, digits: int, mode: Rounding
) -> Iterator[Reduction]:
    """Percentages before amounts, each of what is left; then what is above the maximum."""
    left = gross
    percentages = [one for one in price.discounts if one.kind is DiscountKind.PERCENTAGE]
    amounts = [one for one in price.discounts if one.kind is DiscountKind.AMOUNT]
    for discount in (*percentages, *amounts):
        amount = min(_discount_amount(discount, left, digits=digits, mode=mode), left)
        if amount:
            left = EXACT.subtract(left, amount)
            yield Reduction(discount.name or _discount_name(discount), "discount", amount)
    if price.maximum is not None:
        maximum = rounded(price.maximum, digits, mode)
        if left > maximum:
            yield Reduction("maximum", "maximum", EXACT.subtract(left, maximum))


def _discount_amount(discount: Discount, left: Decimal, *, digits: int, mode: Rounding) -> Decimal:
    if discount.kind is DiscountKind.AMOUNT:
        return rounded(discount.value, digits, mode)
    factor = EXACT.multiply(discount.value, _HUNDREDTH)
    return rounded(EXACT.multiply(left, factor), digits, mode)


def _discount_name(discount: Discount) -> str:
    if discount.kind is DiscountKind.PERCENTAGE:
        return f"{number_text(discount.value)} % discount"
    return "discount"
