"""How the usage of a billed period was cut at a change of prices, as its invoices say.

Single usage goes with its meter: what was cut by it when its period was billed cannot be cut by it
again. The lines say how much of each record they are for, and of which days they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from meterhouse.core.charge import GroupedValue, MeteredUsage
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.quantity import EXACT, ZERO

_Fields = tuple[tuple[str, str], ...]
_Sums = dict[_Fields, Decimal]


class BilledCuts:
    """What invoices have billed of each record, by the version of its days.

    ``starts`` are the beginnings of the versions within the period.
    """

    def __init__(self, lines: Iterable[InvoiceLine], starts: Sequence[Instant]) -> None:
        self._by_record: dict[str, list[_Sums]] = {}
        for line in lines:
            place = bisect_right(starts[1:], line.charge.period.start)
            for source in line.charge.sources:
                empty: list[_Sums] = [{} for _ in starts]
                sums = self._by_record.setdefault(source.record_id, empty)[place]
                key = tuple(sorted(source.fields.items()))
                sums[key] = EXACT.add(sums.get(key, ZERO), source.quantity)

    def parts(self, usage: MeteredUsage) -> list[MeteredUsage | None] | None:
        """Return a record as it was cut; ``None`` where its lines do not say all of it."""
        billed = self._by_record.get(usage.record_id)
        if billed is None or self.billed(usage.record_id) != usage.value:
            return None
        parts = []
        for sums in billed:
            used = {key: value for key, value in sums.items() if value}
            sections = {tuple(name for name, _ in key) for key in used if key}
            if len(sections) > 1:
                return None
            parts.append(_part(usage, used, *sections) if used else None)
        return parts

    def billed(self, record_id: str) -> Decimal:
        """Return how much of a record is on lines."""
        total = ZERO
        for value in (v for sums in self._by_record.get(record_id, ()) for v in sums.values()):
            total = EXACT.add(total, value)
        return total

    def after_change(self, record_ids: Iterable[str]) -> bool:
        """Whether any of these records is on lines of another version than the first."""
        return any(
            value
            for id in record_ids
            for sums in self._by_record.get(id, ())[1:]
            for value in sums.values()
        )


def _part(
    usage: MeteredUsage, used: Mapping[_Fields, Decimal], names: tuple[str, ...] = ()
) -> MeteredUsage:
    value = ZERO
    for one in used.values():
        value = EXACT.add(value, one)
    entries = tuple(GroupedValue(dict(key), one) for key, one in sorted(used.items()) if key)
    section = next((one for one in usage.breakdowns if sorted(one) == list(names)), names)
    breakdowns = {section: entries} if entries else {}
    return replace(usage, value=value, breakdowns=breakdowns, events=None, meter="")
