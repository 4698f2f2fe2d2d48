"""Metered records: what leaves a meter, with the field's own names in the field's own order.

A *golden* record leaves at a reset, a *threshold* record when a threshold is reached, and an
*adjustment* record where usage of a period that has left came late or was changed. A record is
its JSON text, written once: states hold canonical JSON texts, so that nothing is parsed to be
written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from uuid import UUID, uuid5

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import NESTING_MAX, Record, json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import GroupKey, GroupState, MeterState, Section
from meterhouse.core.quantity import ZERO, number_text
from meterhouse.core.threshold import Threshold

#: How deep a metered record itself nests around the fields that it groups by and carries.
_NESTING_OWN = 6


class Kind(Enum):
    """The kinds of metered records."""

    GOLDEN = "golden"
    THRESHOLD = "threshold"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class MeteredRecord:
    """A record that leaves a meter. ``text`` is the JSON object; its last key is ``recordId``."""

    kind: Kind
    record_id: str
    meter_no: int
    sequence: int
    text: str

    @property
    def body(self) -> Record:
        """The record as a JSON object."""
        return parse_json(self.text, nesting_max=NESTING_MAX + _NESTING_OWN)


def golden_record(
    meter: Meter, state: MeterState, *, end: Instant, sections: Sequence[Section] = ()
) -> MeteredRecord:
    """Return the record that a reset sends; ``end`` is the end of the period that it shows."""
    breakdowns = breakdowns_text(state, sections)
    members = _members(meter, state, end=end, breakdowns=breakdowns)
    return _finished(Kind.GOLDEN, meter, state, members, "")


def threshold_record(
    meter: Meter, state: MeterState, threshold: Threshold, *, breakdowns: str
) -> MeteredRecord:
    """Return the partial push of a threshold that ``state.reached`` shows as reached.

    ``breakdowns`` is the text of ``groupBreakdowns``: see ``breakdowns_text``.
    """
    reached = _threshold_text(threshold, state)
    texts = [reached if t is threshold else _threshold_text(t, state) for t in meter.thresholds]
    end = state.period.end
    members = _members(meter, state, end=end, breakdowns=breakdowns, thresholds=texts)
    members += f',"thresholdReached":{reached}'
    return _finished(Kind.THRESHOLD, meter, state, members, threshold.name)


def adjustment_record(
    meter: Meter,
    state: MeterState,
    *,
    number: int,
    previous: Decimal | None,
    sections: Sequence[Section] = (),
) -> MeteredRecord:
    """Return the record that restates a period whose golden record has left.

    ``number`` counts the adjustments of a period from 1; ``previous`` is the value that was told
    before.
    """
    breakdowns = breakdowns_text(state, sections)
    members = _members(meter, state, end=state.period.end, breakdowns=breakdowns)
    adjusted = record_id(meter, state, Kind.GOLDEN)
    members += f',"adjusts":"{adjusted}","adjustment":{number}'
    members += f',"previousValue":{_value_text(previous)}'
    return _finished(Kind.ADJUSTMENT, meter, state, members, str(number))


def state_text(meter: Meter, state: MeterState, *, sections: Sequence[Section] = ()) -> str:
    """Return the record that would be sent now, without an identity of its own.

    ``sections`` is the order in which breakdowns are shown; others follow, by name.
    """
    breakdowns = breakdowns_text(state, sections)
    return "{" + _members(meter, state, end=state.period.end, breakdowns=breakdowns) + "}"


def _finished(
    kind: Kind, meter: Meter, state: MeterState, members: str, name: str
) -> MeteredRecord:
    id = record_id(meter, state, kind, name)
    text = f'{{{members},"recordId":"{id}"}}'
    return MeteredRecord(kind, id, meter.no, state.period.sequence, text)


def record_id(meter: Meter, state: MeterState, kind: Kind, name: str = "") -> str:
    """Return the id of a record; ``name`` is the threshold's, or the number of an adjustment."""
    return str(uuid5(UUID(meter.id), f"{state.period.sequence}/{kind.value}/{name}"))


def _members(
    meter: Meter,
    state: MeterState,
    *,
    end: Instant,
    breakdowns: str,
    thresholds: Iterable[str] | None = None,
) -> str:
    if thresholds is None:
        thresholds = [_threshold_text(threshold, state) for threshold in meter.thresholds]
    capacity = "" if meter.capacity is None else f'"capacity":{number_text(meter.capacity)},'
    return (
        f'"id":"{meter.id}",'
        f'"meterTypeId":{json_text(meter.meter_type_id)},'
        f'"meterTypeName":{json_text(meter.meter_type_name)},'
        f'"userId":{json_text(meter.user_id)},'
        f'"meterKey":{json_text(meter.meter_key)},'
        f'"value":{_value_text(state.value)},'
        f'"unit":{json_text(meter.unit)},'
        f'"periodStart":"{instant_text(state.period.start)}",'
        f'"periodEnd":"{instant_text(end)}",'
        f'"groupBreakdowns":{breakdowns},'
        f"{capacity}"
        f'"thresholds":[{",".join(thresholds)}],'
        f'"carryFirst":{carried_text(state.carry_first)},'
        f'"carryLast":{carried_text(state.carry_last)},'
        f'"customFields":{json_text(meter.custom_fields)},'
        f'"deleteOnReset":{json_text(meter.delete_on_reset)},'
        f'"timezone":{json_text(state.timezone)},'
        f'"createdAt":"{instant_text(meter.created_at)}",'
        f'"updatedAt":"{instant_text(state.updated_at)}"'
    )


def _value_text(value: Decimal | None) -> str:
    """An untouched minimum or maximum shows 0."""
    return number_text(ZERO if value is None else value)


def _threshold_text(threshold: Threshold, state: MeterState) -> str:
    body = threshold.to_api()
    if (reached_at := state.reached.get(threshold.name)) is not None:
        body["reachedAt"] = instant_text(reached_at)
    return json_text(body)


def carried_text(texts: Mapping[str, str]) -> str:
    """The JSON of carried fields, by name."""
    return "{" + ",".join(f"{json_text(name)}:{texts[name]}" for name in sorted(texts)) + "}"


def breakdowns_text(state: MeterState, sections: Sequence[Section]) -> str:
    """The JSON of ``groupBreakdowns``: ``sections`` in their order, then others by name."""
    known = [section for section in sections if state.groups.get(section)]
    others = sorted(s for s, entries in state.groups.items() if entries and s not in sections)
    texts = (_breakdown_text(section, state.groups[section]) for section in (*known, *others))
    return "[" + ",".join(texts) + "]"


def _breakdown_text(section: Section, entries: Mapping[GroupKey, GroupState]) -> str:
    # Entries are sorted by the JSON of their fields.
    ordered = sorted((fields_text(section, key), key) for key in entries)
    groups = ",".join(_entry_text(section, key, entries[key], fields) for fields, key in ordered)
    return f'{{"name":{json_text(",".join(section))},"groups":[{groups}]}}'


def fields_text(section: Section, key: GroupKey) -> str:
    """The JSON of an entry's ``fields``."""
    members = (f"{json_text(name)}:{text}" for name, text in zip(section, key, strict=True))
    return "{" + ",".join(members) + "}"


def _entry_text(section: Section, key: GroupKey, state: GroupState, fields: str) -> str:
    parts = zip(section, key, strict=True)
    label = ",".join(f"{json_text(name)[1:-1]}:{key_text(text)}" for name, text in parts)
    return (
        f'{{"key":"{label}","fields":{fields},"value":{_value_text(state.value)},'
        f'"carryFirst":{carried_text(state.carry_first)},'
        f'"carryLast":{carried_text(state.carry_last)}}}'
    )


def key_text(text: str) -> str:
    r"""How a field's canonical text appears inside the JSON string ``key``.

    >>> key_text('"EMEA"'), key_text("5"), key_text('["a"]')
    ('EMEA', '5', '[\\"a\\"]')
    """
    # A JSON string is escaped already: only its quotes go.
    return text[1:-1] if text.startswith('"') else json_text(text)[1:-1]
