"""A period whose prices change within it: each stretch of it is rated by its own version.

Quantities go on counting through tiers, packages and included units, or start anew where the
version that begins says so (``restart_tiers``). A line goes on as the line of the same SKU and the
same ``line_by`` values. See ``going_on`` for what is counted, and what is shared out by days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from meterhouse.core.charge import BillingPeriod, Charge, MeteredUsage, Rating, UsageItem
from meterhouse.core.price_book import DiscountKind, Price, PriceBook
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.core.timezone import local_time, zone
from meterhouse.rating.amounts import amounts_of, digits_of
from meterhouse.rating.book_discounts import sum_of
from meterhouse.rating.counting import counted_apart
from meterhouse.rating.going_on import Course, amounts_within, by_days, due_by_days
from meterhouse.rating.lines import Line, lines_of
from meterhouse.rating.rate import charge_of
from meterhouse.rating.ratio import NOTHING, Ratio
from meterhouse.rating.reducing import Held, held_to
from meterhouse.rating.refusing import Refusals

_Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some days of a billing period, the version that holds in them, and the usage of these days.

    ``days`` is how many they are, ``charged`` how many of them the contract has.
    """

    book: PriceBook
    period: BillingPeriod
    days: int
    charged: int
    usage: Sequence[MeteredUsage] = ()


def rate_stretches(
    stretches: Sequence[Stretch], *, customer: str, floor: bool = False
) -> tuple[Rating, ...]:
    """Price all usage of a customer in a period, stretch by stretch; a rating for each.

    One stretch alone is rated as ``rate`` does it, which says what ``floor`` is.
    """
    apart = [counted_apart(one.book, one.usage, customer=customer) for one in stretches]
    found = [
        lines_of(one.book, left.usage, customer=customer)
        for one, left in zip(stretches, apart, strict=True)
    ]
    charges: list[list[Charge]] = [[] for _ in stretches]
    refusals = [Refusals(floor) for _ in stretches]
    for run in runs_of(stretches):
        rated = _Run(stretches, run, [found[place].lines for place in run])
        for place in run:
            charges[place] = list(rated.charges(place, refusals[place]))
    return tuple(
        Rating(
            tuple(some),
            (*lines.unpriced, *refused.unpriced),
            left.counted,
            tuple(refused.floored),
        )
        for some, lines, left, refused in zip(charges, found, apart, refusals, strict=True)
    )


def runs_of(stretches: Sequence[Stretch]) -> list[range]:
    """Return the places of stretches through which quantities go on counting."""
    starts = [0, *(n for n, one in enumerate(stretches) if n and one.book.restart_tiers)]
    ends = (*starts[1:], len(stretches))
    return [range(start, end) for start, end in zip(starts, ends, strict=True)]


def weights_of(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Return of how many parts of a period how many each stretch has: of the days charged.

    Where none is charged, of all days.
    """
    charged = sum(one.charged for one in stretches)
    days = sum(one.days for one in stretches)
    return [(one.charged, charged) if charged else (one.days, days) for one in stretches]


def shares_of(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Return of how many days of the period how many are charged in each stretch."""
    days = sum(one.days for one in stretches)
    return [(one.charged, days) for one in stretches]


@dataclass(slots=True)
class _Sofar:
    """What a line has come to in earlier stretches."""

    items: list[UsageItem] = field(default_factory=list)
    begun: bool = False
    net: Decimal = ZERO
    discounts: Ratio = NOTHING
    minimum: Ratio = NOTHING


class _Run:
    """Stretches through which quantities go on counting: ask for their charges in their order."""

    def __init__(
        self, stretches: Sequence[Stretch], run: range, lines: Sequence[Sequence[Line]]
    ) -> None:
        self._stretches, self._run = stretches, run
        self._weights, self._shares = weights_of(stretches), shares_of(stretches)
        self._weight = sum(self._weights[place][0] for place in run), self._weights[0][1]
        #: One stretch that has all of the period is rated as the period is.
        self._alone = len(run) == 1 and self._weights[run.start][0] == self._weight[1]
        self._whole: dict[_Key, list[UsageItem]] = {}
        for line in (line for some in lines for line in some):
            self._whole.setdefault(_key(line), []).extend(line.items)
        self._lines = {
            place: list(self._planned(place, some)) for place, some in zip(run, lines, strict=True)
        }
        self._last = {_key(line): place for place in run for line in self._lines[place]}
        self._sofar: dict[_Key, _Sofar] = {}

    def _planned(self, place: int, lines: Sequence[Line]) -> Iterator[Line]:
        """Yield lines in the order of the book; of the days alone, what other stretches use."""
        book, by_sku = self._stretches[place].book, dict[str, dict[_Key, Line]]()
        for line in lines:
            if line.items or self._shares[place][0]:
                by_sku.setdefault(line.price.sku, {})[_key(line)] = line
        for price in book.prices:
            found = by_sku.get(price.sku, {})
            keys = list(found)
            if self._weights[place][0] and due_by_days(price):
                keys += (key for key in self._used(price) if key not in found)
            for key in sorted(keys, key=lambda key: _values(price.line_by, key)):
                yield found.get(key) or Line(price, dict(key[1]))

    def _used(self, price: Price) -> Iterator[_Key]:
        names = sorted(price.line_by)
        for key, items in self._whole.items():
            if key[0] == price.sku and items and [name for name, _ in key[1]] == names:
                yield key

    def charges(self, place: int, refusals: Refusals) -> Iterator[Charge]:
        """Yield what a stretch is charged."""
        stretch = self._stretches[place]
        for line in self._lines[place]:
            sofar = self._sofar.setdefault(_key(line), _Sofar())
            charge = refusals.charge(line, partial(self._charge, place=place, sofar=sofar))
            sofar.items += line.items
            sofar.begun = True
            if charge is not None:
                sofar.net = EXACT.add(sofar.net, charge.net)
                yield _dated(charge, stretch) if len(self._stretches) > 1 else charge

    def _charge(self, line: Line, place: int, sofar: _Sofar) -> Charge:
        book = self._stretches[place].book
        course = Course(
            before=sofar.items,
            whole=self._whole[_key(line)],
            begun=sofar.begun,
            weight=self._weights[place],
            share=self._shares[place],
        )
        digits = digits_of(book)
        if self._alone:
            amounts = amounts_of(book, line, digits=digits, share=self._shares[place])
        else:
            held = self._held(line, place, sofar)
            amounts = amounts_within(book, line, course, digits=digits, held=held)
        return charge_of(book, line, amounts, period=self._stretches[place].period)

    def _held(self, line: Line, place: int, sofar: _Sofar) -> Held:
        """Return what a line is held to, less what it has come to in earlier stretches."""
        book, price, weight = self._stretches[place].book, line.price, self._weights[place]
        digits, mode = digits_of(book), book.rounding
        if weight[0] == weight[1]:
            return held_to(price, digits=digits, mode=mode)
        sofar.minimum = sofar.minimum.plus(by_days(price.minimum, weight))
        amounts = [one.value for one in price.discounts if one.kind is DiscountKind.AMOUNT]
        before = sofar.discounts.rounded(digits, mode)
        sofar.discounts = sofar.discounts.plus(by_days(sum_of(amounts), weight))
        due = sofar.minimum if self._last[_key(line)] == place else NOTHING

        def left(amount: Ratio, taken: Decimal) -> Decimal:
            return max(EXACT.subtract(amount.rounded(digits, mode), taken), ZERO)

        maximum = None
        if price.maximum is not None:
            maximum = left(by_days(price.maximum, self._weight), sofar.net)
        # Usage that is taken back later gives back what earlier stretches have charged.
        minimum = EXACT.subtract(due.rounded(digits, mode), sofar.net)
        return Held(left(sofar.discounts, before), maximum, minimum)


def _key(line: Line) -> _Key:
    return line.price.sku, tuple(sorted(line.fields.items()))


def _values(names: Sequence[str], key: _Key) -> list[str]:
    fields = dict(key[1])
    return [fields[name] for name in names if name in fields]


def _dated(charge: Charge, stretch: Stretch) -> Charge:
    """Have a charge say which days it is for, and which version has its prices."""
    there = zone(stretch.period.timezone)
    first = local_time(stretch.period.start, there).date()
    last = local_time(stretch.period.end, there).date() - timedelta(days=1)
    return replace(charge, name=f"{charge.name} ({first} to {last}, prices {stretch.book.version})")
