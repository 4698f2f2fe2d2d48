"""Holding a price book against the usage that there is: what of it no price is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from meterhouse.app.listing import take
from meterhouse.app.ports import MeterTypes, Records
from meterhouse.core.charge import MeteredUsage, Unpriced
from meterhouse.core.json_text import NESTING_MAX, json_text, parse_json
from meterhouse.core.price_book import PriceBook
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import number_text
from meterhouse.rating import RatingError, rate
from meterhouse.rating.records import metered_usage

#: So many golden records are looked at, the first ones.
RECORDS_MAX = 100_000
_NAMED_MAX = 50
#: Why usage has no price, in words.
REASONS = {
    "no_price": "no price is for it",
    "ambiguous": "several prices are for it",
    "no_value": "its price has no cell for it",
    "no_breakdown": "prices ask for fields that its records have no breakdown by",
}


class UsageSeen:
    """The golden records of the ledger, as rating sees them. They are read once."""

    def __init__(self, records: Records, meter_types: MeterTypes) -> None:
        listed = take(partial(records.records, kind="golden"), limit=RECORDS_MAX)
        self._categories: dict[str, str] = {}
        self._meter_types = meter_types
        self.usage = [self._usage(parse_json(r.text, nesting_max=NESTING_MAX * 2)) for r in listed]

    def _usage(self, record: Mapping[str, Any]) -> MeteredUsage:
        return metered_usage(record, category=self._category(record["meterTypeId"]))

    def _category(self, id: str) -> str:
        if id not in self._categories:
            meter_type = self._meter_types.meter_type(id)
            self._categories[id] = "" if meter_type is None else meter_type.category
        return self._categories[id]


def unpriced_warnings(book: PriceBook, seen: UsageSeen) -> tuple[Problem, ...]:
    """Say which usage a book has no price for."""
    if not seen.usage:
        return (Problem("usage", "there are no golden records", "run a stream first"),)
    period = seen.usage[0].period
    try:
        rating = rate(book, seen.usage, period=period, customer=book.customer or "")
    except RatingError as error:
        return (Problem("usage", str(error.args[0]), error.hint),)
    # Single events are not read here: a draft says where they are not known.
    without = [one for one in rating.unpriced if one.reason != "no_events"]
    found = [_warning(unpriced) for unpriced in without[:_NAMED_MAX]]
    if len(without) > _NAMED_MAX:
        found.append(Problem("usage", f"{len(without) - _NAMED_MAX:,} more are unpriced"))
    return tuple(found)


def _warning(unpriced: Unpriced) -> Problem:
    fields = json_text({name: parse_json(text) for name, text in unpriced.fields.items()})
    reason = REASONS.get(unpriced.reason, unpriced.reason)
    skus = f" ({', '.join(unpriced.skus)})" if unpriced.skus else ""
    message = f"{number_text(unpriced.quantity)} of {fields} is unpriced: {reason}{skus}"
    return Problem("usage", message, "add a price, or one of the model included")
