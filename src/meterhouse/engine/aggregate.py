"""What a data aggregator computes, as data: group keys and operations on fields.

``aggregate_fold`` folds columns by it. Equal JSON values are one group: 5 and 5.0 are, the text
"5" is another; a field that is absent counts as null.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from meterhouse.core.date_part import DatePart
from meterhouse.core.json_text import json_text


class Operation(Enum):
    """What is computed of a field. Records without the field leave the result as it is."""

    SUM = "NUMERIC_SUM"
    AVERAGE = "NUMERIC_AVERAGE"
    MIN = "NUMERIC_MIN"
    MAX = "NUMERIC_MAX"
    COUNT = "GENERAL_COUNT"
    CARRY_FIRST = "GENERAL_CARRY_FIRST"
    CARRY_LAST = "GENERAL_CARRY_LAST"

    @property
    def numeric(self) -> bool:
        """Whether the field must hold a number."""
        return self.value.startswith("NUMERIC_")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """A field by which records are grouped, or a part of the date in it; ``name`` leaves."""

    field: str
    name: str
    part: DatePart | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An operation on a field, and the name under which its result leaves."""

    operation: Operation
    field: str
    name: str


@dataclass(frozen=True, slots=True)
class AggregatePlan:
    """Group keys and operations, in the order in which they leave."""

    keys: tuple[GroupKey, ...]
    aggregates: tuple[Aggregate, ...]

    @property
    def scope(self) -> str:
        """A text that is the same for equal grouping.

        >>> AggregatePlan((GroupKey("a", "b"),), ()).scope
        '[["a","NONE"]]'
        """
        parts = [[key.field, key.part.value if key.part else "NONE"] for key in self.keys]
        return json_text(parts)

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths of all fields that are looked at."""
        keys, aggregates = (key.field for key in self.keys), (a.field for a in self.aggregates)
        return tuple(dict.fromkeys((*keys, *aggregates)))
