"""The row executor: the metering plan in plain Python, one record after the other.

Slow and obvious on purpose: it is the oracle of the tests, and the path of micro-batches, for
which any columnar engine is slower. ``engine.columns`` must give the same results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, GuidingRule
from meterhouse.core.instant import Instant, read_timestamp
from meterhouse.core.json_text import JsonValue, Record, canonical_text, field_value, json_text
from meterhouse.core.meter_state import GroupKey, GroupState, Section
from meterhouse.core.metered_record import MeteredRecord, breakdowns_text, threshold_record
from meterhouse.core.quantity import EXACT, GREATEST, LIMIT, ZERO, quantity
from meterhouse.core.suspense import Reason
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.plan import TIMESTAMP, USER_ID, VALUE, MeterPlan

#: The buckets of each user, in order of ``Meter.no``.
UserBuckets = Mapping[str, Sequence[Bucket]]
#: The bucket of an event-time meter (by its head) that takes usage of an instant.
PeriodOf = Callable[[Bucket, Instant], Bucket]


@dataclass(slots=True)
class Outcome:
    """How many records of a batch were metered, and which were not.

    ``suspended`` holds positions in the batch; together with the metered records they are all.
    """

    metered: int = 0
    suspended: list[tuple[int, Reason]] = field(default_factory=list)
    #: what event-time meters took: record, slot, rule, quantity and timestamp
    events: list[tuple[int, int, int, Decimal, Instant]] = field(default_factory=list)


@dataclass(slots=True)
class Folded(Outcome):
    """The outcome of a batch, and the threshold records that left.

    ``threshold_positions`` holds for each threshold record the position of the record that
    reached the limit.
    """

    thresholds: list[MeteredRecord] = field(default_factory=list)
    threshold_positions: list[int] = field(default_factory=list)

    def pushed(self) -> list[tuple[int, MeteredRecord]]:
        """Return the threshold records with their positions."""
        return list(zip(self.threshold_positions, self.thresholds, strict=True))


def no_periods(head: Bucket, instant: Instant) -> Bucket:
    """Stand in where there are no event-time meters."""
    raise AssertionError(f"meter {head.meter.no} has periods by event time")


@dataclass(frozen=True, slots=True)
class _Usage:
    """A record that passed the checks."""

    record: Record
    user_id: str
    quantity: Decimal
    timestamp: Instant


@dataclass(frozen=True, slots=True)
class _Run:
    """What is the same for all records of a batch."""

    plan: MeterPlan
    buckets: UserBuckets
    period_of: PeriodOf
    at: Instant


def meter_rows(
    records: Iterable[Record],
    *,
    plan: MeterPlan,
    buckets: UserBuckets,
    period_of: PeriodOf,
    at: Instant,
) -> Folded:
    """Meter records in their order; ``buckets`` are changed in place."""
    folded = Folded()
    run = _Run(plan, buckets, period_of, at)
    for position, record in enumerate(records):
        usage = _check(record, at=at, tolerance=plan.future_tolerance)
        reason = usage if isinstance(usage, Reason) else _take(usage, run, position, folded)
        crossed = len(folded.thresholds) - len(folded.threshold_positions)
        folded.threshold_positions += [position] * crossed
        if reason is None:
            folded.metered += 1
        else:
            folded.suspended.append((position, reason))
    return folded


def user_id_text(value: JsonValue) -> str | None:
    """A record's user id as text: numbers by their shortest decimal text, ``None`` if missing."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return json_text(value)
    return None


def _check(record: Record, *, at: Instant, tolerance: Instant) -> _Usage | Reason:
    """Check a record; the first fault in order of precedence is its reason."""
    user_id = user_id_text(field_value(record, USER_ID))
    if user_id is None:
        return Reason.USER_ID_MISSING
    value = field_value(record, VALUE)
    if value is None or value == "":
        return Reason.VALUE_MISSING
    amount = quantity(value)
    if isinstance(amount, Reason):
        return amount
    given = field_value(record, TIMESTAMP)
    timestamp = at if given is None or given == "" else read_timestamp(given)
    if timestamp is None:
        return Reason.TIMESTAMP_INVALID
    if timestamp > at + tolerance:
        return Reason.TIMESTAMP_IN_FUTURE
    return _Usage(record, user_id, amount, timestamp)


def _take(usage: _Usage, run: _Run, position: int, folded: Folded) -> Reason | None:
    """Let the first rule take the record that holds and has an active meter for the user."""
    mine = run.buckets.get(usage.user_id, ())
    inactive = False
    for number, rule in enumerate(run.plan.rules):
        if not rule.holds(usage.record):
            continue
        candidates = [bucket for bucket in mine if bucket.meter.category == rule.category]
        active = [bucket for bucket in candidates if bucket.meter.active_at(usage.timestamp)]
        if active:
            periods = [
                run.period_of(bucket, usage.timestamp) if bucket.meter.by_event_time else bucket
                for bucket in active
            ]
            reason = _fold(usage, rule, periods, run, folded)
            if reason is None:
                folded.events += [
                    (position, bucket.slot, number, usage.quantity, usage.timestamp)
                    for bucket in periods
                    if bucket.slot
                ]
            return reason
        inactive = inactive or bool(candidates)
    return Reason.OUTSIDE_ACTIVE_PERIOD if inactive else Reason.NO_METER_FOUND


def _fold(
    usage: _Usage, rule: GuidingRule, active: Sequence[Bucket], run: _Run, folded: Folded
) -> Reason | None:
    """Fold the record into every active bucket, or into none where one would overflow."""
    keys = {section: _group_key(usage.record, section) for section in rule.group_by}
    if any(overflows(bucket, keys, usage.quantity) for bucket in active):
        return Reason.VALUE_OUT_OF_RANGE
    carried = [
        (operation.carry, operation.field, canonical_text(value))
        for operation in rule.operations
        if (value := field_value(usage.record, operation.field)) is not None
    ]
    for bucket in active:
        fold_into(bucket, usage.quantity, keys, carried)
        bucket.state.updated_at = run.at
        bucket.changed = True
        folded.thresholds += _cross(bucket, run.plan, run.at)
    return None


def _group_key(record: Record, section: Section) -> GroupKey:
    return tuple(canonical_text(field_value(record, name)) for name in section)


def overflows(bucket: Bucket, keys: Mapping[Section, GroupKey], amount: Decimal) -> bool:
    """Whether the bucket or one of its groups would leave the range of quantities."""
    if bucket.meter.aggregation is not Aggregation.SUM:
        return False
    state = bucket.state
    if EXACT.add(state.volume, amount.copy_abs()) < LIMIT:
        return False
    totals = [state.value or ZERO]
    for section, key in keys.items():
        entry = state.groups.get(section, {}).get(key)
        totals.append(ZERO if entry is None or entry.value is None else entry.value)
    return any(EXACT.add(total, amount).copy_abs() >= LIMIT for total in totals)


def fold_into(
    bucket: Bucket,
    amount: Decimal,
    keys: Mapping[Section, GroupKey],
    carried: Sequence[tuple[Carry, str, str]],
) -> None:
    """Fold one record: its quantity, its group of each section, and what it carries."""
    state, aggregation = bucket.state, bucket.meter.aggregation
    state.value = aggregation.fold(state.value, amount)
    state.count += 1
    if aggregation is Aggregation.SUM:
        state.volume = min(EXACT.add(state.volume, amount.copy_abs()), GREATEST)
    _carry(state.carry_first, state.carry_last, carried)
    for section, key in keys.items():
        entries = state.groups.setdefault(section, {})
        entry = entries.setdefault(key, GroupState(aggregation.initial))
        entry.value = aggregation.fold(entry.value, amount)
        _carry(entry.carry_first, entry.carry_last, carried)


def _carry(
    first: dict[str, str], last: dict[str, str], carried: Sequence[tuple[Carry, str, str]]
) -> None:
    for carry, name, text in carried:
        if carry is Carry.FIRST:
            first.setdefault(name, text)
        else:
            last[name] = text


def _cross(bucket: Bucket, plan: MeterPlan, at: Instant) -> list[MeteredRecord]:
    """Fire the thresholds that the bucket's value has reached, in ascending order of limit."""
    state, value = bucket.state, bucket.state.value
    records: list[MeteredRecord] = []
    assert value is not None
    for limit, threshold in bucket.limits:
        if threshold.name not in state.reached and value >= limit:
            state.reached[threshold.name] = at
            breakdowns = breakdowns_text(state, plan.sections)
            record = threshold_record(bucket.meter, state, threshold, breakdowns=breakdowns)
            records.append(record)
    return records
