"""What becomes of a line's rounded amount: discounts, then the maximum, then the minimum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.charge import Reduction
from meterhouse.core.money import Rounding, rounded
from meterhouse.core.price_book import Discount, DiscountKind, Price
from meterhouse.core.proration import prorated
from meterhouse.core.quantity import EXACT, ZERO, number_text

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is taken off an amount, what a minimum adds to it, and what is left."""

    reductions: tuple[Reduction, ...]
    lacking: Decimal
    net: Decimal


def reduced(
    price: Price, gross: Decimal, *, digits: int, mode: Rounding, share: tuple[int, int]
) -> Reduced:
    """Apply what the price says of the amount of a line.

    ``share`` is how many of how many days are charged; where none is, nothing is due at least.
    """
    reductions = []
    net = gross
    for reduction in _reductions(price, gross, digits=digits, mode=mode):
        reductions.append(reduction)
        net = EXACT.subtract(net, reduction.amount)
    of = share if price.prorate_minimum or not share[0] else (1, 1)
    minimum = prorated(price.minimum or ZERO, of, digits=digits, mode=mode)
    lacking = max(EXACT.subtract(minimum, net), ZERO)
    return Reduced(tuple(reductions), lacking, EXACT.add(net, lacking))


def _reductions(
    price: Price, gross: Decimal, *, digits: int, mode: Rounding
) -> Iterator[Reduction]:
    """Percentages before amounts, each of what is left; then what is above the maximum."""
    left = gross
    for discount, amount in percentages_off(price, gross, digits=digits, mode=mode):
        if amount:
            left = EXACT.subtract(left, amount)
            yield Reduction(discount_name(discount), "discount", amount)
    for discount in price.discounts:
        amount = min(rounded(discount.value, digits, mode), left)
        if discount.kind is DiscountKind.AMOUNT and amount:
            left = EXACT.subtract(left, amount)
            yield Reduction(discount_name(discount), "discount", amount)
    if price.maximum is not None:
        maximum = rounded(price.maximum, digits, mode)
        if left > maximum:
            yield Reduction("maximum", "maximum", EXACT.subtract(left, maximum))


def percentages_off(
    price: Price, gross: Decimal, *, digits: int, mode: Rounding
) -> list[tuple[Discount, Decimal]]:
    """Return what each percentage of a price takes off an amount, one after the other."""
    left, taken = gross, []
    for discount in price.discounts:
        if discount.kind is DiscountKind.PERCENTAGE:
            factor = EXACT.multiply(discount.value, _HUNDREDTH)
            amount = min(rounded(EXACT.multiply(left, factor), digits, mode), left)
            left = EXACT.subtract(left, amount)
            taken.append((discount, amount))
    return taken


def discount_name(discount: Discount) -> str:
    """Return what a discount is called: by its own name, or by what it takes off."""
    if discount.name:
        return discount.name
    if discount.kind is DiscountKind.PERCENTAGE:
        return f"{number_text(discount.value)} % discount"
    return "discount"
