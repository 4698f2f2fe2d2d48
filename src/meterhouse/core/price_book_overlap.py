"""Prices that are for the same usage: which pairs of a book can hold for one item.

Ten thousand prices have fifty million pairs; only those that share a value of the field which tells
prices apart best are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from meterhouse.core.price_book import Match, Price

#: Nobody waits for more.
COMPARISONS_MAX = 2_000_000
FOUND_MAX = 1_000
_Fields = frozenset[str]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two prices of which the usage decides nothing.

    ``hidden``: the other has a higher priority, and takes all that the first could.
    """

    price: Price
    other: Price
    hidden: bool


def overlaps(prices: Sequence[Price]) -> tuple[list[Overlap], bool]:
    """Return pairs that can hold for one item, and whether these are all.

    Only as many fields and the same priority leave it open which one counts; as many fields and a
    higher priority can hide one.
    """
    found: list[Overlap] = []
    for steps, (left, right) in enumerate(_pairs(prices)):
        if steps >= COMPARISONS_MAX or len(found) >= FOUND_MAX:
            return found, False
        if (overlap := _overlap(left, right)) is not None:
            found.append(overlap)
    return found, True


def _overlap(left: Price, right: Price) -> Overlap | None:
    if left.priority == right.priority:
        return (
            Overlap(right, left, hidden=False) if can_both_hold(left.match, right.match) else None
        )
    low, high = (left, right) if left.priority < right.priority else (right, left)
    return Overlap(low, high, hidden=True) if _is_within(low.match, high.match) else None


def can_both_hold(left: Match, right: Match) -> bool:
    """Whether an item can have what both ask for."""
    return all(
        not values or not (others := right.fields.get(name)) or not values.isdisjoint(others)
        for name, values in left.fields.items()
    )


def _is_within(low: Match, high: Match) -> bool:
    """Whether all that one match holds for, another of the same fields holds for too."""
    asked = _asked(low)
    return _asked(high) == asked and all(low.fields[name] <= high.fields[name] for name in asked)


def _asked(match: Match) -> _Fields:
    return frozenset(name for name, values in match.fields.items() if values)


def _pairs(prices: Sequence[Price]) -> Iterator[tuple[Price, Price]]:
    """Yield the pairs that may overlap, each once."""
    by_fields: dict[_Fields, list[Price]] = defaultdict(list)
    for price in prices:
        by_fields[_asked(price.match)].append(price)
    for first, second in combinations_with_replacement(by_fields, 2):
        if len(first) == len(second):
            yield from _pairs_of(by_fields[first], by_fields[second], first & second)


def _pairs_of(
    left: Sequence[Price], right: Sequence[Price], common: _Fields
) -> Iterator[tuple[Price, Price]]:
    same = left is right
    if not common:
        yield from ((a, b) for i, a in enumerate(left) for b in right[i + 1 if same else 0 :])
        return
    field = max(sorted(common), key=lambda name: len(_by_value(right, name)))
    places: Mapping[str, list[int]] = _by_value(right, field)
    for place, price in enumerate(left):
        near = {near for value in price.match.fields[field] for near in places.get(value, ())}
        yield from ((price, right[other]) for other in sorted(near) if not same or other > place)


def _by_value(prices: Sequence[Price], field: str) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, price in enumerate(prices):
        for value in price.match.fields[field]:
            places[value].append(place)
    return places
