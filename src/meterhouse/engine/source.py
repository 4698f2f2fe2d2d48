"""Where a run's meters come from: a snapshot, asked for a few users or as columns as a whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import polars as pl

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule
from meterhouse.engine.bucket import Bucket, decode_state, encode_state, new_state
from meterhouse.engine.changes import StateChanges, with_contents
from meterhouse.engine.columns.breakdowns import PackSource, no_packs

#: The columns of ``MeterColumns.frame``. ``no`` ascends. Contents are as in ``EncodedState``; where
#: ``pack`` is not null, that pack has the breakdowns in the place of ``groups``.
METER_SCHEMA: dict[str, pl.DataType] = {
    "no": pl.Int64(),
    "user_id": pl.String(),
    "profile": pl.Int32(),
    "value": pl.String(),
    "count": pl.Int64(),
    "volume": pl.String(),
    "carry_first": pl.String(),
    "carry_last": pl.String(),
    "reached": pl.String(),
    "groups": pl.String(),
    "pack": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What meters have in common as far as folding is concerned; many meters share one."""

    category: str
    aggregation: Aggregation
    active_from: Instant | None = None
    active_to: Instant | None = None
    #: schedule and time zone of periods that follow the timestamps of records
    calendar: tuple[ResetSchedule, str] | None = None
    #: limits and names of the thresholds, ascending
    limits: tuple[tuple[Decimal, str], ...] = ()

    @classmethod
    def of(cls, meter: Meter) -> Profile:
        """Return the profile of a meter."""
        limits = tuple((limit, threshold.name) for limit, threshold in meter.limits())
        calendar = (meter.reset_schedule, meter.timezone) if meter.by_event_time else None
        window = (meter.active_from, meter.active_to)
        return cls(meter.category, meter.aggregation, *window, calendar, limits)


@dataclass(frozen=True, slots=True)
class MeterColumns:
    """All meters of a meter key with their states. ``frame`` has ``METER_SCHEMA``."""

    frame: pl.DataFrame
    profiles: Sequence[Profile]
    packs: PackSource = no_packs


class MeterSource(Protocol):
    """The meters of one meter key as one snapshot shows them. Buckets are fresh copies."""

    def for_users(self, user_ids: Collection[str]) -> Iterable[Bucket]:
        """Return the buckets of those users."""
        ...

    def by_numbers(self, numbers: Sequence[int]) -> Iterable[Bucket]:
        """Return the buckets with those ``Meter.no``."""
        ...

    def expired(self, at: Instant) -> Iterator[Bucket]:
        """Yield the buckets whose period has ended at ``at``, by number.

        Meters that a flush would leave as they are (no longer active at ``at``, untouched, not
        to be deleted) may be left out.
        """
        ...

    def all(self) -> Iterator[Bucket]:
        """Yield every bucket, by number."""
        ...

    def columns(self) -> MeterColumns:
        """Return every meter as columns."""
        ...

    def has_event_meters(self) -> bool:
        """Whether any meter has periods that follow the timestamps of records.

        ``expired`` and ``all`` leave such meters out.
        """
        ...

    def due_events(self, at: Instant) -> Iterable[Bucket]:
        """Return the event-time meters of which a period may close at ``at``."""
        ...

    def open_periods(self, numbers: Sequence[int]) -> Iterable[Bucket]:
        """Return the touched periods of event-time meters that have not closed."""
        ...

    def periods(self, places: Sequence[tuple[int, Instant]]) -> Iterable[Bucket]:
        """Return the touched periods of event-time meters, by ``Meter.no`` and start."""
        ...

    def adjustments_due(self) -> Sequence[tuple[int, str]]:
        """Return the adjustments that no run has taken downstream yet: numbers and texts."""
        ...


class State:
    """Meters and their buckets in memory: a ``MeterSource`` for notebooks and tests.

    >>> State().all() is not None
    True
    """

    def __init__(self, buckets: Iterable[Bucket] = (), periods: Iterable[Bucket] = ()) -> None:
        self._buckets = {bucket.meter.no: bucket for bucket in buckets}
        #: touched periods of event-time meters
        self._periods = {(b.meter.no, b.state.period.start): b for b in periods}

    @classmethod
    def from_meters(cls, meters: Iterable[Meter]) -> State:
        """Start every meter in its first period, from its creation on."""
        return cls(Bucket(meter, new_state(meter, at=meter.created_at)) for meter in meters)

    def __len__(self) -> int:
        return len(self._buckets)

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self._buckets.values())

    def with_changes(self, changes: StateChanges) -> State:
        """Return the state after a run; this one stays as it is."""
        buckets = {no: _copy(bucket) for no, bucket in self._buckets.items()}
        buckets |= {bucket.meter.no: _copy(bucket) for bucket in changes.buckets}
        for no in changes.deleted:
            del buckets[no]
        if changes.contents is not None:
            with_contents(buckets, changes.contents, updated_at=changes.updated_at)
        periods = self._periods | {
            (bucket.meter.no, bucket.state.period.start): bucket for bucket in changes.periods
        }
        kept = (bucket for (no, _), bucket in periods.items() if no in buckets)
        bare = (Bucket(bucket.meter, bucket.state) for bucket in buckets.values())
        return State(bare, map(_copy, kept))

    def for_users(self, user_ids: Collection[str]) -> list[Bucket]:
        """Return copies of the buckets of those users."""
        return [_copy(b) for b in self._buckets.values() if b.meter.user_id in user_ids]

    def by_numbers(self, numbers: Sequence[int]) -> list[Bucket]:
        """Return copies of the buckets with those numbers."""
        return [_copy(self._buckets[no]) for no in numbers]

    def expired(self, at: Instant) -> Iterator[Bucket]:
        """Yield copies of the buckets whose period has ended."""
        return (bucket for bucket in self.all() if bucket.state.period.end <= at)

    def has_event_meters(self) -> bool:
        """Whether any meter has periods that follow the timestamps of records."""
        return any(bucket.meter.by_event_time for bucket in self._buckets.values())

    def due_events(self, at: Instant) -> list[Bucket]:
        """Return copies of all event-time meters."""
        return [_copy(b) for b in self._buckets.values() if b.meter.by_event_time]

    def open_periods(self, numbers: Sequence[int]) -> list[Bucket]:
        """Return copies of the touched periods that have not closed."""
        wanted = frozenset(numbers)
        mine = (b for (no, _), b in self._periods.items() if no in wanted)
        return [_copy(bucket) for bucket in mine if not bucket.closed]

    def periods(self, places: Sequence[tuple[int, Instant]]) -> list[Bucket]:
        """Return copies of the touched periods at those places."""
        return [_copy(self._periods[place]) for place in places if place in self._periods]

    def adjustments_due(self) -> list[tuple[int, str]]:
        """Return nothing: every adjustment has left with its run."""
        return []

    def all(self) -> Iterator[Bucket]:
        """Yield copies of all buckets, by number."""
        for bucket in sorted(self._buckets.values(), key=lambda bucket: bucket.meter.no):
            if not bucket.meter.by_event_time:
                yield _copy(bucket)

    def columns(self) -> MeterColumns:
        """Return every meter as columns."""
        return columns_of(sorted(self._buckets.values(), key=lambda bucket: bucket.meter.no))


def flush_order(bucket: Bucket) -> tuple[Instant, str]:
    """Golden records of one scan leave by end of period, then meter id."""
    return bucket.state.period.end, bucket.meter.id


def columns_of(buckets: Iterable[Bucket]) -> MeterColumns:
    """Put buckets into columns."""
    profiles: dict[Profile, int] = {}
    rows = []
    for bucket in buckets:
        profile = profiles.setdefault(Profile.of(bucket.meter), len(profiles))
        encoded = encode_state(bucket.state)
        contents = (encoded.value, encoded.count, encoded.volume, encoded.carry_first)
        rest = (encoded.carry_last, encoded.reached, encoded.groups)
        rows.append((bucket.no, bucket.meter.user_id, profile, *contents, *rest, None))
    frame = pl.DataFrame(rows, schema=METER_SCHEMA, orient="row")
    return MeterColumns(frame, list(profiles))


def _copy(bucket: Bucket) -> Bucket:
    # A copy by way of the encoding: what a store would return.
    state = bucket.state
    decoded = decode_state(
        encode_state(state),
        period=state.period,
        timezone=state.timezone,
        updated_at=state.updated_at,
        aggregation=bucket.meter.aggregation,
    )
    return Bucket(bucket.meter, decoded, closed=bucket.closed, adjustments=bucket.adjustments)
