"""A period whose prices change within it: each stretch of it is rated by its own version.

Quantities go on counting through tiers, packages and included units, or start anew where the
version that begins says so (``restart_tiers``). A line goes on as the line of the same SKU and the
same ``line_by`` values. See ``going_on`` for what is counted, and what is shared out by days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from meterhouse.core.charge import BillingPeriod, Charge, MeteredUsage, Rating, UsageItem
from meterhouse.core.price_book import Price, PriceBook
from meterhouse.core.timezone import local_time, zone
from meterhouse.rating.amounts import Amounts, amounts_of, digits_of
from meterhouse.rating.counting import counted_apart
from meterhouse.rating.going_on import Course, amounts_within, due_by_days, enters
from meterhouse.rating.lines import Line, lines_of
from meterhouse.rating.rate import charge_of
from meterhouse.rating.refusing import Refusals
from meterhouse.rating.settling import Share, settled

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
    stretches: Sequence[Stretch],
    *,
    customer: str,
    floor: bool = False,
    unused: Collection[str] | None = None,
) -> tuple[Rating, ...]:
    """Price all usage of a customer in a period, stretch by stretch; a rating for each.

    One stretch alone is rated as ``rate`` does it, which says what ``floor`` is. ``unused`` are the
    prices that may be due without usage, if not all.
    """
    apart = [counted_apart(one.book, one.usage, customer=customer) for one in stretches]
    found = [
        lines_of(one.book, left.usage, customer=customer, unused=unused)
        for one, left in zip(stretches, apart, strict=True)
    ]
    charges: list[list[Charge]] = [[] for _ in stretches]
    refusals = [Refusals(floor) for _ in stretches]
    for run in runs_of(stretches):
        rated = _Run(stretches, run, [found[place].lines for place in run])
        for place, some in rated.charges(refusals).items():
            charges[place] = some
    return tuple(
        Rating(
            tuple(some),
            (*left.unpriced, *lines.unpriced, *refused.unpriced),
            left.counted,
            tuple(refused.floored),
            tuple(left.usage),
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
    """What a line had in earlier stretches. ``begun``: its first tier was entered in one."""

    items: list[UsageItem] = field(default_factory=list)
    begun: bool = False


class _Run:
    """Stretches through which quantities go on counting."""

    def __init__(
        self, stretches: Sequence[Stretch], run: range, lines: Sequence[Sequence[Line]]
    ) -> None:
        self._stretches, self._run = stretches, run
        self._weights, self._shares = weights_of(stretches), shares_of(stretches)
        if not any(one.charged for one in stretches):
            # Of a period in which nothing is charged for, usage is paid for, and nothing else.
            lines = [[line for line in some if line.used] for some in lines]
        days = sum(one.days for one in stretches)
        self._days = [(one.days, days) for one in stretches]
        first, whole = self._weights[run.start]
        #: One stretch that has all of the period is rated as the period is.
        self._alone = len(run) == 1 and first == whole
        self._whole: dict[_Key, list[UsageItem]] = {}
        for line in (line for some in lines for line in some):
            self._whole.setdefault(_key(line), []).extend(line.items)
        self._lines = {
            place: list(self._planned(place, some)) for place, some in zip(run, lines, strict=True)
        }
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

    def charges(self, refusals: Sequence[Refusals]) -> dict[int, list[Charge]]:
        """Return what each stretch is charged."""
        found: dict[int, dict[_Key, tuple[Line, Amounts]]] = {one: {} for one in self._run}
        every = [(place, line) for place in self._run for line in self._lines[place]]
        for place, line in every:
            sofar = self._sofar.setdefault(_key(line), _Sofar())
            amounts = refusals[place].made(line, partial(self._amounts, place=place, sofar=sofar))
            sofar.items += line.items
            sofar.begun |= enters(line)
            if amounts is not None:
                found[place][_key(line)] = line, amounts
        if not self._alone:
            self._settle(found)
        return {
            place: [self._charge(place, *one) for one in some.values()]
            for place, some in found.items()
        }

    def _amounts(self, line: Line, place: int, sofar: _Sofar) -> Amounts:
        book, share = self._stretches[place].book, self._shares[place]
        if self._alone:
            return amounts_of(book, line, digits=digits_of(book), share=share)
        course = Course(
            before=sofar.items,
            whole=self._whole[_key(line)],
            begun=sofar.begun,
            weight=self._weights[place],
            share=share,
        )
        return amounts_within(book, line, course, digits=digits_of(book))

    def _settle(self, found: Mapping[int, dict[_Key, tuple[Line, Amounts]]]) -> None:
        """Put amounts as they come to after all that is taken off them."""
        digits = digits_of(self._stretches[self._run.start].book)
        for key in self._sofar:
            places, shares = [], []
            for place, share in self._shares_in(key):
                places.append(place)
                shares.append(share)
            lines = {
                number: found[place][key][1]
                for number, place in enumerate(places)
                if key in found[place]
            }
            for number, amounts in settled(shares, lines, digits=digits).items() if lines else ():
                place = places[number]
                found[place][key] = found[place][key][0], amounts

    def _shares_in(self, key: _Key) -> Iterator[tuple[int, Share]]:
        """Yield the stretches whose versions have the price of a line, with its share there."""
        names = [name for name, _ in key[1]]
        for place in self._run:
            book = self._stretches[place].book
            for price in book.prices:
                if price.sku == key[0] and sorted(price.line_by) == names:
                    of = self._weights[place], self._days[place], self._shares[place]
                    yield place, Share(book, price, *of)

    def _charge(self, place: int, line: Line, amounts: Amounts) -> Charge:
        stretch = self._stretches[place]
        charge = charge_of(stretch.book, line, amounts, period=stretch.period)
        return _dated(charge, stretch) if len(self._stretches) > 1 else charge


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
