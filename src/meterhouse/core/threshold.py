"""Thresholds: limits of a meter that send a partial push when its value reaches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from meterhouse.core.problem import Problem
from meterhouse.core.quantity import EXACT
from meterhouse.core.reading import Reading, shown

THRESHOLDS_MAX = 20
_HUNDRED = Decimal(100)
_LIMITS = ("capacityPercentage", "absoluteValue")
#: ``reachedAt`` is output; bodies copied from a record carry it.
_FIELDS = ("name", *_LIMITS, "customFields", "reachedAt")


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
    names: list[object] = []
    for position, item in enumerate(items):
        threshold, faults = _read_threshold(item, capacity)
        name = item.get("name") if isinstance(item, Mapping) else None
        if isinstance(name, str) and name in names:
            faults.append(Problem("name", f"is {shown(name)} again", "give each its own name"))
        names.append(name)
        problems += [fault.at(f"thresholds[{position}]") for fault in faults]
        if threshold is not None:
            thresholds.append(threshold)
    return tuple(thresholds), problems


def _read_threshold(
    item: object, capacity: Decimal | None
) -> tuple[Threshold | None, list[Problem]]:
    reading = Reading(item, known=_FIELDS, what="threshold")
    name = reading.text("name", required=True)
    percentage = reading.number("capacityPercentage", positive=True)
    absolute = reading.number("absoluteValue", positive=True)
    custom_fields = reading.json_object("customFields")
    given = [key for key in _LIMITS if reading.body.get(key) is not None]
    if len(given) != 1:
        message = f"has {' and '.join(given) or 'no limit'}"
        reading.fail("", message, f"give exactly one of {' and '.join(_LIMITS)}")
    if percentage is not None and capacity is None:
        reading.problems.append(_no_capacity(percentage))
    if reading.problems or name is None:
        return None, reading.problems
    return Threshold(name, percentage, absolute, custom_fields), []


def capacity_problems(
    thresholds: Sequence[Threshold], *, capacity: Decimal | None
) -> list[Problem]:
    """List the percentages among the thresholds of a meter that has no capacity."""
    if capacity is not None:
        return []
    return [
        _no_capacity(threshold.capacity_percentage).at(f"thresholds[{position}]")
        for position, threshold in enumerate(thresholds)
        if threshold.capacity_percentage is not None
    ]


def _no_capacity(percentage: Decimal) -> Problem:
    message = f"is {shown(percentage)}, and there is no capacity that it is a percentage of"
    return Problem("capacityPercentage", message, "set capacity, or use absoluteValue")
