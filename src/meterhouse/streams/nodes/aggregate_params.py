"""The stored parameters of ``transforms/data_aggregate``: what is grouped, computed and let out.

Results have default names: ``sum_x``, ``avg_x``, ``count_x``, ``carry_last_x``, ``month_x``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from meterhouse.core.date_part import DatePart
from meterhouse.core.instant import DAY, MINUTE, SECOND, Instant
from meterhouse.core.quantity import number_text
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.engine.aggregate import Aggregate, AggregatePlan, GroupKey, Operation
from meterhouse.streams.comparison import SPELLINGS, Comparison, Operator
from meterhouse.streams.parameters import whole_number

Item = TypeVar("Item")

KEYS_MAX = 100
OPERATIONS_MAX = 500
CONDITIONS_MAX = 100
NO_PART = "NONE"
_PREFIXES = {
    Operation.SUM: "sum",
    Operation.AVERAGE: "avg",
    Operation.MIN: "min",
    Operation.MAX: "max",
    Operation.COUNT: "count",
    Operation.CARRY_FIRST: "carry_first",
    Operation.CARRY_LAST: "carry_last",
}
_UNITS = {"SECOND": SECOND, "MINUTE": MINUTE, "HOUR": 60 * MINUTE, "DAY": DAY}
_DAYS_MAX = 180
_FIRST, _LAST = "FIRST_RECORD", "LAST_RECORD"


class Flush(Enum):
    """When groups leave: for each input, once for all of them, or at a time-out."""

    EACH_FILE = "EACH_FILE"
    ALL_FILES = "ALL_FILES"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a session stays open, since the last run that updated it or since it began."""

    duration: Instant
    since_last: bool

    def instant(self, *, created_at: Instant, updated_at: Instant) -> Instant:
        """Return when a session ends."""
        return (updated_at if self.since_last else created_at) + self.duration


@dataclass(frozen=True, slots=True)
class FlushRule:
    """What ends sessions. Where there are conditions, all must hold for a session to leave."""

    flush: Flush
    timeout: Timeout | None = None
    #: name of a result, and what it is compared with
    conditions: tuple[tuple[str, Comparison], ...] = ()

    @property
    def keeps(self) -> bool:
        """Whether sessions may stay open after a run."""
        return self.flush is Flush.TIMEOUT or bool(self.conditions)


def read_plan(reading: Reading) -> AggregatePlan:
    """Read group keys and operations, noting problems."""
    keys = _items(reading, "groupKeys", _read_key, items_max=KEYS_MAX)
    if not keys and not reading.problems:
        reading.fail("groupKeys", "is empty", "name at least one field to group by")
    aggregates = _items(reading, "operations", _read_operation, items_max=OPERATIONS_MAX)
    names: set[str] = set()
    for name in (item.name for item in (*keys, *aggregates)):
        if name in names:
            reading.fail("operations", f"has two results named {shown(name)}", "give one an alias")
        names.add(name)
    return AggregatePlan(tuple(keys), tuple(aggregates))


def _items(
    reading: Reading, name: str, read: Callable[[Reading], Item | None], *, items_max: int
) -> list[Item]:
    found: list[Item] = []
    for position, item in enumerate(reading.json_list(name, items_max=items_max)):
        inner = Reading(item)
        made = read(inner)
        reading.problems += [fault.at(f"{name}[{position}]") for fault in inner.problems]
        if made is not None and not inner.problems:
            found.append(made)
    return found


def _read_key(reading: Reading) -> GroupKey | None:
    field = reading.text("field", required=True)
    text = reading.body.get("operationType", NO_PART)
    part = next((part for part in DatePart if part.value == text), None)
    if part is None and text != NO_PART:
        known = ", ".join((NO_PART, *(part.value for part in DatePart)))
        reading.fail("operationType", f"is {shown(text)}", f"use one of {known}")
    alias = reading.text("alias")
    if field is None:
        return None
    return GroupKey(field, alias or (f"{part.value.lower()}_{field}" if part else field), part)


def _read_operation(reading: Reading) -> Aggregate | None:
    field = reading.text("field", required=True)
    text = reading.body.get("type")
    operation = next((operation for operation in Operation if operation.value == text), None)
    if operation is None:
        known = ", ".join(operation.value for operation in Operation)
        reading.fail("type", missing_or_shown(text), f"use one of {known}")
    alias = reading.text("alias")
    if field is None or operation is None:
        return None
    return Aggregate(operation, field, alias or f"{_PREFIXES[operation]}_{field}")


def read_flush(reading: Reading, plan: AggregatePlan) -> FlushRule | None:
    """Read when groups leave, noting problems."""
    text = reading.body.get("flushType", Flush.ALL_FILES.value)
    flush = next((flush for flush in Flush if flush.value == text), None)
    if flush is None:
        known = ", ".join(flush.value for flush in Flush)
        reading.fail("flushType", f"is {shown(text)}", f"use one of {known}")
    timeout = _read_timeout(reading)
    if flush is Flush.TIMEOUT and reading.body.get("timeout") is None:
        hint = 'say for how long, as in {"value": 1, "unit": "HOUR", "since": "LAST_RECORD"}'
        reading.fail("timeout", "is missing", hint)
    names = [item.name for item in (*plan.keys, *plan.aggregates)]
    conditions = _items(
        reading,
        "conditionalFlushConfig",
        lambda inner: _read_condition(inner, names),
        items_max=CONDITIONS_MAX,
    )
    if flush is None or reading.problems:
        return None
    return FlushRule(flush, timeout, tuple(conditions))


def _read_timeout(reading: Reading) -> Timeout | None:
    body = reading.body.get("timeout")
    if body is None:
        return None
    inner = Reading(body, known=("value", "unit", "since"), what="time-out")
    value = whole_number(inner, "value", lowest=1)
    if value is None and not inner.problems:
        inner.fail("value", "is missing", "use a whole number of 1 or more")
    unit, since = inner.body.get("unit", "MINUTE"), inner.body.get("since", _LAST)
    if not isinstance(unit, str) or unit not in _UNITS:
        inner.fail("unit", f"is {shown(unit)}", f"use one of {', '.join(_UNITS)}")
    elif value is not None and value * _UNITS[unit] > _DAYS_MAX * DAY:
        hint = f"a session that nothing updates is forgotten after {_DAYS_MAX} days"
        inner.fail("value", f"is {value}, which is longer than {_DAYS_MAX} days", hint)
    if since not in (_FIRST, _LAST):
        inner.fail("since", f"is {shown(since)}", f"use {_FIRST} or {_LAST}")
    reading.problems += [fault.at("timeout") for fault in inner.problems]
    return (
        None if inner.problems or value is None else Timeout(value * _UNITS[unit], since == _LAST)
    )


def _read_condition(reading: Reading, names: list[str]) -> tuple[str, Comparison] | None:
    field = reading.text("field", required=True)
    if field is not None and field not in names:
        hint = f"name what leaves: {', '.join(names)}" if names else "name a group key first"
        reading.fail("field", f"is {shown(field)}, which no group has", hint)
    op = reading.body.get("op")
    operator = SPELLINGS.get(op.lower()) if isinstance(op, str) else None
    if operator is None or operator is Operator.REGEX:
        known = ", ".join(known.value for known in Operator if known is not Operator.REGEX)
        reading.fail("op", missing_or_shown(op), f"use one of {known}")
    value = _value_text(reading)
    if field is None or operator is None or value is None:
        return None
    return field, Comparison(operator, value)


def _value_text(reading: Reading) -> str | None:
    value = reading.body.get("value")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if value is None:
        reading.fail("value", "is missing", "give what the result is compared with")
        return None
    number = reading.number("value")
    return None if number is None else number_text(number)
