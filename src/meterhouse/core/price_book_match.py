"""Reading which usage a part of a price book is for: fields, and the values that they may have."""

from __future__ import annotations

from collections.abc import Mapping

from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import ANY, Match
from meterhouse.core.price_book_fields import BookFields
from meterhouse.core.reading import shown

FIELDS_MAX = 20
VALUES_MAX = 10_000


def read_match(own: BookFields, name: str = "match") -> Match:
    """Return which usage an object names; without it, any."""
    body = own.json_object(name)
    if len(body) > FIELDS_MAX:
        own.fail(name, f"has {len(body)} fields", f"at most {FIELDS_MAX} are allowed")
    return Match({field: _matched(own, f"{name}.{field}", body[field]) for field in body})


def _matched(own: BookFields, name: str, value: object) -> frozenset[str]:
    if value == ANY or value == [ANY]:
        return frozenset()
    values = value if isinstance(value, list) else [value]
    if not values:
        own.fail(name, "is empty", f'list values, or write "{ANY}" for any')
    if len(values) > VALUES_MAX:
        message = f"has {len(values)} values"
        own.fail(name, message, f"at most {VALUES_MAX:,} are allowed")
    for index, item in enumerate(values):
        if isinstance(item, Mapping | list) or item == ANY:
            place = f"{name}[{index}]" if values is value else name
            hint = f'write a text, a number, true, false or null; "{ANY}" stands alone'
            own.fail(place, f"is {shown(item)}", hint)
    return frozenset(map(canonical_text, values))
