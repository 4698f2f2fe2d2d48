"""Thresholds: limits of a meter that send a partial push when its value reaches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from meterhouse.core.problem import Problem
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.core.reading import Reading

THRESHOLDS_MAX = 20
_HUNDRED = Decimal(100)
_FIELDS = ("name", "capacityPercentage", "absoluteValue", "customFields")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold: fires once per period, when the value is at or above its limit."""

    name: str
    capacity_percentage: Decimal | None = None
    absolute_value: Decimal | None = None
    custom_fields: Mapping[str, Any] = field(default_factory=dict)

    def limit(self, capacity: Decimal | None) -> Decimal:
        """The value at which it fires; a percentage is one of the capacity.

        >>> Threshold("half", capacity_percentage=Decimal(50)).limit(Decimal(75))
        Decimal('37.5')
        """
        if self.absolute_value is not None:
            return self.absolute_value
        assert self.capacity_percentage is not None and capacity is not None
        return EXACT.divide(EXACT.multiply(capacity, self.capacity_percentage), _HUNDRED)

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        body: dict[str, Any] = {"name": self.name}
        if self.capacity_percentage is not None:
            body["capacityPercentage"] = self.capacity_percentage
        if self.absolute_value is not None:
            body["absoluteValue"] = self.absolute_value
        body["customFields"] = dict(self.custom_fields)
        return body


def read_thresholds(
    items: Sequence[Any], *, capacity: Decimal | None
) -> tuple[tuple[Threshold, ...], list[Problem]]:
    """Read the API's list of thresholds and list every problem."""
    problems: list[Problem] = []
    thresholds: list[Threshold] = []
    for position, item in enumerate(items):
        threshold, faults = _read_threshold(item, capacity)
        if threshold is not None and threshold.name in {t.name for t in thresholds}:
            faults.append(Problem("name", f"{threshold.name!r} is used twice"))
        problems += [fault.at(f"thresholds[{position}]") for fault in faults]
        if threshold is not None:
            thresholds.append(threshold)
    return tuple(thresholds), problems


def _read_threshold(
    item: object, capacity: Decimal | None
) -> tuple[Threshold | None, list[Problem]]:
    # reachedAt is output; bodies copied from a record carry it.
    reading = Reading(item, known=(*_FIELDS, "reachedAt"), what="threshold")
    name = reading.text("name", required=True)
    percentage = reading.number("capacityPercentage")
    absolute = reading.number("absoluteValue")
    custom_fields = reading.json_object("customFields")
    given = [reading.body.get(key) is not None for key in _FIELDS[1:3]]
    if sum(given) != 1 and not reading.problems:
        reading.fail("", "needs exactly one of capacityPercentage and absoluteValue")
    for key, number in (("capacityPercentage", percentage), ("absoluteValue", absolute)):
        if number is not None and number <= ZERO:
            reading.fail(key, f"is {number}", "limits are greater than 0")
    if percentage is not None and capacity is None:
        hint = "set capacity, or use absoluteValue"
        reading.fail("capacityPercentage", "has no capacity to be a percentage of", hint)
    if reading.problems or name is None:
        return None, reading.problems
    return Threshold(name, percentage, absolute, custom_fields), []
