"""Which price usage is for: the most specific; among equals the higher priority; no ties.

Prices are indexed by the fields that they name and the first one's values, and each distinct
combination of fields is decided once, so that a million items take as many look-ups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.price_book import Price
from meterhouse.core.price_book_lint import is_fee
from meterhouse.rating.asked import ABSENT, certain_fields, dimensions, has_cells

Rank = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Matched:
    """The price at its place in the book, or why there is none.

    ``skus``: between which prices it is ambiguous, or in which a value is missing.
    """

    place: int = -1
    unpriced: str = ""
    skus: tuple[str, ...] = ()


def rank(price: Price) -> Rank:
    """Return what decides between prices that hold for the same usage: the greater one wins."""
    return price.match.specificity, price.priority


class Matcher:
    """Finds prices of a book. Equal combinations of fields are decided once.

    ``ranked`` is what decides between them.
    """

    def __init__(self, prices: Sequence[Price], *, ranked: Callable[[Price], Rank] = rank) -> None:
        self._prices, self._ranked = prices, ranked
        self._index: dict[tuple[str, ...], dict[str, list[int]]] = {}
        names: set[str] = set()
        for place, price in enumerate(prices):
            if not is_fee(price):
                certain = certain_fields(price)
                names.update(certain, dimensions(price))
                firsts = price.match.fields[certain[0]] if certain else (ABSENT,)
                by_first = self._index.setdefault(certain, defaultdict(list))
                for text in firsts:
                    by_first[text].append(place)
        #: The fields on which a decision depends.
        self.names = tuple(sorted(names))
        self._decided: dict[tuple[str | None, ...], Matched] = {}

    def match(self, fields: Mapping[str, str]) -> Matched:
        """Return the price for these fields."""
        key = tuple(map(fields.get, self.names))
        decided = self._decided.get(key)
        if decided is None:
            decided = self._decided[key] = self._decide(fields)
        return decided

    def _decide(self, fields: Mapping[str, str]) -> Matched:
        found: list[int] = []
        for certain, by_first in self._index.items():
            first = fields.get(certain[0], ABSENT) if certain else ABSENT
            found += (place for place in by_first.get(first, ()) if self._holds(place, fields))
        if not found:
            return Matched(unpriced="no_price")
        ranks = {place: self._ranked(self._prices[place]) for place in found}
        best = max(ranks.values())
        winners = sorted(place for place in found if ranks[place] == best)
        skus = tuple(self._prices[place].sku for place in winners)
        if len(winners) > 1:
            return Matched(unpriced="ambiguous", skus=skus)
        if not has_cells(self._prices[winners[0]], fields):
            return Matched(unpriced="no_value", skus=skus)
        return Matched(winners[0])

    def _holds(self, place: int, fields: Mapping[str, str]) -> bool:
        wanted = self._prices[place].match.fields
        return all(not texts or fields.get(name, ABSENT) in texts for name, texts in wanted.items())
