"""Meter types: the templates of meters, one per product that is metered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.duration import duration_text, read_duration
from meterhouse.core.instant import DAY, Instant, instant_text, to_datetime
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, missing_or_shown
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import THRESHOLDS_MAX, Threshold, read_thresholds

NAME_CHARS_MAX = 80
DESCRIPTION_CHARS_MAX = 200
EXTERNAL_REF_CHARS_MAX = 100
DEFAULT_CATEGORY = "DEFAULT"
DEFAULT_TIMEZONE = "Etc/UTC"
_WRITABLE = (
    "name description externalRef category unit aggregation resetSchedule timezone activeFrom "
    "activeTo capacity thresholds periodAssignment gracePeriod keepUsage"
).split()
PROCESSING = "processing"
EVENT = "event"
#: How long a period may stay open after its end.
GRACE_MAX: Instant = 1_000 * DAY
#: Stands in for a capacity that is not known where percentages are read.
_ANY_CAPACITY = Decimal(1)
_READ_ONLY = ("id", "accountId", "numberOfMeters", "createdAt", "updatedAt")


@dataclass(frozen=True, slots=True)
class MeterType:
    """A product definition. Instants are microseconds; ``None`` means not set."""

    id: str
    name: str
    aggregation: Aggregation
    reset_schedule: ResetSchedule
    created_at: Instant
    updated_at: Instant
    category: str = DEFAULT_CATEGORY
    description: str | None = None
    external_ref: str | None = None
    unit: str = ""
    timezone: str = DEFAULT_TIMEZONE
    active_from: Instant | None = None
    active_to: Instant | None = None
    capacity: Decimal | None = None
    thresholds: tuple[Threshold, ...] = ()
    #: How long periods stay open after their end, where the timestamp of a record decides its
    #: period; ``None`` where a record counts in the period that is current when it is processed.
    grace_period: Instant | None = None
    #: Whether single records are kept, where their timestamps decide their periods.
    keep_usage: bool = True

    @classmethod
    def from_api(cls, body: object, *, id: str, at: Instant) -> MeterType:
        """Read an API body. Raises ``DefinitionError`` with every problem in it."""
        meter_type, problems = read_meter_type(body, id=id, at=at)
        if meter_type is None:
            raise DefinitionError(problems, what="The meter type")
        return meter_type

    def to_api(self) -> dict[str, Any]:
        """Return the API's object, without what only the store knows (``numberOfMeters``)."""
        body: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "externalRef": self.external_ref,
            "category": self.category,
            "unit": self.unit,
            "aggregation": {"type": self.aggregation.value},
            "resetSchedule": self.reset_schedule.to_api(),
            "timezone": self.timezone,
            "activeFrom": optional_instant_text(self.active_from),
            "activeTo": optional_instant_text(self.active_to),
        }
        if self.capacity is not None:
            body["capacity"] = self.capacity
        body["thresholds"] = [threshold.to_api() for threshold in self.thresholds]
        if self.grace_period is not None:
            body["periodAssignment"] = EVENT
            body["gracePeriod"] = duration_text(self.grace_period)
            if not self.keep_usage:
                body["keepUsage"] = False
        body["createdAt"] = definition_instant_text(self.created_at)
        body["updatedAt"] = definition_instant_text(self.updated_at)
        return body

    def merged(self, patch: Mapping[str, Any], *, at: Instant) -> MeterType:
        """Apply a merge patch (RFC 7396) and check the whole again."""
        body = {key: value for key, value in self.to_api().items() if key in _WRITABLE}
        changed = MeterType.from_api(merge_patch(body, patch), id=self.id, at=at)
        return replace(changed, created_at=self.created_at)


def read_meter_type(
    body: object, *, id: str, at: Instant
) -> tuple[MeterType | None, list[Problem]]:
    """Read an API body; returns the meter type, or ``None`` and every problem."""
    reading = Reading(body, known=_WRITABLE, read_only=_READ_ONLY, what="meter type")
    name = reading.text("name", required=True, chars_max=NAME_CHARS_MAX)
    aggregation = _read_aggregation(reading)
    schedule = _read_schedule(reading)
    capacity, thresholds = read_capacity_and_thresholds(reading)
    active_from, active_to = read_active_window(reading)
    grace_period = _read_grace_period(reading)
    keep_usage = _read_keep_usage(reading, by_event_time=grace_period is not None)
    values = {
        "category": reading.text("category") or DEFAULT_CATEGORY,
        "description": reading.text("description", chars_max=DESCRIPTION_CHARS_MAX),
        "external_ref": reading.text("externalRef", chars_max=EXTERNAL_REF_CHARS_MAX),
        "unit": reading.text("unit") or "",
        "timezone": reading.timezone("timezone", default=DEFAULT_TIMEZONE),
    }
    if reading.problems or name is None or aggregation is None or schedule is None:
        return None, reading.problems
    meter_type = MeterType(
        id,
        name,
        aggregation,
        schedule,
        created_at=at,
        updated_at=at,
        active_from=active_from,
        active_to=active_to,
        capacity=capacity,
        thresholds=thresholds,
        grace_period=grace_period,
        keep_usage=keep_usage,
        **values,
    )
    return meter_type, []


def _read_grace_period(reading: Reading) -> Instant | None:
    """Read ``periodAssignment`` and ``gracePeriod``; ``None`` where periods follow processing."""
    assignment, given = reading.text("periodAssignment"), reading.body.get("gracePeriod")
    if assignment not in (None, PROCESSING, EVENT):
        reading.fail("periodAssignment", f"is {assignment!r}", f'use "{PROCESSING}" or "{EVENT}"')
        return None
    if assignment != EVENT:
        if given is not None and "periodAssignment" not in {p.place for p in reading.problems}:
            hint = f'leave it out, or set "periodAssignment" to "{EVENT}"'
            reading.fail("gracePeriod", "has no meaning where processing decides", hint)
        return None
    grace = 0 if given is None else read_duration(given) if isinstance(given, str) else None
    if grace is None or grace > GRACE_MAX:
        hint = (
            f'use days, hours and minutes such as "P3D" or "PT12H", up to {GRACE_MAX // DAY} days'
        )
        reading.fail("gracePeriod", missing_or_shown(given), hint)
        return None
    return grace


def _read_keep_usage(reading: Reading, *, by_event_time: bool) -> bool:
    """Read ``keepUsage``: only where periods follow timestamps single records can be kept."""
    keep = reading.boolean("keepUsage", default=True)
    if reading.body.get("keepUsage") is not None and not by_event_time:
        faulty = {problem.place for problem in reading.problems}
        if not faulty & {"keepUsage", "periodAssignment", "gracePeriod"}:
            hint = f'leave it out, or set "periodAssignment" to "{EVENT}"'
            reading.fail("keepUsage", "has no meaning where processing decides", hint)
    return keep


def read_active_window(reading: Reading) -> tuple[Instant | None, Instant | None]:
    """Read ``activeFrom`` (inclusive) and ``activeTo`` (exclusive)."""
    active_from, active_to = reading.instant("activeFrom"), reading.instant("activeTo")
    reading.problems += active_window_problems(active_from, active_to)
    return active_from, active_to


def active_window_problems(active_from: Instant | None, active_to: Instant | None) -> list[Problem]:
    """List what is wrong with an active window: it may not be empty."""
    if active_from is None or active_to is None or active_from < active_to:
        return []
    message = f"is {optional_instant_text(active_to)}, not after activeFrom"
    hint = f"choose an instant after {optional_instant_text(active_from)}, or leave it out"
    return [Problem("activeTo", message, hint)]


def read_capacity_and_thresholds(
    reading: Reading, *, inherits: bool = False
) -> tuple[Decimal | None, tuple[Threshold, ...]]:
    """Read ``capacity`` and the ``thresholds``, whose percentages need one.

    Where a capacity may be inherited, or is itself at fault, percentages are not held against
    its absence.
    """
    capacity = reading.number("capacity", positive=True)
    excused = inherits or reading.body.get("capacity") is not None
    items = reading.json_list("thresholds", items_max=THRESHOLDS_MAX)
    basis = _ANY_CAPACITY if capacity is None and excused else capacity
    thresholds, problems = read_thresholds(items, capacity=basis)
    reading.problems += problems
    return capacity, thresholds


def _read_aggregation(reading: Reading) -> Aggregation | None:
    given = reading.body.get("aggregation")
    text = given.get("type") if isinstance(given, Mapping) else given
    aggregation = Aggregation.from_text(text) if isinstance(text, str) else None
    if aggregation is None:
        hint = 'use {"type": "sum"}, "increment", "min" or "max"'
        reading.fail("aggregation", missing_or_shown(given), hint)
    return aggregation


def _read_schedule(reading: Reading) -> ResetSchedule | None:
    given = reading.body.get("resetSchedule")
    if not isinstance(given, Mapping):
        hint = 'such as {"minute":"0","hour":"0","day":"1","month":"*","weekday":"*"}'
        reading.fail("resetSchedule", missing_or_shown(given), hint)
        return None
    schedule, problems = ResetSchedule.from_api(given)
    reading.problems += [problem.at("resetSchedule") for problem in problems]
    return schedule


def optional_instant_text(instant: Instant | None) -> str | None:
    """Write an instant that a definition was given, exactly, so that it can be read back."""
    if instant is None:
        return None
    if instant % 1000 == 0:
        return definition_instant_text(instant)
    return to_datetime(instant).isoformat(timespec="microseconds")


def definition_instant_text(instant: Instant) -> str:
    """Write an instant as definitions show it: with ``+00:00``, where records say ``Z``.

    >>> definition_instant_text(1_690_362_015_690_000)
    '2023-07-26T09:00:15.690+00:00'
    """
    return instant_text(instant).removesuffix("Z") + "+00:00"


def merge_patch(target: object, patch: object) -> Any:
    """Apply a JSON merge patch (RFC 7396): ``null`` removes a member."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
