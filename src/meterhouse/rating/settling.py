"""What the lines of a run of stretches come to: rounded, reduced, and held to what is promised.

Theory of operation. A line and those that it goes on as, in the stretches after it, are settled as
one. Amounts are rounded as they grow, those of each tier where the book says so, and a percentage
is that of all up to a stretch less that of all before it. Amounts off, maxima and minima are for a
period: each version adds the share of its days, and the sums hold for all these lines. So equal
versions come to what one rating does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from meterhouse.core.charge import Reduction
from meterhouse.core.money import Rounding
from meterhouse.core.price_book import Discount, DiscountKind, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.amounts import Amounts
from meterhouse.rating.book_discounts import sum_of
from meterhouse.rating.going_on import due_share
from meterhouse.rating.measure import Part
from meterhouse.rating.ratio import NOTHING, Ratio, total_of
from meterhouse.rating.reducing import discount_name, percentages_off

_NOT_BELOW = "no more is given back than was charged"
_Step = tuple[object, ...]
#: All of a line, as a step: those of models begin with a number.
_LINE: _Step = ()


@dataclass(frozen=True, slots=True)
class Share:
    """The price of a line in one stretch, whether or not anything was used of it then.

    ``weight``: of amounts for a period, so many of so many parts are for the stretch, by the days
    that are charged; ``days`` by all days; ``share`` of those that are prorated by the contract.
    """

    book: PriceBook
    price: Price
    weight: tuple[int, int]
    days: tuple[int, int]
    share: tuple[int, int]

    @property
    def least(self) -> Ratio:
        """The part of the minimum that is due for the stretch."""
        price = self.price
        of = due_share(self.weight, self.share, prorated=price.prorate_minimum)
        return Ratio(price.minimum or ZERO).times(*of)


@dataclass(slots=True)
class _Settling:
    place: int
    of: Share
    begun: Amounts
    parts: list[Part]
    exact: Ratio
    gross: Decimal
    left: Decimal = ZERO
    reductions: list[Reduction] = field(default_factory=list)

    def add(self, label: str, amount: Decimal) -> None:
        """Add a part that is money already."""
        self.parts.append(Part(label, Ratio(amount), flat=amount))
        self.exact = self.exact.plus(Ratio(amount))
        self.gross = EXACT.add(self.gross, amount)
        self.left = EXACT.add(self.left, amount)

    def take(self, name: str, kind: str, amount: Decimal) -> None:
        if amount:
            self.reductions.append(Reduction(name, kind, amount))
            self.left = EXACT.subtract(self.left, amount)

    def amounts(self) -> Amounts:
        return replace(
            self.begun,
            parts=tuple(self.parts),
            exact=self.exact,
            gross=self.gross,
            reductions=tuple(self.reductions),
            net=self.left,
        )


def settled(
    shares: Sequence[Share], lines: Mapping[int, Amounts], *, digits: int
) -> dict[int, Amounts]:
    """Settle a line with those that it goes on as: what is left of each, by its place in shares.

    What lacks to the minima is added to the last one.
    """
    made = [
        _Settling(place, shares[place], one, list(one.parts), one.exact, one.gross)
        for place, one in sorted(lines.items())
    ]
    _round(made, digits)
    _percentages(made, digits)
    _amounts_off(made, shares, digits)
    _hold_to_maximum(made, shares, digits)
    _hold_to_minimum(made, shares, digits)
    return {one.place: one.amounts() for one in made}


def _round(made: Sequence[_Settling], digits: int) -> None:
    sofar: dict[_Step, Ratio] = {}
    before = ZERO
    for one in made:
        tiers = one.of.book.round_tiers
        steps = [(part.step, part.amount) for part in one.parts] if tiers else [(_LINE, one.exact)]
        mode = one.of.book.rounding
        grown = [_grown(sofar, *step, digits=digits, mode=mode) for step in steps]
        one.left = one.gross = sum_of(grown)
        # Later prices may be higher: what is taken back at them is no more than was charged.
        lacking = EXACT.add(before, one.gross).copy_negate()
        if lacking > ZERO:
            one.add(_NOT_BELOW, lacking)
            if not tiers:
                sofar[_LINE] = sofar[_LINE].plus(Ratio(lacking))
        before = EXACT.add(before, one.gross)


def _grown(
    sofar: dict[_Step, Ratio], step: _Step, amount: Ratio, *, digits: int, mode: Rounding
) -> Decimal:
    """Return by how much an amount grows, rounded before and after."""
    before = sofar.get(step, NOTHING)
    sofar[step] = after = before.plus(amount)
    return EXACT.subtract(after.rounded(digits, mode), before.rounded(digits, mode))


def _percentages(made: Sequence[_Settling], digits: int) -> None:
    sofar = ZERO
    for one in made:
        price, mode = one.of.price, one.of.book.rounding
        before = percentages_off(price, sofar, digits=digits, mode=mode)
        sofar = EXACT.add(sofar, one.gross)
        after = percentages_off(price, sofar, digits=digits, mode=mode)
        for (discount, amount), (_, taken) in zip(after, before, strict=True):
            one.take(discount_name(discount), "discount", EXACT.subtract(amount, taken))


def _amounts_off(made: Sequence[_Settling], shares: Sequence[Share], digits: int) -> None:
    """Share amounts off out by days; what is more than a line comes to, others have."""
    having = [one for one in made if _amounts(one.of.price)]
    if not having:
        return
    sums = [sum_of([one.value for one in _amounts(share.price)]) for share in shares]
    mode = having[-1].of.book.rounding
    # What others give back is taken off less, too; but they have no part in what is taken off.
    whole = max(min(sum_of([one.left for one in some]) for some in (made, having)), ZERO)
    total = min(_by_days(sums, shares).rounded(digits, mode), whole)
    taken, by_place = ZERO, dict[int, Decimal]()
    for number, one in enumerate(having):
        end = one.place + 1
        due = _by_days(sums[:end], shares[:end]).rounded(digits, mode)
        later = sum_of([max(other.left, ZERO) for other in having[number + 1 :]])
        rest = EXACT.subtract(total, taken)
        off = max(EXACT.subtract(due, taken), EXACT.subtract(rest, later), ZERO)
        off = min(off, max(one.left, ZERO), rest)
        taken = EXACT.add(taken, off)
        _take_off(one, off, by_place, digits)


def _take_off(one: _Settling, amount: Decimal, by_place: dict[int, Decimal], digits: int) -> None:
    """Take an amount off by the discounts of a price, each as far as it goes; the last has all."""
    discounts = _amounts(one.of.price)
    for place, discount in enumerate(discounts):
        taken = by_place.get(place, ZERO)
        own = min(amount, max(EXACT.subtract(discount.value, taken), ZERO))
        own = (
            amount
            if place == len(discounts) - 1
            else Ratio(own).rounded(digits, one.of.book.rounding)
        )
        by_place[place] = EXACT.add(taken, own)
        amount = EXACT.subtract(amount, own)
        one.take(discount_name(discount), "discount", own)


def _amounts(price: Price) -> list[Discount]:
    return [one for one in price.discounts if one.kind is DiscountKind.AMOUNT]


def _hold_to_maximum(made: Sequence[_Settling], shares: Sequence[Share], digits: int) -> None:
    """Lines fill a maximum in their order: from the last one on, they are what exceeds it."""
    having = [one for one in made if one.of.price.maximum is not None]
    if not having:
        return
    limited = [share for share in shares if share.price.maximum is not None]
    maxima = [share.price.maximum for share in limited]
    most = _by_days(maxima, limited)
    if not any(share.weight[0] for share in limited):
        # What was used is charged where no day is, and held to as much as if all were.
        most = _by_days(maxima, [replace(share, weight=share.days) for share in limited])
    over = EXACT.subtract(
        sum_of([one.left for one in having]),
        most.rounded(digits, having[-1].of.book.rounding),
    )
    for one in reversed(having):
        amount = max(min(one.left, over), ZERO)
        over = EXACT.subtract(over, amount)
        one.take("maximum", "maximum", amount)


def _hold_to_minimum(made: Sequence[_Settling], shares: Sequence[Share], digits: int) -> None:
    least = total_of(share.least for share in shares)
    net = sum_of([one.left for one in made])
    lacking = EXACT.subtract(least.rounded(digits, made[-1].of.book.rounding), net)
    if lacking > ZERO:
        made[-1].add("minimum", lacking)


def _by_days(amounts: Sequence[Decimal | None], shares: Sequence[Share]) -> Ratio:
    """Return what amounts for a period come to, each by its share of the days."""
    return total_of(
        Ratio(amount or ZERO).times(*share.weight)
        for amount, share in zip(amounts, shares, strict=True)
    )
