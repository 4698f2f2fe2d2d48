"""Meters: one customer's bucket of one meter type, counted by one meter node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text
from meterhouse.core.meter_type import (
    MeterType,
    active_window_problems,
    merge_patch,
    read_capacity_and_thresholds,
)
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold, capacity_problems

_CREATABLE = (
    "userId meterKey meterTypeId externalRef customFields capacity thresholds deleteOnReset"
).split()
_PATCHABLE = ("deleteOnReset", "customFields", "capacity", "thresholds", "activeTo")
_READ_ONLY = (
    "id meterTypeName value unit periodStart periodEnd groupBreakdowns carryFirst carryLast "
    "timezone createdAt updatedAt activeFrom activeTo category recordId"
).split()
_READ_ONLY_NAMES = frozenset(_READ_ONLY)


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter as the kernel sees it: what it inherited from its type at creation.

    Category, reset schedule and time zone are the type's as they are now: a changed schedule
    takes effect at the next reset. ``no`` is the store's ordinal; it orders meters that are
    otherwise equal and identifies the meter inside a run.
    """

    no: int
    id: str
    user_id: str
    meter_key: str
    meter_type_id: str
    meter_type_name: str
    category: str
    aggregation: Aggregation
    unit: str
    reset_schedule: ResetSchedule
    timezone: str
    created_at: Instant
    active_from: Instant | None = None
    active_to: Instant | None = None
    capacity: Decimal | None = None
    thresholds: tuple[Threshold, ...] = ()
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    delete_on_reset: bool = False
    #: as of its type; where it is not ``None``, the timestamp of a record decides its period
    grace_period: Instant | None = None
    #: as of its type: whether the single records that it takes are kept
    keep_usage: bool = True

    @classmethod
    def of_type(
        cls,
        meter_type: MeterType,
        *,
        no: int,
        id: str,
        user_id: str,
        meter_key: str,
        at: Instant,
        own: Mapping[str, Any],
        custom_fields: Mapping[str, Any],
        delete_on_reset: bool,
    ) -> Meter:
        """Return a meter of a type, created at ``at``.

        ``own`` are the fields that it does not inherit, among ``capacity``, ``thresholds`` and
        ``active_to``; ``None`` there means that it has none, whatever its type has.
        """
        return cls(
            no,
            id,
            user_id,
            meter_key,
            meter_type.id,
            meter_type.name,
            meter_type.category,
            meter_type.aggregation,
            meter_type.unit,
            meter_type.reset_schedule,
            meter_type.timezone,
            at,
            meter_type.active_from,
            own.get("active_to", meter_type.active_to),
            own.get("capacity", meter_type.capacity),
            own.get("thresholds", meter_type.thresholds),
            custom_fields,
            delete_on_reset,
            meter_type.grace_period,
            meter_type.keep_usage,
        )

    @property
    def by_event_time(self) -> bool:
        """Whether the timestamp of a record decides its period."""
        return self.grace_period is not None

    @property
    def keeps_usage(self) -> bool:
        """Whether the single records that it takes are kept."""
        return self.by_event_time and self.keep_usage

    def closes_at(self, end: Instant) -> Instant:
        """Return when a period that ends at ``end`` closes."""
        return end + (self.grace_period or 0)

    def active_at(self, instant: Instant) -> bool:
        """Whether usage of that instant may be counted: active from inclusive, to exclusive."""
        started = self.active_from is None or self.active_from <= instant
        return started and (self.active_to is None or instant < self.active_to)

    def limits(self) -> list[tuple[Decimal, Threshold]]:
        """The thresholds with their limits, ascending; equal limits in order of definition."""
        pairs = [(t.limit(self.capacity), t) for t in self.thresholds]
        return sorted(pairs, key=lambda pair: pair[0])


@dataclass(frozen=True, slots=True)
class NewMeter:
    """What a caller says of a meter to create; ``meter_type_ref`` is an id or external reference.

    ``capacity`` and ``thresholds`` are ``None`` where they are inherited.
    """

    user_id: str
    meter_key: str
    meter_type_ref: str
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    capacity: Decimal | None = None
    thresholds: tuple[Threshold, ...] | None = None
    delete_on_reset: bool = False

    @classmethod
    def from_api(cls, body: object) -> tuple[NewMeter | None, list[Problem]]:
        """Read an API body; returns it, or ``None`` and every problem.

        Percentages among the thresholds are checked against the inherited capacity later, by
        ``problems_with``.
        """
        reading = Reading(body, known=_CREATABLE, read_only=_READ_ONLY, what="meter")
        _refuse_read_only(reading)
        user_id = read_user_id(reading)
        meter_key = reading.text("meterKey", required=True)
        reference = _read_meter_type_ref(reading)
        capacity, thresholds = _own_capacity_and_thresholds(reading)
        custom_fields = reading.json_object("customFields")
        delete_on_reset = reading.boolean("deleteOnReset", default=False)
        if reading.problems or user_id is None or meter_key is None or reference is None:
            return None, reading.problems
        new = cls(
            user_id, meter_key, reference, custom_fields, capacity, thresholds, delete_on_reset
        )
        return new, []

    @property
    def own(self) -> dict[str, Any]:
        """What this meter does not inherit, for ``Meter.of_type``."""
        given = {"capacity": self.capacity, "thresholds": self.thresholds}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def inherits_all(self) -> bool:
        """Whether it has neither a capacity nor thresholds of its own."""
        return self.capacity is None and self.thresholds is None

    def problems_with(self, meter_type: MeterType) -> list[Problem]:
        """What is wrong with this meter as one of that type."""
        if self.inherits_all:
            return []
        own = self.own
        return capacity_problems(
            own.get("thresholds", meter_type.thresholds),
            capacity=own.get("capacity", meter_type.capacity),
        )

    def of_type(self, meter_type: MeterType, *, no: int, id: str, at: Instant) -> Meter:
        """Return the meter that this becomes."""
        return Meter.of_type(
            meter_type,
            no=no,
            id=id,
            user_id=self.user_id,
            meter_key=self.meter_key,
            at=at,
            own=self.own,
            custom_fields=self.custom_fields,
            delete_on_reset=self.delete_on_reset,
        )


@dataclass(frozen=True, slots=True)
class MeterPatch:
    """Changes of a meter. A field that is not in ``given`` stays as it is.

    ``custom_fields`` is a merge patch itself; ``None`` removes them all.
    """

    given: frozenset[str]
    delete_on_reset: bool = False
    custom_fields: Mapping[str, Any] | None = None
    capacity: Decimal | None = None
    thresholds: tuple[Threshold, ...] | None = None
    active_to: Instant | None = None

    @classmethod
    def from_api(cls, body: object) -> tuple[MeterPatch | None, list[Problem]]:
        """Read a merge patch; returns it, or ``None`` and every problem."""
        reading = Reading(body, known=_PATCHABLE, what="meter that may change")
        delete_on_reset = reading.boolean("deleteOnReset", default=False)
        custom_fields = reading.json_object("customFields")
        capacity, thresholds = _own_capacity_and_thresholds(reading)
        patch = cls(
            frozenset(reading.body),
            delete_on_reset,
            custom_fields if reading.body.get("customFields") is not None else None,
            capacity,
            thresholds,
            reading.instant("activeTo"),
        )
        return (None if reading.problems else patch), reading.problems

    def applied_to(self, meter: Meter) -> tuple[Meter | None, list[Problem]]:
        """Return the changed meter, or ``None`` and every problem; a ``null`` removes."""
        changed = meter
        if "deleteOnReset" in self.given:
            changed = replace(changed, delete_on_reset=self.delete_on_reset)
        if "customFields" in self.given:
            patch = self.custom_fields
            custom_fields = {} if patch is None else merge_patch(meter.custom_fields, patch)
            changed = replace(changed, custom_fields=custom_fields)
        if "capacity" in self.given:
            changed = replace(changed, capacity=self.capacity)
        if "thresholds" in self.given:
            changed = replace(changed, thresholds=self.thresholds or ())
        if "activeTo" in self.given:
            changed = replace(changed, active_to=self.active_to)
        problems = capacity_problems(changed.thresholds, capacity=changed.capacity)
        problems += active_window_problems(changed.active_from, changed.active_to)
        return (None if problems else changed), problems


def _refuse_read_only(reading: Reading) -> None:
    """Refuse values that creation would drop; a meter or record that was exported may have them."""
    if _READ_ONLY_NAMES.isdisjoint(reading.body):
        return
    if any(reading.body.get(name) is not None for name in ("id", "recordId")):
        return
    for name in reading.body:
        if name in _READ_ONLY and reading.body[name] is not None:
            hint = "leave it out: it comes from the meter type or from usage"
            reading.fail(name, "cannot be set", hint)


def read_user_id(reading: Reading) -> str | None:
    """Read ``userId``: a text, or a number, which is compared by its shortest decimal text."""
    value = reading.body.get("userId")
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return json_text(value)
    return reading.text("userId", required=True)


def _read_meter_type_ref(reading: Reading) -> str | None:
    reference = reading.text("externalRef") or reading.text("meterTypeId")
    if reference is None and all(
        reading.body.get(name) in (None, "") for name in ("externalRef", "meterTypeId")
    ):
        hint = "name the meter type by meterTypeId or externalRef"
        reading.fail("meterTypeId", "is missing", hint)
    return reference


def _own_capacity_and_thresholds(
    reading: Reading,
) -> tuple[Decimal | None, tuple[Threshold, ...] | None]:
    """Read what a meter may have of its own; ``None`` where it is not given."""
    if "capacity" not in reading.body and "thresholds" not in reading.body:
        return None, None
    capacity, thresholds = read_capacity_and_thresholds(reading, inherits=True)
    return capacity, None if reading.body.get("thresholds") is None else thresholds
