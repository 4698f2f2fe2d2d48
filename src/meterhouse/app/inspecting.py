"""Inspecting: meters as they stand, shown as the record that would be sent now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger, MeterCounts, MeterTypeUse, Page
from meterhouse.app.provisioning import find_meter, find_meter_type, meter_type_to_api
from meterhouse.core.guiding_rule import read_rules
from meterhouse.core.json_text import json_text
from meterhouse.core.meter_state import Section
from meterhouse.core.meter_type import MeterType, optional_instant_text
from meterhouse.core.metered_record import state_text
from meterhouse.core.problem import NotFoundError
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.plan import MeterPlan
from meterhouse.streams.record import StreamDefinition

#: Items of a page where nobody says how many.
PAGE_DEFAULT = 100


def inspect(
    ledger: Ledger,
    meter_key: str,
    *,
    meter_type: str | None = None,
    user_id: str | None = None,
    user_prefix: str | None = None,
    limit: int | None = None,
) -> Iterator[Bucket]:
    """Yield the meters of a meter key, of one type or one user where given.

    Raises ``NotFoundError`` at once where neither a stream nor a meter knows the key.
    """
    _check_key(ledger, meter_key)
    return list_meters(
        ledger,
        meter_key=meter_key,
        meter_type=meter_type,
        user_id=user_id,
        user_prefix=user_prefix,
        limit=limit,
    )


def inspect_page(
    ledger: Ledger,
    meter_key: str,
    *,
    meter_type: str | None = None,
    user_id: str | None = None,
    user_prefix: str | None = None,
    limit: int = PAGE_DEFAULT,
    after: str | None = None,
) -> Page[Bucket]:
    """Return one page of the same; ``after`` is the cursor of the page before.

    Meters come in the order of their creation; by user where a beginning of users is given.
    """
    _check_key(ledger, meter_key)
    type_id = None if meter_type is None else find_meter_type(ledger, meter_type).id
    return ledger.meters(
        meter_key=meter_key,
        meter_type_id=type_id,
        user_id=user_id,
        user_prefix=user_prefix,
        limit=limit,
        after=after,
    )


def _check_key(ledger: Ledger, meter_key: str) -> None:
    if not (ledger.stream_of_meter_key(meter_key) or ledger.meters_with_key(meter_key)):
        raise NotFoundError(
            f"There is no meter key {meter_key!r}",
            hint="`meterhouse stream list` shows the meter keys of each stream",
        )


@dataclass(frozen=True, slots=True)
class MeterTypeOverview:
    """A meter type, how many meters it has, and the streams that count for them."""

    meter_type: MeterType
    meters: int
    uses: Sequence[MeterTypeUse]

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        uses = [
            {"streamId": u.stream_id, "stream": u.stream_name, "meterKey": u.meter_key}
            | {"meters": u.meters}
            for u in self.uses
        ]
        return meter_type_to_api(self.meter_type, meters=self.meters) | {"streams": uses}


def usage_overview(
    ledger: Ledger, *, name: str | None = None, limit: int = PAGE_DEFAULT, after: str | None = None
) -> Page[MeterTypeOverview]:
    """Return a page of meter types with the streams that use them.

    ``ledger.meter_counts()`` has the totals.
    """
    page = ledger.meter_types(name=name, limit=limit, after=after)
    items = [
        MeterTypeOverview(meter_type, count, ledger.uses_of_meter_type(meter_type.id))
        for meter_type, count in page.items
    ]
    return Page(items, page.next_cursor)


def counts_to_api(counts: MeterCounts) -> dict[str, int]:
    """Return the widgets of the inspector and of the overview."""
    return {
        "meterTypes": counts.meter_types,
        "categories": counts.categories,
        "meters": counts.meters,
    }


def list_meters(
    ledger: Ledger,
    *,
    meter_key: str | None = None,
    meter_type: str | None = None,
    user_id: str | None = None,
    user_prefix: str | None = None,
    limit: int | None = None,
) -> Iterator[Bucket]:
    """Yield meters with their states, filtered where a filter is given."""
    type_id = None if meter_type is None else find_meter_type(ledger, meter_type).id

    def page_of(*, limit: int, after: str | None) -> Page[Bucket]:
        return ledger.meters(
            meter_key=meter_key,
            meter_type_id=type_id,
            user_id=user_id,
            user_prefix=user_prefix,
            limit=limit,
            after=after,
        )

    return take(page_of, limit=limit)


def sections_of(stream: StreamDefinition | None, meter_key: str) -> Sequence[Section]:
    """Return the order in which a meter node shows its group breakdowns."""
    if stream is None:
        return ()
    node_id = next((id for id, key in stream.meter_keys.items() if key == meter_key), None)
    nodes = stream.document.get("nodes", ())
    params = next((n.get("params", {}) for n in nodes if n.get("id") == node_id), {})
    rules, _ = read_rules(params.get("guidingRules"))
    return MeterPlan(meter_key, rules).sections


class CurrentRecords:
    """Writes meters as records; looks up the order of breakdowns once for each meter key."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._sections: dict[str, Sequence[Section]] = {}

    def record_text(self, bucket: Bucket) -> str:
        """Return the record that the meter would send now."""
        several = len(bucket.state.groups) > 1
        sections = self._sections_of(bucket.meter.meter_key) if several else ()
        return state_text(bucket.meter, bucket.state, sections=sections)

    def _sections_of(self, key: str) -> Sequence[Section]:
        if key not in self._sections:
            self._sections[key] = sections_of(self._ledger.stream_of_meter_key(key), key)
        return self._sections[key]

    def text_of(self, id: str) -> str:
        """Return the record that one meter would send now; ``NotFoundError``."""
        return self.record_text(find_meter(self._ledger, id))

    def meter_text(self, bucket: Bucket) -> str:
        """Return the API's object of a meter: its record, and what records leave out."""
        meter = bucket.meter
        more = {
            "category": meter.category,
            "activeFrom": optional_instant_text(meter.active_from),
            "activeTo": optional_instant_text(meter.active_to),
        }
        return f"{self.record_text(bucket)[:-1]},{json_text(more)[1:]}"
