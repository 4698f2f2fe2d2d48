"""Meters: one customer's bucket of one meter type, counted by one meter node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import THRESHOLDS_MAX, Threshold, read_thresholds

_CREATABLE = (
    "userId meterKey meterTypeId externalRef customFields capacity thresholds deleteOnReset"
).split()
_PATCHABLE = ("deleteOnReset", "customFields", "capacity", "thresholds", "activeTo")
_READ_ONLY = (
    "id meterTypeName value unit periodStart periodEnd groupBreakdowns carryFirst carryLast "
    "timezone createdAt updatedAt activeFrom activeTo category recordId"
).split()


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
        ``bind``.
        """
        reading = Reading(body, known=(*_CREATABLE, *_READ_ONLY), what="meter")
        user_id = read_user_id(reading)
        meter_key = reading.text("meterKey", required=True)
        external_ref = reading.text("externalRef")
        reference = external_ref or reading.text("meterTypeId", required=True)
        capacity = reading.number("capacity")
        thresholds = _own_thresholds(reading, capacity)
        custom_fields = reading.json_object("customFields")
        delete_on_reset = reading.boolean("deleteOnReset", default=False)
        if reading.problems or user_id is None or meter_key is None or reference is None:
            return None, reading.problems
        new = cls(
            user_id, meter_key, reference, custom_fields, capacity, thresholds, delete_on_reset
        )
        return new, []

    def problems_with(self, meter_type: MeterType) -> list[Problem]:
        """What is wrong with this meter as one of that type."""
        capacity = self.capacity if self.capacity is not None else meter_type.capacity
        thresholds = meter_type.thresholds if self.thresholds is None else self.thresholds
        if capacity is None and any(t.capacity_percentage is not None for t in thresholds):
            hint = "set capacity, or use absoluteValue"
            return [Problem("thresholds", "have no capacity to be a percentage of", hint)]
        return []


@dataclass(frozen=True, slots=True)
class MeterPatch:
    """Changes of a meter. A field that is not in ``given`` stays as it is."""

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
        capacity = reading.number("capacity")
        patch = cls(
            frozenset(reading.body),
            reading.boolean("deleteOnReset", default=False),
            reading.json_object("customFields"),
            capacity,
            _own_thresholds(reading, capacity),
            reading.instant("activeTo"),
        )
        return (None if reading.problems else patch), reading.problems


def read_user_id(reading: Reading) -> str | None:
    """Read ``userId``: a text, or a number, which is compared by its shortest decimal text."""
    value = reading.body.get("userId")
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return json_text(value)
    return reading.text("userId", required=True)


def _own_thresholds(reading: Reading, capacity: Decimal | None) -> tuple[Threshold, ...] | None:
    if reading.body.get("thresholds") is None:
        return None
    items = reading.json_list("thresholds", items_max=THRESHOLDS_MAX)
    # A capacity that is inherited is unknown here: check percentages against a stand-in.
    stand_in = capacity if capacity is not None else Decimal(1)
    thresholds, problems = read_thresholds(items, capacity=stand_in)
    reading.problems += problems
    return thresholds
