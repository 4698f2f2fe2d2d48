"""One meter node during one run: scans, folds and flushes over a snapshot of its meters.

Chooses the executor: rows for micro-batches, columns for bulk. Holds what has changed until the
run commits; the snapshot itself is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.metered_record import Kind, MeteredRecord
from meterhouse.core.problem import MeterhouseError
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.bucket import SLOT_FIRST, Bucket
from meterhouse.engine.changes import Contents, StateChanges, with_contents
from meterhouse.engine.columns.executor import WINDOW_RECORDS_MAX, ColumnExecutor
from meterhouse.engine.event_periods import EventPeriods
from meterhouse.engine.flush import flush_expired, flush_now
from meterhouse.engine.plan import USER_ID, Flush, MeterPlan
from meterhouse.engine.retained import retained_columns, retained_rows, rule_text
from meterhouse.engine.rows import Outcome, meter_rows, no_periods, user_id_text
from meterhouse.engine.source import MeterSource, flush_order

#: Batches of up to this many records are metered row by row (engines: they cross at 2,500-4,000).
ROWS_MAX = 2_000


#: Ends a period: what ``Metering`` does when its turn comes.
Flushing = Callable[[], MeteredRecord | None]


class EventTimeFlush(MeterhouseError):
    """A node that flushes at the end of each run has meters whose periods follow timestamps."""

    code = "event_time_flush"


class Metering:
    """The metering of one run.

    In this order: ``scan``, ``meter`` for each batch, ``thresholds``, the flush, ``adjustments``,
    ``changes``. Nothing may be metered after the flush at the end.
    """

    def __init__(
        self,
        plan: MeterPlan,
        source: MeterSource,
        *,
        at: Instant,
        rows_max: int = ROWS_MAX,
        window_records_max: int = WINDOW_RECORDS_MAX,
    ) -> None:
        """``rows_max`` chooses the executor; ``window_records_max`` is what columns fold."""
        self._plan = plan
        self._source = source
        self._at = at
        self._rows_max = rows_max
        self._window_records_max = window_records_max
        #: records that came in before the batch at hand, and before columns took over
        self._seen = self._seen_by_rows = 0
        #: threshold records, by the position in the run of the record that reached the limit
        self._thresholds: list[tuple[int, MeteredRecord]] = []
        #: buckets in memory by meter number: they go before what the source says
        self._held: dict[int, Bucket] = {}
        #: the periods of event-time meters; ``None`` where there are no such meters
        self._events = EventPeriods(source) if source.has_event_meters() else None
        if self._events is not None and plan.flush is Flush.STREAM_EXECUTION:
            raise EventTimeFlush(
                f"meters of key {plan.meter_key} follow the timestamps of records, but their node "
                "flushes all meters at the end of each run",
                hint=f'set flushType to "{Flush.PERIOD_END.value}", or use meter types with '
                '"periodAssignment": "processing"',
            )
        self._users: dict[str, list[Bucket]] = {}
        self._columns: ColumnExecutor | None = None
        self._contents: Contents | None = None
        self._released: list[int] = []
        #: what event-time meters took, batch by batch
        self._usage: list[pl.DataFrame] = []
        #: meters that columns have touched though they are no longer active
        self._retired: list[int] = []

    def scan(self, at: Instant | None = None) -> Iterator[MeteredRecord]:
        """Flush the meters whose period has ended; ``at`` is the run's clock unless given."""
        instant = self._at if at is None else at
        self._land_columns()
        # A retired meter may be missing among the expired ones though this run has touched it.
        seen: dict[int, Bucket] = {b.meter.no: b for b in self._source.expired(instant)}
        touched = [b for b in self._held.values() if b.meter.no not in seen]
        touched += self._source.by_numbers([no for no in self._retired if no not in seen])
        seen |= {bucket.meter.no: bucket for bucket in touched}
        yield from self._flush(
            (bucket for bucket in seen.values() if not bucket.meter.by_event_time),
            due=lambda bucket: bucket.state.period.end <= instant,
            flush=lambda bucket: flush_expired(bucket, at=instant, sections=self._plan.sections),
            closings=self._closings(instant),
        )

    def _closings(self, at: Instant) -> list[tuple[Bucket, Flushing]]:
        """What closes of event-time meters: their heads count as held from now on."""
        if self._events is None:
            return []
        close = partial(self._events.close, sections=self._plan.sections)
        due = (self._held.get(head.meter.no, head) for head in self._source.due_events(at))
        closings = self._events.closings(due, at)
        self._held |= {closing.head.meter.no: closing.head for closing in closings}
        return [(closing.bucket, partial(close, closing)) for closing in closings]

    def released(self) -> list[MeteredRecord]:
        """Return the adjustments that changes of single usage have made since the last run."""
        due = [] if self._events is None else self._source.adjustments_due()
        self._released = [no for no, _ in due]
        return [MeteredRecord(Kind.ADJUSTMENT, "", 0, 0, text) for _, text in due]

    def adjustments(self) -> Iterator[MeteredRecord]:
        """Yield what restates closed periods, after the flush at the end of the run."""
        self._land_columns()
        if self._events is not None:
            yield from self._events.adjustments(sections=self._plan.sections)

    def flush_all(self) -> Iterator[MeteredRecord]:
        """Flush every meter whatever its period (stream execution)."""
        yield from self._flush(
            self._source.all(),
            # A meter created after the run's clock has no period that could end now.
            due=lambda bucket: bucket.state.period.start <= self._at,
            flush=lambda bucket: flush_now(bucket, at=self._at, sections=self._plan.sections),
        )

    def meter(self, batch: UsageBatch) -> Outcome:
        """Fold a batch into the buckets."""
        if self._columns is None and len(batch) <= self._rows_max:
            first, self._seen = self._seen, self._seen + len(batch)
            return self._meter_rows(batch, first)
        columns = self._in_columns()
        self._seen += len(batch)
        outcome = columns.meter(batch)
        if (taken := columns.taken()) is not None:
            kept = self._kept(taken)
            in_columns = retained_columns(batch, kept, self._plan) if kept.height else None
            self._retain(in_columns, self._by_rows(batch, outcome))
        return outcome

    def _by_rows(self, batch: UsageBatch, outcome: Outcome) -> pl.DataFrame | None:
        """Return what is kept of records that were metered row by row."""
        if self._events is None or not outcome.events:
            return None
        meters = {slot: bucket.meter for slot, bucket in self._events.buckets.items()}
        kept = [event for event in outcome.events if meters[event[1]].keeps_usage]
        return retained_rows(batch, kept, self._plan) if kept else None

    def _kept(self, taken: pl.DataFrame) -> pl.DataFrame:
        """Return those of the records taken whose meters keep them."""
        assert self._events is not None
        buckets = self._events.buckets.items()
        passing = [slot for slot, bucket in buckets if not bucket.meter.keeps_usage]
        if not passing:
            return taken
        if len(passing) == len(buckets):
            return taken.clear()
        return taken.filter(~pl.col("slot").is_in(passing))

    def _retain(self, *frames: pl.DataFrame | None) -> None:
        """Keep what event-time meters took of a batch."""
        there = [frame for frame in frames if frame is not None and frame.height]
        if there:
            self._usage.append(pl.concat(there).sort("position", maintain_order=True))

    def make_ready(self) -> None:
        """Get the meters as columns now: many records will come."""
        self._in_columns()

    def _in_columns(self) -> ColumnExecutor:
        if self._columns is None:
            assert self._contents is None
            slots = {} if self._events is None else self._events.buckets
            self._columns = ColumnExecutor(
                self._plan,
                self._source,
                chain(self._held.values(), slots.values()),
                self._events,
                at=self._at,
                window_records_max=self._window_records_max,
            )
            self._seen_by_rows = self._seen
        return self._columns

    def thresholds(self) -> list[tuple[int, MeteredRecord]]:
        """Return all threshold records, in order of arrival; nothing can be metered after that.

        With each comes the position in the run (from 0) of the record that reached the limit.
        """
        self._land_columns()
        return list(self._thresholds)

    def changes(self) -> StateChanges:
        """Return what is to be stored."""
        self._land_columns()
        held = sorted(self._held.values(), key=lambda bucket: bucket.meter.no)
        return StateChanges(
            buckets=[bucket for bucket in held if bucket.changed and not bucket.deleted],
            deleted=[bucket.meter.no for bucket in held if bucket.deleted],
            contents=self._contents,
            updated_at=self._at,
            periods=[] if self._events is None else self._events.changed(),
            usage=self._kept_usage(),
            usage_rules=[rule_text(rule) for rule in self._plan.rules],
            released=self._released,
        )

    def _kept_usage(self) -> pl.DataFrame | None:
        """What is kept of usage: that of meters which go now, too."""
        if self._events is None or not self._usage:
            return None
        places = {
            "slot": list(self._events.buckets),
            "meter": [bucket.meter.no for bucket in self._events.buckets.values()],
            "start": [bucket.state.period.start for bucket in self._events.buckets.values()],
        }
        usage = pl.concat(self._usage).join(
            pl.DataFrame(places, schema=dict.fromkeys(places, pl.Int64)),
            on="slot",
            how="left",
            maintain_order="left",
        )
        return usage.drop("slot", "position")

    def _flush(
        self,
        buckets: Iterable[Bucket],
        *,
        due: Callable[[Bucket], bool],
        flush: Callable[[Bucket], MeteredRecord | None],
        closings: Iterable[tuple[Bucket, Flushing]] = (),
    ) -> Iterator[MeteredRecord]:
        self._land_columns()
        current = [self._held.get(bucket.meter.no, bucket) for bucket in buckets]
        ended = [bucket for bucket in current if not bucket.deleted and due(bucket)]
        self._take_contents(ended)
        for bucket in ended:
            self._held[bucket.meter.no] = bucket
        steps = [(bucket, partial(flush, bucket)) for bucket in ended]
        for _, step in sorted([*steps, *closings], key=lambda pair: flush_order(pair[0])):
            if (record := step()) is not None:
                yield record

    def _meter_rows(self, batch: UsageBatch, first: int) -> Outcome:
        records = batch.rows()
        users = {user_id_text(record.get(USER_ID)) for record in records}
        self._load({user for user in users if user is not None and user not in self._users})
        folded = meter_rows(
            records,
            plan=self._plan,
            buckets=self._users,
            period_of=no_periods if self._events is None else self._events.at,
            at=self._at,
        )
        self._thresholds += [(first + position, record) for position, record in folded.pushed()]
        self._retain(self._by_rows(batch, folded))
        return folded

    def _load(self, user_ids: set[str]) -> None:
        self._users |= {user_id: [] for user_id in user_ids}
        loaded = [self._held.get(b.meter.no, b) for b in self._source.for_users(user_ids)]
        for bucket in sorted(loaded, key=lambda bucket: bucket.meter.no):
            if not bucket.deleted:
                self._held[bucket.meter.no] = bucket
                self._users[bucket.meter.user_id].append(bucket)

    def _land_columns(self) -> None:
        """End columnar folding; its results are contents until a flush needs them as buckets."""
        if self._columns is not None:
            self._contents = self._without_slots(self._columns.finish())
            self._retired = self._columns.retired(self._contents.numbers)
            first = self._seen_by_rows
            self._thresholds += [(first + at, record) for at, record in self._columns.pushed()]
            self._columns = None

    def _without_slots(self, contents: Contents) -> Contents:
        """Give the periods of event-time meters their contents; return those of the others."""
        if self._events is None or not (contents.numbers >= SLOT_FIRST).any():
            return contents
        slots, others = contents.split(contents.numbers >= SLOT_FIRST)
        with_contents(self._events.buckets, slots, updated_at=self._at)
        return others

    def _take_contents(self, buckets: list[Bucket]) -> None:
        """Give buckets the contents that columns have folded for them."""
        if self._contents is None:
            return
        by_number = {bucket.meter.no: bucket for bucket in buckets}
        mine = self._contents.numbers.is_in(list(by_number))
        if not mine.any():
            return
        taken, self._contents = self._contents.split(mine)
        with_contents(by_number, taken, updated_at=self._at)
