"""The plan of a meter node: what both executors carry out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from meterhouse.core.guiding_rule import Carry, GuidingRule
from meterhouse.core.instant import Instant
from meterhouse.core.meter_state import Section

USER_ID = "userId"
VALUE = "value"
TIMESTAMP = "timestamp"
IDENTITY = "id"


class Flush(Enum):
    """When meters are flushed; the stored names are the original's ``flushType``."""

    PERIOD_END = "TIMEOUT"
    STREAM_EXECUTION = "END_OF_STREAM"


@dataclass(frozen=True)
class MeterPlan:
    """Guiding rules and flush mode of one meter node.

    ``future_tolerance`` (microseconds) is how far a timestamp may lie after the run's clock.
    """

    meter_key: str
    rules: tuple[GuidingRule, ...]
    flush: Flush = Flush.PERIOD_END
    future_tolerance: Instant = 0
    #: the field that names a record where single usage is kept
    identity: str = IDENTITY

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All group-by sections of all rules, in order of first appearance."""
        return tuple(dict.fromkeys(s for rule in self.rules for s in rule.group_by))

    @cached_property
    def carried_first(self) -> tuple[str, ...]:
        """All fields that any rule carries from the first record."""
        return self._carried(Carry.FIRST)

    @cached_property
    def carried_last(self) -> tuple[str, ...]:
        """All fields that any rule carries from the last record."""
        return self._carried(Carry.LAST)

    def _carried(self, carry: Carry) -> tuple[str, ...]:
        operations = [o for rule in self.rules for o in rule.operations if o.carry is carry]
        return tuple(dict.fromkeys(operation.field for operation in operations))
