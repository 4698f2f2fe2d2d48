"""The state of a meter in one period: the bucket that usage records are folded into.

Field values that a bucket keeps (group fields, carries) are canonical JSON texts, so that two
executors and a store can hold, compare and sort them without knowing what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from meterhouse.core.instant import Instant
from meterhouse.core.quantity import ZERO

#: The fields of a "group by" section, in their order.
Section = tuple[str, ...]
#: The canonical JSON texts of those fields, in the same order.
GroupKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """``[start, end)`` of a meter; ``sequence`` counts its periods from 0."""

    sequence: int
    start: Instant
    end: Instant


@dataclass(slots=True)
class GroupState:
    """The bucket of one combination of group fields."""

    value: Decimal | None = None
    carry_first: dict[str, str] = field(default_factory=dict)
    carry_last: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class MeterState:
    """A meter's bucket in its current period.

    ``count`` is the number of records folded in this period; 0 means untouched. ``volume`` is
    the sum of the absolute values folded: no total inside the bucket can exceed it. ``reached``
    holds when each threshold fired. ``timezone`` is the zone in force for this period.
    """

    period: Period
    timezone: str
    updated_at: Instant
    value: Decimal | None = None
    count: int = 0
    volume: Decimal = ZERO
    carry_first: dict[str, str] = field(default_factory=dict)
    carry_last: dict[str, str] = field(default_factory=dict)
    groups: dict[Section, dict[GroupKey, GroupState]] = field(default_factory=dict)
    reached: dict[str, Instant] = field(default_factory=dict)
