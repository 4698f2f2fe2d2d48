"""The periods of event-time meters in one run: many of one meter may be open at once.

A *head* is the bucket of an event-time meter as it is listed: its period is the first one, from
the meter's creation on, that has not closed; what it holds means nothing here. What usage is
folded into are *slots*: a bucket for each meter and period that the run touches or that is open.
A slot has a number of its own (``Bucket.no``), so that both executors fold into it as into any
meter's bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from meterhouse.core.instant import Instant
from meterhouse.core.meter_state import MeterState, Period, Section
from meterhouse.core.metered_record import MeteredRecord, adjustment_record, golden_record
from meterhouse.core.period_calendar import calendar_of, numbered_period, period_bounds
from meterhouse.engine.bucket import SLOT_FIRST, Bucket
from meterhouse.engine.source import MeterSource, flush_order

#: A meter's number and the start of a period.
Place = tuple[int, Instant]


@dataclass(frozen=True, slots=True)
class Closing:
    """A period that ends now, with its meter's head. ``last``: the meter goes with it.

    A meter that is over and to be deleted goes without a record of its untouched period.
    """

    head: Bucket
    bucket: Bucket
    last: bool = False
    silent: bool = False


class EventPeriods:
    """The slots of a run: loaded where they are stored, else begun."""

    def __init__(self, source: MeterSource) -> None:
        self._source = source
        self._slots: dict[Place, Bucket] = {}
        #: the slots that are stored already: they are written even when nothing is left in them
        self._stored: set[int] = set()
        #: every slot by its number
        self.buckets: dict[int, Bucket] = {}
        #: the heads of all meters that have slots here, and those that a scan has moved
        self.heads: dict[int, Bucket] = {}

    def at(self, head: Bucket, instant: Instant) -> Bucket:
        """Return the slot of a meter that takes usage of an instant."""
        meter = head.meter
        scheduled = calendar_of(meter.reset_schedule, meter.timezone).around(instant)
        start, end = period_bounds(meter, scheduled, instant)
        found = self._slots.get((meter.no, start))
        return found if found is not None else self.open([(head, start, end)])[0]

    def open(self, wanted: Sequence[tuple[Bucket, Instant, Instant]]) -> list[Bucket]:
        """Return the slots of periods, given by head, start and end."""
        places = [(head.meter.no, start) for head, start, _ in wanted]
        self.load(self._source.periods([place for place in places if place not in self._slots]))
        for head, start, end in wanted:
            self._keep(head)
            if (head.meter.no, start) not in self._slots:
                self._add(self._begun(head, numbered_period(head.meter, start, end)))
        return [self._slots[place] for place in places]

    def load(self, stored: Iterable[Bucket]) -> None:
        """Take slots from the source; those that are here already are the newer ones."""
        for bucket in stored:
            if (bucket.meter.no, bucket.state.period.start) not in self._slots:
                self._add(bucket)
                self._stored.add(bucket.slot)

    def _add(self, bucket: Bucket) -> None:
        bucket.slot = SLOT_FIRST + len(self._slots)
        bucket.remember()
        self._slots[bucket.meter.no, bucket.state.period.start] = bucket
        self.buckets[bucket.slot] = bucket

    def _keep(self, head: Bucket) -> Bucket:
        return self.heads.setdefault(head.meter.no, head)

    def _begun(self, head: Bucket, period: Period) -> Bucket:
        """Begin a period; one between the creation and the head's period was told untouched."""
        meter, updated_at = head.meter, head.state.updated_at
        state = MeterState(period, meter.timezone, updated_at, value=meter.aggregation.initial)
        closed = 0 <= period.sequence < head.state.period.sequence
        return Bucket(meter, state, closed=closed)

    def closings(self, due: Iterable[Bucket], at: Instant) -> list[Closing]:
        """Return what closes at ``at``, in the order of flushing; ``due`` are stored heads.

        All heads with something to close are among ``due`` and those that the run has touched.
        """
        heads = {head.meter.no: self.heads.get(head.meter.no, head) for head in due} | self.heads
        heads = {no: head for no, head in heads.items() if not head.deleted}
        self.load(self._source.open_periods(list(heads)))
        touched: dict[int, list[Bucket]] = {no: [] for no in heads}
        for bucket in self.buckets.values():
            if bucket.state.count and not bucket.closed and bucket.meter.no in touched:
                touched[bucket.meter.no].append(bucket)
        found = [c for no, head in heads.items() for c in self._ending(head, touched[no], at)]
        return sorted(found, key=lambda closing: flush_order(closing.bucket))

    def _ending(self, head: Bucket, touched: list[Bucket], at: Instant) -> Iterator[Closing]:
        """Yield the closings of one meter, by period: those before its creation come first."""
        meter = head.meter
        touched.sort(key=lambda bucket: bucket.state.period.start)
        for bucket in touched:
            period = bucket.state.period
            if period.sequence < 0 and meter.closes_at(period.end) <= at:
                yield Closing(head, bucket)
        over = meter.active_to is not None and meter.active_to <= at
        period = head.state.period
        while meter.closes_at(period.end) <= at:
            mine = self._slots.get((meter.no, period.start)) or self._begun(head, period)
            ahead = [b for b in touched if b.state.period.start > period.start]
            last = meter.delete_on_reset and not ahead
            silent = over and not mine.state.count and not any(self._ends(b, at) for b in ahead)
            if last or not silent:
                yield Closing(head, mine, last, silent)
            if last or silent:
                return
            period = _following(head, period)

    @staticmethod
    def _ends(bucket: Bucket, at: Instant) -> bool:
        return bucket.meter.closes_at(bucket.state.period.end) <= at

    def close(self, closing: Closing, *, sections: Sequence[Section]) -> MeteredRecord | None:
        """Return the golden record of a period; the meter's head goes on to the next."""
        head, bucket = closing.head, closing.bucket
        state = bucket.state
        shown = state.updated_at
        if state.period.sequence >= 0:
            self._keep(head)
            shown = max(shown, head.state.updated_at)
            head.state = _next_head(head, state.period, updated_at=shown)
            head.changed, head.deleted = not closing.last, closing.last
        state.updated_at = shown
        bucket.closed, bucket.changed = True, True
        if closing.silent:
            return None
        record = golden_record(bucket.meter, state, end=state.period.end, sections=sections)
        bucket.remember()
        return record

    def adjustments(self, *, sections: Sequence[Section]) -> Iterator[MeteredRecord]:
        """Yield a record for each closed period that usage has changed since it was told."""
        late = (bucket for bucket in self.buckets.values() if bucket.late)
        for bucket in sorted(late, key=flush_order):
            yield adjust(bucket, sections=sections)

    def changed(self) -> list[Bucket]:
        """Return the slots that are to be stored, by meter and period."""
        changed = (b for b in self.buckets.values() if b.changed)
        touched = (b for b in changed if b.state.count or b.slot in self._stored)
        return sorted(touched, key=lambda bucket: (bucket.meter.no, bucket.state.period.start))


def adjust(bucket: Bucket, *, sections: Sequence[Section] = ()) -> MeteredRecord:
    """Return the next adjustment record of a closed period; it counts as told then."""
    bucket.adjustments += 1
    bucket.changed = True
    record = adjustment_record(
        bucket.meter,
        bucket.state,
        number=bucket.adjustments,
        previous=bucket.told,
        sections=sections,
    )
    bucket.remember()
    return record


def _following(head: Bucket, period: Period) -> Period:
    end = head.meter.reset_schedule.next_after(period.end, head.meter.timezone)
    return Period(period.sequence + 1, period.end, end)


def _next_head(head: Bucket, period: Period, *, updated_at: Instant) -> MeterState:
    meter = head.meter
    return MeterState(
        _following(head, period), meter.timezone, updated_at, value=meter.aggregation.initial
    )
