"""Meter types as meters see them, and buckets made of rows: parsed once, shared by all meters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import Period
from meterhouse.core.quantity import number_text
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.source import Profile
from meterhouse.store.connection import Database, Row
from meterhouse.store.contents import state_from_contents
from meterhouse.store.sql_text import queries

_SQL = queries("meter_types")
#: What a meter may have of its own: the API's name and the field of ``Meter``.
_FIELDS = {"capacity": "capacity", "thresholds": "thresholds", "activeTo": "active_to"}


@dataclass(frozen=True, slots=True)
class Template:
    """A version of a meter type: what its meters inherit, and what they look up as it is now."""

    type_id: str
    name: str
    unit: str
    aggregation: Aggregation
    active_from: Instant | None
    active_to: Instant | None
    capacity: Decimal | None
    thresholds: tuple[Threshold, ...]
    category: str
    reset_schedule: ResetSchedule
    timezone: str


class Catalogue:
    """The templates of one transaction, each parsed when it is first needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._templates: dict[int, Template] = {}

    def template(self, version_no: int) -> Template:
        """Return a version of a meter type."""
        found = self._templates.get(version_no)
        if found is None:
            row = self._database.row(_SQL["template"], (version_no,))
            assert row is not None, f"meter type version {version_no} is missing"
            found = self._templates[version_no] = _template_from_row(row)
        return found

    def profile(self, version_no: int, own: str | None = None) -> Profile:
        """Return the profile of meters of a version, with what is their own."""
        row = (0, "", 0, "", "", 0, version_no, own, None, False, 0)
        return Profile.of(_meter_from_row(row, self.template(version_no)))

    def buckets(self, rows: Iterable[Row]) -> Iterator[Bucket]:
        """Make buckets of rows of the view ``bucket``."""
        return map(self._bucket_from_row, rows)

    def _bucket_from_row(self, row: Row) -> Bucket:
        template = self.template(row[6])
        *_, sequence, start_at, end_at, timezone, updated_at, contents = row
        state = state_from_contents(
            contents,
            period=Period(sequence, start_at, end_at),
            timezone=timezone,
            updated_at=updated_at,
            aggregation=template.aggregation,
        )
        return Bucket(_meter_from_row(row, template), state)


def _meter_from_row(row: Row, template: Template) -> Meter:
    no, id, _, meter_key, user_id, _, _, own_text, custom_fields, delete_on_reset, at = row[:11]
    meter = Meter(
        no,
        id,
        user_id,
        meter_key,
        template.type_id,
        template.name,
        template.category,
        template.aggregation,
        template.unit,
        template.reset_schedule,
        template.timezone,
        at,
        template.active_from,
        template.active_to,
        template.capacity,
        template.thresholds,
        parse_json(custom_fields) if custom_fields else {},
        bool(delete_on_reset),
    )
    own = own_from_text(own_text)
    return replace(meter, **{_FIELDS[key]: value for key, value in own.items()}) if own else meter


def _template_from_row(row: Row) -> Template:
    type_id, name, unit, aggregation, active_from, active_to, capacity, thresholds = row[:8]
    category, reset_schedule, timezone = row[8:]
    return Template(
        type_id,
        name,
        unit,
        Aggregation(aggregation),
        active_from,
        active_to,
        None if capacity is None else Decimal(capacity),
        thresholds_from_text(thresholds),
        category,
        ResetSchedule(**parse_json(reset_schedule)),
        timezone,
    )


def own_values(meter: Meter, given: Collection[str]) -> dict[str, Any]:
    """Return those of the given fields that may be a meter's own."""
    return {key: getattr(meter, field) for key, field in _FIELDS.items() if key in given}


def own_text(own: Mapping[str, Any]) -> str | None:
    """Write what is a meter's own."""
    if not own:
        return None
    thresholds = own.get("thresholds")
    listed = {} if thresholds is None else {"thresholds": [t.to_api() for t in thresholds]}
    return json_text({**own, **listed})


def own_from_text(text: str | None) -> dict[str, Any]:
    """Read what ``own_text`` wrote, as fields have it."""
    own = {} if text is None else parse_json(text)
    if "capacity" in own:
        own["capacity"] = _optional_decimal(own["capacity"])
    if "thresholds" in own:
        own["thresholds"] = tuple(map(_threshold, own["thresholds"]))
    return own


def thresholds_text(thresholds: Iterable[Threshold]) -> str:
    """Write thresholds as the API's list."""
    return json_text([threshold.to_api() for threshold in thresholds])


def thresholds_from_text(text: str) -> tuple[Threshold, ...]:
    """Read what ``thresholds_text`` wrote."""
    return tuple(_threshold(item) for item in parse_json(text))


def _threshold(item: Mapping[str, Any]) -> Threshold:
    return Threshold(
        item["name"],
        _optional_decimal(item.get("capacityPercentage")),
        _optional_decimal(item.get("absoluteValue")),
        item["customFields"],
    )


def _optional_decimal(number: object) -> Decimal | None:
    """Return a stored number as a decimal."""
    return None if number is None else Decimal(str(number))


def optional_text(number: Decimal | None) -> str | None:
    """Write a number for storing."""
    return None if number is None else number_text(number)
