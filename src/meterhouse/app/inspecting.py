"""Inspecting: meters as they stand, shown as the record that would be sent now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger, Page
from meterhouse.app.provisioning import find_meter_type
from meterhouse.core.guiding_rule import read_rules
from meterhouse.core.json_text import json_text
from meterhouse.core.meter_state import Section
from meterhouse.core.meter_type import optional_instant_text
from meterhouse.core.metered_record import state_text
from meterhouse.core.problem import NotFoundError
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.plan import MeterPlan
from meterhouse.streams.record import StreamDefinition


def inspect(
    ledger: Ledger,
    meter_key: str,
    *,
    meter_type: str | None = None,
    user_id: str | None = None,
    limit: int | None = None,
) -> Iterator[Bucket]:
    """Yield the meters of a meter key, of one type or one user where given.

    Raises ``NotFoundError`` at once where neither a stream nor a meter knows the key.
    """
    check_meter_key(ledger, meter_key)
    return list_meters(
        ledger, meter_key=meter_key, meter_type=meter_type, user_id=user_id, limit=limit
    )


def check_meter_key(ledger: Ledger, meter_key: str) -> None:
    """Raise ``NotFoundError`` where neither a stream nor a meter knows a key."""
    known = (
        ledger.stream_of_meter_key(meter_key) or ledger.meters(meter_key=meter_key, limit=1).items
    )
    if not known:
        raise NotFoundError(
            f"There is no meter key {meter_key!r}",
            hint="`meterhouse stream list` shows the meter keys of each stream",
        )


def list_meters(
    ledger: Ledger,
    *,
    meter_key: str | None = None,
    meter_type: str | None = None,
    user_id: str | None = None,
    limit: int | None = None,
) -> Iterator[Bucket]:
    """Yield meters with their states, filtered where a filter is given."""
    type_id = None if meter_type is None else find_meter_type(ledger, meter_type).id

    def page_of(*, limit: int, after: str | None) -> Page[Bucket]:
        return ledger.meters(
            meter_key=meter_key, meter_type_id=type_id, user_id=user_id, limit=limit, after=after
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
        key = bucket.meter.meter_key
        if key not in self._sections:
            self._sections[key] = sections_of(self._ledger.stream_of_meter_key(key), key)
        return state_text(bucket.meter, bucket.state, sections=self._sections[key])

    def meter_text(self, bucket: Bucket) -> str:
        """Return the API's object of a meter: its record, and what records leave out."""
        meter = bucket.meter
        more = {
            "category": meter.category,
            "activeFrom": optional_instant_text(meter.active_from),
            "activeTo": optional_instant_text(meter.active_to),
        }
        return f"{self.record_text(bucket)[:-1]},{json_text(more)[1:]}"
