"""Periods whose prices change, and an oracle: record by record, in order of time, with fractions.

It knows nothing of differences of ratings: it pours each record into the tiers of the version that
holds when it was used, from where the records before it have filled them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil
from random import Random

from meterhouse.core.charge import BillingPeriod, Charge, MeteredUsage
from meterhouse.core.instant import DAY
from meterhouse.core.price_book import (
    Graduated,
    Included,
    Matrix,
    Package,
    PerUnit,
    Price,
    PriceModel,
    Tier,
    Volume,
)
from meterhouse.rating.stretches import Stretch
from tests.rating.books import book, used

DAYS = 31


@dataclass(frozen=True)
class Use:
    """A record: in which stretch it was used, how much, and of which cell."""

    stretch: int
    quantity: Decimal
    cell: str = ""


def stretches(
    prices: Sequence[Price], firsts: Sequence[int], uses: Sequence[Use], **more: object
) -> list[Stretch]:
    """Stretches from days on, each with a price; each has its uses as records of three meters."""
    ends = [*firsts[1:], DAYS]
    made = []
    for place, (price, first, end) in enumerate(zip(prices, firsts, ends, strict=True)):
        of_book = book(price, version=str(place + 1), hash=f"{place:064}", **more)
        period = BillingPeriod(first * DAY, end * DAY, "UTC")
        mine = [use for use in uses if use.stretch == place]
        made.append(Stretch(of_book, period, end - first, end - first, list(_records(mine))))
    return made


def _records(uses: Sequence[Use]) -> Iterator[MeteredUsage]:
    for meter in range(3):
        mine = uses[meter::3]
        if mine:
            cells = {"cell": [((use.cell,), use.quantity) for use in mine]}
            total = sum((use.quantity for use in mine), Decimal(0))
            yield used(total, f"r{meter}", breakdowns=cells if mine[0].cell else None)


def costs(prices: Sequence[Price], days: Sequence[int], uses: Sequence[Use]) -> list[Fraction]:
    """Return what each stretch costs."""
    return list(_Oracle(prices, days, uses).costs())


class _Oracle:
    def __init__(self, prices: Sequence[Price], days: Sequence[int], uses: Sequence[Use]) -> None:
        self.prices, self.days, self.uses = prices, days, uses
        self.total = sum((Fraction(use.quantity) for use in uses), Fraction(0))

    def costs(self) -> Iterator[Fraction]:
        sofar: list[Use] = []
        begun = False
        for place, price in enumerate(self.prices):
            cost = Fraction(0)
            used = any(use.stretch == place for use in self.uses)
            if isinstance(price.model, Graduated) and not begun:
                # The first tier is entered by what is used first, and without usage if it asks.
                flat = price.model.tiers[0].flat
                begun = used or bool(flat)
                cost += Fraction(flat) if begun else 0
            begun = begun or any(use.stretch == place and use.quantity for use in self.uses)
            for use in self.uses:
                if use.stretch == place:
                    cost += self._cost(price, sofar, use)
                    sofar.append(use)
            yield cost + self._flat(price, place)

    def _flat(self, price: Price, place: int) -> Fraction:
        """The flat amount of the one tier that holds all of the period, by days."""
        if not isinstance(price.model, Volume):
            return Fraction(0)
        tier = _holding(price.model.tiers, _charged(self.total, price))
        return Fraction(tier.flat) * Fraction(self.days[place], sum(self.days))

    def _cell(self, use: Use) -> str:
        """The cell of a use as prices see it: none where the version of its days asks for none."""
        asks = isinstance(self.prices[use.stretch].model, Matrix)
        return f'"{use.cell}"' if asks else "null"

    def _by_cell(self, price: Price, uses: Sequence[Use]) -> dict[str, Fraction]:
        """What of each cell is charged: those without a price have free units before others."""
        free, charged = Fraction(price.included), {}
        sums: dict[str, Fraction] = {}
        for use in uses:
            cell = self._cell(use)
            sums[cell] = sums.get(cell, Fraction(0)) + Fraction(use.quantity)
        for cell in sorted(sums, key=lambda cell: (_price_of(price, cell) is not None, cell)):
            taken = min(sums[cell], free)
            free, charged[cell] = free - taken, sums[cell] - taken
        return charged

    def _cells(self, price: Price, sofar: Sequence[Use], use: Use) -> Iterator[Fraction]:
        """What one more record costs in each cell; nothing in those that only others price."""
        before, after = self._by_cell(price, sofar), self._by_cell(price, [*sofar, use])
        for cell in after:
            more, unit = after[cell] - before.get(cell, Fraction(0)), _price_of(price, cell)
            assert unit is not None or not more
            yield Fraction(0) if unit is None else more * Fraction(unit) / Fraction(price.per)

    def _cost(self, price: Price, sofar: Sequence[Use], use: Use) -> Fraction:
        model, per = price.model, Fraction(price.per)
        before = sum((Fraction(one.quantity) for one in sofar), Fraction(0))
        start = _charged(before, price)
        end = _charged(before + Fraction(use.quantity), price)
        if isinstance(model, PerUnit):
            return (end - start) * Fraction(model.price) / per
        if isinstance(model, Volume):
            tier = _holding(model.tiers, _charged(self.total, price))
            return (end - start) * Fraction(tier.price) / per
        if isinstance(model, Package):
            return _opened(model, start, end) * Fraction(model.price)
        if isinstance(model, Matrix):
            return sum(self._cells(price, sofar, use), Fraction(0))
        if isinstance(model, Included):
            return Fraction(0)
        assert isinstance(model, Graduated)
        return _poured(model.tiers, start, end, per)


def _charged(quantity: Fraction, price: Price) -> Fraction:
    return max(quantity - Fraction(price.included), Fraction(0))


def _holding(tiers: Sequence[Tier], quantity: Fraction) -> Tier:
    return next(one for one in tiers if one.up_to is None or quantity <= Fraction(one.up_to))


def _poured(tiers: Sequence[Tier], start: Fraction, end: Fraction, per: Fraction) -> Fraction:
    cost, low = Fraction(0), Fraction(0)
    for number, tier in enumerate(tiers):
        high = end if tier.up_to is None else Fraction(tier.up_to)
        inside = min(end, high) - max(start, low)
        if inside > 0:
            cost += inside * Fraction(tier.price) / per
        entered = number > 0 and start <= low < end
        cost += Fraction(tier.flat) if entered else 0
        low = high
    return cost


def _opened(model: Package, start: Fraction, end: Fraction) -> int:
    """How many packages are opened, or filled, on the way."""
    size, free = Fraction(model.size), Fraction(model.free)
    low, high = max(start - free, Fraction(0)), max(end - free, Fraction(0))
    if model.round_down:
        return high // size - low // size
    return sum(1 for n in range(ceil(high / size)) if low <= n * size)


def equal(found: Sequence[Charge], cost: Fraction) -> bool:
    """Whether charges come to a cost, but for the digits of what has no end."""
    exact = sum((Fraction(charge.exact) for charge in found), Fraction(0))
    return abs(exact - cost) < Fraction(1, 10**20)


def _price_of(price: Price, cell: str) -> Decimal | None:
    assert isinstance(price.model, Matrix)
    return price.model.values.get((cell,), price.model.default)


def cells_of(price: Price) -> str:
    """The cells that a price is for."""
    if not isinstance(price.model, Matrix):
        return "abc"
    return "".join(cell for cell in "abc" if _price_of(price, f'"{cell}"') is not None)


def some_cells(chance: Random) -> PriceModel:
    """A matrix of some of three cells; one in two has a price for the others."""
    cells = chance.sample("abc", chance.randrange(1, 4))
    prices = {(f'"{cell}"',): Decimal(chance.randrange(100)) for cell in cells}
    return Matrix(("cell",), prices, Decimal(7) if chance.random() < 0.5 else None)


def matrix(chance: Random) -> PriceModel:
    """A matrix of three cells."""
    prices = {(f'"{cell}"',): Decimal(chance.randrange(100)) for cell in "abc"}
    return Matrix(("cell",), prices)


def changed(chance: Random, price: Price, makers: Sequence[object]) -> Price:
    """The price of the next version: the same, or of the same model with other figures."""
    if chance.random() < 0.3:
        return price
    for maker in makers:
        other = maker(chance)
        if type(other) is type(price.model):
            return replace(price, model=other, included=Decimal(chance.choice((0, 5, 50))))
    raise AssertionError("no maker makes such a model")
