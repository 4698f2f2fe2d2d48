"""Discounts of the whole invoice: each line gets its share of them, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce

from meterhouse.core.charge import Reduction
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.money import Rounding, rounded, shared_out
from meterhouse.core.price_book import Discount, DiscountKind
from meterhouse.core.quantity import EXACT, ZERO, number_text


def discounted(
    lines: Sequence[InvoiceLine],
    discounts: Sequence[Discount],
    *,
    digits: int,
    rounding: Rounding,
) -> list[InvoiceLine]:
    """Take the discounts of a price book off lines, one discount after the other.

    A percentage is one of what the lines come to together, rounded once; of negative lines it
    gives back what a discount took before. It is shared out, like an amount, over the lines by what
    they come to, by largest remainder; an amount is at most what all of them come to. No line gets
    below 0. Discounts of usage are of prices, never of books.
    """
    made = list(lines)
    for discount in discounts:
        if discount.kind is DiscountKind.AMOUNT:
            shares = _shares_of(made, discount.value, digits)
        else:
            assert discount.kind is DiscountKind.PERCENTAGE
            shares = _percent(made, discount.value, digits, rounding)
        name = discount.name or _name(discount)
        made = [
            reduced(line, Reduction(name, "discount", share))
            for line, share in zip(made, shares, strict=True)
        ]
    return made


def reduced(line: InvoiceLine, reduction: Reduction) -> InvoiceLine:
    """Return a line without its share of a reduction; a share of 0 is none."""
    if not reduction.amount:
        return line
    net = EXACT.subtract(line.net, reduction.amount)
    return replace(line, net=net, shares=(*line.shares, reduction))


def sum_of(amounts: Sequence[Decimal]) -> Decimal:
    """Add amounts up, exactly."""
    return reduce(EXACT.add, amounts, ZERO)


def shares_over(bases: Sequence[Decimal], amount: Decimal, *, digits: int) -> list[Decimal]:
    """Share an amount out over what is above 0; none of them gets below 0 by it.

    Where the amount is more than there is, only what there is is shared out.

    >>> shares_over([Decimal("3.00"), Decimal("-1.00"), Decimal("1.00")], Decimal(9), digits=2)
    [Decimal('3.00'), Decimal('0'), Decimal('1.00')]
    """
    weights = [max(base, ZERO) for base in bases]
    total = rounded(min(amount, sum_of(weights)), digits, Rounding.DOWN)
    return shared_out(total, weights, digits) if total > ZERO else [ZERO] * len(weights)


def _shares_of(lines: Sequence[InvoiceLine], amount: Decimal, digits: int) -> list[Decimal]:
    bases = [line.net for line in lines]
    return shares_over(bases, min(amount, sum_of(bases)), digits=digits)


def _percent(
    lines: Sequence[InvoiceLine], percent: Decimal, digits: int, rounding: Rounding
) -> list[Decimal]:
    """Share out a percentage of all lines: that of those below 0 is given back by the others."""

    def of(amounts: Sequence[Decimal]) -> Decimal:
        exact = EXACT.scaleb(EXACT.multiply(sum_of(amounts), percent), -2)
        return rounded(exact, digits, rounding)

    bases = [line.net for line in lines]
    below = [max(base.copy_negate(), ZERO) for base in bases]
    back = of(below)
    taken = shares_over(bases, EXACT.add(of(bases), back), digits=digits)
    given = shares_over(below, back, digits=digits)
    return [EXACT.subtract(one, other) for one, other in zip(taken, given, strict=True)]


def _name(discount: Discount) -> str:
    percentage = discount.kind is DiscountKind.PERCENTAGE
    return f"{number_text(discount.value)} % discount" if percentage else "Discount"
