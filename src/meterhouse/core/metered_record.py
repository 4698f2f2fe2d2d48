"""Metered records: what leaves a meter, with the field's own names in the field's own order.

A *golden* record leaves at a reset, a *threshold* record when a threshold is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID, uuid5

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import Record, json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import GroupKey, GroupState, MeterState, Section
from meterhouse.core.quantity import ZERO
from meterhouse.core.threshold import Threshold


class Kind(Enum):
    """The two kinds of metered records."""

    GOLDEN = "golden"
    THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True)
class MeteredRecord:
    """A record that leaves a meter. ``body`` is the JSON object; its last key is ``recordId``."""

    kind: Kind
    record_id: str
    meter_no: int
    sequence: int
    body: Record


def golden_record(
    meter: Meter, state: MeterState, *, end: Instant, sections: Sequence[Section] = ()
) -> MeteredRecord:
    """Return the record that a reset sends; ``end`` is the end of the period that it shows."""
    body = record_body(meter, state, end=end, sections=sections)
    return _finished(Kind.GOLDEN, meter, state, body, "")


def threshold_record(
    meter: Meter,
    state: MeterState,
    threshold: Threshold,
    *,
    sections: Sequence[Section] = (),
) -> MeteredRecord:
    """Return the partial push of a threshold that ``state.reached`` shows as reached."""
    body = record_body(meter, state, end=state.period.end, sections=sections)
    body["thresholdReached"] = _threshold_body(threshold, state)
    return _finished(Kind.THRESHOLD, meter, state, body, threshold.name)


def _finished(
    kind: Kind, meter: Meter, state: MeterState, body: Record, threshold: str
) -> MeteredRecord:
    name = f"{state.period.sequence}/{kind.value}/{threshold}"
    record_id = str(uuid5(UUID(meter.id), name))
    body["recordId"] = record_id
    return MeteredRecord(kind, record_id, meter.no, state.period.sequence, body)


def record_body(
    meter: Meter, state: MeterState, *, end: Instant, sections: Sequence[Section] = ()
) -> Record:
    """Return a meter's current state as the record that would be sent now.

    ``sections`` is the order in which breakdowns are shown; others follow, by name.
    """
    body: Record = {
        "id": meter.id,
        "meterTypeId": meter.meter_type_id,
        "meterTypeName": meter.meter_type_name,
        "userId": meter.user_id,
        "meterKey": meter.meter_key,
        "value": ZERO if state.value is None else state.value,
        "unit": meter.unit,
        "periodStart": instant_text(state.period.start),
        "periodEnd": instant_text(end),
        "groupBreakdowns": _breakdowns(state, sections),
    }
    if meter.capacity is not None:
        body["capacity"] = meter.capacity
    body |= {
        "thresholds": [_threshold_body(threshold, state) for threshold in meter.thresholds],
        "carryFirst": _carried(state.carry_first),
        "carryLast": _carried(state.carry_last),
        "customFields": dict(meter.custom_fields),
        "deleteOnReset": meter.delete_on_reset,
        "timezone": state.timezone,
        "createdAt": instant_text(meter.created_at),
        "updatedAt": instant_text(state.updated_at),
    }
    return body


def _threshold_body(threshold: Threshold, state: MeterState) -> Record:
    body = threshold.to_api()
    if (reached_at := state.reached.get(threshold.name)) is not None:
        body["reachedAt"] = instant_text(reached_at)
    return body


def _carried(texts: dict[str, str]) -> Record:
    return {name: parse_json(text) for name, text in sorted(texts.items())}


def _breakdowns(state: MeterState, sections: Sequence[Section]) -> list[Record]:
    known = [section for section in sections if state.groups.get(section)]
    others = sorted(s for s, entries in state.groups.items() if entries and s not in sections)
    return [_breakdown(section, state.groups[section]) for section in (*known, *others)]


def _breakdown(section: Section, entries: dict[GroupKey, GroupState]) -> Record:
    ordered = sorted(entries, key=lambda key: fields_text(section, key))
    groups = [_group_entry(section, key, entries[key]) for key in ordered]
    return {"name": ",".join(section), "groups": groups}


def fields_text(section: Section, key: GroupKey) -> str:
    """The JSON of an entry's ``fields``: what entries are sorted by."""
    members = (f"{json_text(name)}:{text}" for name, text in zip(section, key, strict=True))
    return "{" + ",".join(members) + "}"


def _group_entry(section: Section, key: GroupKey, state: GroupState) -> Record:
    values = [parse_json(text) for text in key]
    parts = zip(section, key, values, strict=True)
    return {
        "key": ",".join(
            f"{name}:{value if isinstance(value, str) else text}" for name, text, value in parts
        ),
        "fields": dict(zip(section, values, strict=True)),
        "value": ZERO if state.value is None else state.value,
        "carryFirst": _carried(state.carry_first),
        "carryLast": _carried(state.carry_last),
    }
