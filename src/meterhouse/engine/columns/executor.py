"""The column executor: one meter node's folding over batches of any size.

Meters are known by their row (``m``) in the meter table. What is rare is done row by row, by
``engine.rows`` itself: the users of whom a meter might leave the range of quantities are *handed
over* for the rest of the run. Meters of different users never interact, so this changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter_state import MeterState
from meterhouse.core.metered_record import MeteredRecord, threshold_record
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.bucket import SLOT_FIRST, Bucket
from meterhouse.engine.changes import Contents, ContentsPart
from meterhouse.engine.column import Column
from meterhouse.engine.columns.buckets import Before, Buckets
from meterhouse.engine.columns.carry import BatchValues, Carrier
from meterhouse.engine.columns.check import REASONS, Checked, check
from meterhouse.engine.columns.crossing import Crossing, Limits
from meterhouse.engine.columns.encoding import Encoding
from meterhouse.engine.columns.guide import Guide, Guided
from meterhouse.engine.columns.range import may_overflow, surely_within, volume_max
from meterhouse.engine.columns.slots import Slots
from meterhouse.engine.columns.table import MOMENTS_MAX
from meterhouse.engine.columns.window import Window
from meterhouse.engine.event_periods import EventPeriods
from meterhouse.engine.plan import MeterPlan
from meterhouse.engine.rows import Outcome, meter_rows, no_periods
from meterhouse.engine.source import METER_SCHEMA, MeterColumns, MeterSource, columns_of
from meterhouse.engine.together import together

#: So many records are folded at a time, or fewer whose carried texts take so much memory.
WINDOW_RECORDS_MAX = 12_000_000
WINDOW_BYTES_MAX = 400_000_000
#: Later windows are a third of the first one: what was folded before takes memory, too.
_LATER_WINDOWS = 3
#: Packs of more meters than that are made while threshold records are.
_AHEAD_METERS = 1_000
#: What ``finish`` returns of each touched meter.
CONTENTS = [name for name in METER_SCHEMA if name not in ("user_id", "profile")]
#: Totals and partials, as ``Buckets.fold`` returns them.
_Folded = tuple[pl.DataFrame, Sequence[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class _Folding:
    """Records that are folded, what they were folded to, and what the buckets held before."""

    assigned: pl.DataFrame
    carrier: Carrier
    totals: pl.DataFrame
    partials: Sequence[pl.DataFrame]
    before: Before


class ColumnExecutor:
    """Folds batches into the meters of one meter key.

    Batches are checked and guided as they come, and folded together, a *window* of them at a
    time: folding a bucket once is cheaper than folding it in every batch and merging that.
    """

    def __init__(
        self,
        plan: MeterPlan,
        source: MeterSource,
        held: Iterable[Bucket],
        events: EventPeriods | None,
        *,
        at: Instant,
        window_records_max: int = WINDOW_RECORDS_MAX,
    ) -> None:
        """``held`` buckets go before what ``source`` says of the same meters.

        ``events`` has the periods of event-time meters, where there are such meters.
        """
        self._plan = plan
        self._source = source
        self._at = at
        self._held = {bucket.no: bucket for bucket in held}
        meters = _current(source.columns(), self._held)
        self._no = meters.frame["no"]
        self._buckets = Buckets(plan, meters)
        # The slots are behind the meters; records are guided to meters only.
        guided = meters.frame.filter(self._no < SLOT_FIRST)
        self._guide = Guide(plan, meters=guided, profiles=meters.profiles)
        self._limits = Limits(meters.frame["profile"], meters.profiles)
        self._names = [[name for _, name in profile.limits] for profile in meters.profiles]
        self._profile = meters.frame["profile"]
        over = [p.active_to is not None and p.active_to <= at for p in meters.profiles]
        self._over = pl.Series(over, dtype=pl.Boolean)
        #: by meter row: the thresholds reached, those before the run included
        self._reached: dict[int, dict[str, Instant]] = {}
        self._restore_reached(meters.frame)
        self._events = events
        #: what event-time meters took of the batch at hand
        self._taken: pl.DataFrame | None = None
        self._slots = None if events is None else self._begin_slots(events, guided, meters)
        #: users that are metered row by row from now on
        self._handed: dict[str, list[Bucket]] = {}
        self._window = Window()
        self._window_records_max = window_records_max
        self._later_records_max = max(1, window_records_max // _LATER_WINDOWS)
        self._pushed: list[tuple[int, MeteredRecord]] = []
        #: records that came in before the batch at hand
        self._seen = 0

    def meter(self, batch: UsageBatch) -> Outcome:
        """Take a batch; what ``engine.rows.meter_rows`` would return of its records."""
        batch.columns()  # once, before two threads ask for them
        (checked, guided), values = together(
            lambda: self._check_and_guide(batch), lambda: BatchValues.of(batch, self._buckets)
        )
        assigned = _assign(guided, checked.value, list(values.numbers.values()))
        if self._slots is not None:
            assigned = self._in_periods(self._slots, assigned, checked, len(batch))
        assigned = self._buckets.with_summands(assigned)
        most = volume_max(assigned)
        if self._handed or not surely_within(most, self._window.volume_max, self._buckets.volume):
            outcome = self._meter_apart(batch, checked.user, guided.fault, (assigned, values))
        else:
            outcome = _outcome(guided.fault)
            window = self._window
            window.add(assigned, values, first=self._seen, length=len(batch), volume_max=most)
            if window.length >= self._window_records_max or window.bytes >= WINDOW_BYTES_MAX:
                self._settle()
                self._window_records_max = self._later_records_max
        self._seen += len(batch)
        return outcome

    def _begin_slots(
        self, events: EventPeriods, guided: pl.DataFrame, meters: MeterColumns
    ) -> Slots:
        slots = Slots(
            events,
            profile=guided["profile"],
            profiles=meters.profiles,
            heads_of=self._by_rows,
        )
        rows = {no: row for row, no in enumerate(self._no.to_list())} if events.buckets else {}
        slots.know(
            [
                (rows[bucket.meter.no], bucket.state.period.start, rows[no])
                for no, bucket in events.buckets.items()
                if bucket.meter.no in rows
            ]
        )
        return slots

    def _in_periods(
        self, slots: Slots, assigned: pl.DataFrame, checked: Checked, length: int
    ) -> pl.DataFrame:
        """Put the periods of event-time meters in the place of the meters."""
        instants = checked.instant
        if instants is None:
            instants = pl.repeat(self._at, length, dtype=pl.Int64, eager=True)
        placed = slots.place(assigned, instants.fill_null(self._at), self._add_slots)
        events = placed.filter(pl.col("t").is_not_null())
        slot = self._no.gather(events["m"]).alias("slot")
        self._taken = events.select("rule", "v", "t", position="q").with_columns(slot)
        return placed.drop("t")

    def taken(self) -> pl.DataFrame | None:
        """Return what event-time meters took of the last batch, but for ``Outcome.events``.

        It has ``position``, ``slot``, ``rule``, quantity ``v`` and timestamp ``t``.
        """
        return self._taken

    def _add_slots(self, buckets: list[Bucket]) -> int:
        """Give slots rows behind all others; returns the first."""
        first = len(self._no)
        self._held |= {bucket.no: bucket for bucket in buckets}
        more = columns_of(buckets)
        moved = more.frame["profile"] + len(self._names)
        self._no = pl.concat([self._no, more.frame["no"]])
        self._profile = pl.concat([self._profile, moved])
        self._names += [[name for _, name in profile.limits] for profile in more.profiles]
        self._buckets.extend(more)
        self._limits.extend(more.frame["profile"], more.profiles)
        self._restore_reached(more.frame.with_columns(profile=moved), first=first)
        return first

    def pushed(self) -> list[tuple[int, MeteredRecord]]:
        """Return the threshold records since this was last asked, in order of arrival.

        With each comes the position of the record that reached the limit, counted from 0 on from
        the first record that came in here.
        """
        self._settle()
        pushed, self._pushed = self._pushed, []
        return pushed

    def _settle(self) -> None:
        """Fold what has been gathered."""
        window, self._window = self._window, Window()
        if window.length:
            pushed, folded = self._fold(*window.whole())
            self._pushed += [(window.first + q, record) for q, record in pushed]
            # Merging takes memory, too: its records are let go of before.
            del window
            self._add(folded)

    def _meter_apart(
        self,
        batch: UsageBatch,
        user: Column,
        fault: pl.Series,
        assignment: tuple[pl.DataFrame, BatchValues],
    ) -> Outcome:
        """Fold a batch alone: users who might leave the range are metered row by row."""
        self._settle()
        assigned, mine = self._without_handed(assignment[0], user)
        risky = may_overflow(assigned, volume=self._buckets.volume, summed=self._buckets.summed)
        if len(risky):
            self._hand_over(risky)
            assigned, mine = self._without_handed(assigned, user)
        pushed, folded = self._fold(assigned, assignment[1])
        self._add(folded)
        outcome = _outcome(fault if mine is None else fault.set(mine, 0))
        if mine is not None:
            if self._taken is not None:
                self._taken = self._taken.filter(~mine.gather(self._taken["position"]))
            pushed += self._meter_handed(batch, mine, outcome)
        # Records of one position belong to one user, so they come from one of the two paths.
        pushed.sort(key=lambda pair: pair[0])
        self._pushed += [(self._seen + q, record) for q, record in pushed]
        return outcome

    def _settle_and_merge(self) -> Encoding:
        """Fold what has been gathered; then push while the buckets are merged."""
        window, self._window = self._window, Window()
        if not window.length:
            return self._buckets.encoding()
        assigned, values = window.whole()
        folding = self._begin_fold(assigned, values)
        if folding is None:
            return self._buckets.encoding()
        # The last fold: what it carries stays where it is, for both.
        self._buckets.add(folding.totals, folding.partials, compact=False)
        crossed = Event()

        def cross() -> list[tuple[int, MeteredRecord]]:
            try:
                return self._cross(folding)
            finally:
                crossed.set()

        # The source of the meters may be asked in this thread only, so pushing stays in it.
        pushed, encoding = together(cross, lambda: self._encoding_ahead(crossed.is_set))
        self._pushed += [(window.first + q, record) for q, record in pushed]
        return encoding

    def _encoding_ahead(self, enough: Callable[[], bool]) -> Encoding:
        """Merge the buckets; what can be made of them until ``enough`` is made."""
        encoding = self._buckets.encoding()
        # Periods are not stored as packs; of few meters, packs are made soon enough.
        if self._events is None and len(encoding.rows) > _AHEAD_METERS and not enough():
            encoding.make_ahead(enough)
        return encoding

    def _check_and_guide(self, batch: UsageBatch) -> tuple[Checked, Guided]:
        checked = check(batch, plan=self._plan, at=self._at)
        return checked, self._guide.guide(batch, checked=checked, at=self._at)

    def finish(self) -> Contents:
        """Return the new contents of every touched meter.

        Nothing can be metered after that; ``pushed`` is asked once more.
        """
        encoding = self._settle_and_merge()
        reached = pl.DataFrame(
            {"m": list(self._reached), "reached": list(map(json_text, self._reached.values()))},
            schema={"m": pl.Int64, "reached": pl.String},
        )
        reached = reached.select(self._no.gather(reached["m"]).alias("no"), "reached")
        # What periods of handed users hold is in them already.
        handed = [b for buckets in self._handed.values() for b in buckets if b.changed]
        handed = [bucket for bucket in handed if not bucket.meter.by_event_time]
        apart = columns_of(sorted(handed, key=lambda bucket: bucket.meter.no))
        schema = {name: METER_SCHEMA[name] for name in CONTENTS}

        def parts() -> Iterator[ContentsPart]:
            for part in encoding.parts():
                frame = part.frame.drop("reached")
                frame = frame.join(reached, on="no", how="left", maintain_order="left")
                frame = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
                yield ContentsPart(frame, part.breakdowns)
            yield ContentsPart(apart.frame.select(CONTENTS))

        numbers = pl.concat([self._no.gather(encoding.rows), apart.frame["no"]])
        return Contents(numbers.sort(), parts)

    def retired(self, numbers: pl.Series) -> list[int]:
        """Return which of those meters (ascending ``no``) are no longer active."""
        if not self._over.any():
            return []
        rows = self._no.search_sorted(numbers)
        return numbers.filter(self._over.gather(self._profile.gather(rows))).to_list()

    def _fold(
        self, assigned: pl.DataFrame, values: BatchValues
    ) -> tuple[list[tuple[int, MeteredRecord]], _Folded | None]:
        """Fold records: the threshold records with what reached them, in order; what to add."""
        folding = self._begin_fold(assigned, values)
        if folding is None:
            return [], None
        return self._cross(folding), (folding.totals, folding.partials)

    def _add(self, folded: _Folded | None) -> None:
        if folded is not None:
            self._buckets.add(*folded)

    def _begin_fold(self, assigned: pl.DataFrame, values: BatchValues) -> _Folding | None:
        if assigned.is_empty():
            return None
        self._buckets.load(assigned["m"])
        # After what was stored of these meters: places ascend in order of arrival.
        carrier = Carrier(self._plan, values, self._buckets.fields)
        totals, partials = self._buckets.fold(assigned, carrier=carrier)
        return _Folding(assigned, carrier, totals, partials, self._buckets.before())

    def _cross(self, folding: _Folding) -> list[tuple[int, MeteredRecord]]:
        """Find the crossings among records, and push."""
        if not self._limits.any:
            return []
        crossings, mine = self._limits.crossings(
            folding.assigned, prior=folding.before.prior, folded=folding.totals
        )
        return self._push(crossings, mine, folding) if crossings else []

    def _push(
        self, crossings: Sequence[Crossing], assigned: pl.DataFrame, folding: _Folding
    ) -> list[tuple[int, MeteredRecord]]:
        """Make the threshold records: each shows the state after the record that crossed."""
        buckets = self._by_rows(pl.Series([c.m for c in crossings], dtype=pl.UInt32).unique())
        if self._slots is not None:
            # The rows of slots are not in the order of their meters.
            order = {m: bucket.meter.no for m, bucket in buckets.items()}
            crossings = sorted(crossings, key=lambda c: (c.q, order[c.m], c.rank))
        states: dict[tuple[int, int], MeterState] = {}
        texts: dict[tuple[int, int], str] = {}
        for moments in _moments(crossings):
            frame = pl.DataFrame(moments, schema={"m": pl.UInt32, "q": pl.UInt32}, orient="row")
            upto = self._buckets.upto(frame, folding.before, (assigned, folding.carrier))
            of_moments = [buckets[m] for m, _ in moments]
            states |= zip(moments, upto.totals(of_moments), strict=True)
            texts |= zip(moments, upto.breakdowns(of_moments), strict=True)
        pushed = []
        for crossing in crossings:
            moment = crossing.m, crossing.q
            bucket, state = buckets[crossing.m], states[moment]
            _, threshold = bucket.limits[crossing.rank]
            reached = self._reached.setdefault(crossing.m, {})
            reached[threshold.name] = self._at
            state.reached = dict(reached)
            state.updated_at = self._at
            record = threshold_record(bucket.meter, state, threshold, breakdowns=texts[moment])
            pushed.append((crossing.q, record))
        return pushed

    def _by_rows(self, rows: pl.Series) -> dict[int, Bucket]:
        """The buckets (definition and period, not contents) of some meter rows."""
        row_of = dict(zip(self._no.gather(rows).to_list(), rows.to_list(), strict=True))
        missing = [no for no in row_of if no not in self._held]
        found = {row_of[b.meter.no]: b for b in self._source.by_numbers(missing)}
        # There is one head of each event-time meter.
        self._held |= {b.meter.no: b for b in found.values() if b.meter.by_event_time}
        return found | {row: self._held[no] for no, row in row_of.items() if no in self._held}

    def _restore_reached(self, frame: pl.DataFrame, *, first: int = 0) -> None:
        rows = pl.int_range(first, first + pl.len()).alias("m")
        known = frame.select(rows, "reached", "profile")
        for m, text, profile in known.drop_nulls("reached").iter_rows():
            self._reached[m] = parse_json(text)
            for rank, name in enumerate(self._names[profile]):
                if name in self._reached[m]:
                    self._limits.close(m, rank)

    def _hand_over(self, risky: pl.Series) -> None:
        """Let the users of those meters be metered row by row from now on."""
        users = self._buckets.users.gather(risky).unique()
        rows = self._buckets.users.is_in(users.implode()).arg_true()
        self._buckets.load(rows)
        buckets = self._by_rows(rows)
        moments = pl.DataFrame(
            {
                "m": rows.cast(pl.UInt32),
                "q": pl.repeat(0, len(rows), dtype=pl.UInt32, eager=True),
            }
        )
        upto = self._buckets.upto(moments, self._buckets.before(), None)
        states = upto.states([buckets[m] for m in rows.to_list()])
        for m, state in zip(rows.to_list(), states, strict=True):
            bucket = buckets[m]
            state.reached = dict(self._reached.pop(m, {}))
            if bucket.slot:
                if state.count != bucket.state.count:
                    bucket.changed, state.updated_at = True, self._at
                bucket.state = state
                continue
            mine = bucket
            if not bucket.meter.by_event_time:
                mine = Bucket(bucket.meter, state, changed=state.count != bucket.state.count)
            self._handed.setdefault(bucket.meter.user_id, []).append(mine)
        self._buckets.forget(rows)

    def _without_handed(
        self, assigned: pl.DataFrame, user: Column
    ) -> tuple[pl.DataFrame, pl.Series | None]:
        """Take the records of handed users out; which ones they are, if there are such users."""
        if not self._handed:
            return assigned, None
        mine = user.values.is_in(list(self._handed)).fill_null(value=False)
        return assigned.filter(~mine.gather(assigned["q"])), mine

    def _meter_handed(
        self, batch: UsageBatch, mine: pl.Series, outcome: Outcome
    ) -> list[tuple[int, MeteredRecord]]:
        positions = mine.arg_true()
        there = positions.to_list()
        rows = batch.take(positions).rows()
        period_of = no_periods if self._events is None else self._events.at
        inner = meter_rows(
            rows, plan=self._plan, buckets=self._handed, period_of=period_of, at=self._at
        )
        outcome.metered += inner.metered - len(there)
        outcome.suspended += [(there[place], reason) for place, reason in inner.suspended]
        outcome.suspended.sort(key=lambda pair: pair[0])
        outcome.events += [
            (there[place], slot, rule, amount, instant)
            for place, slot, rule, amount, instant in inner.events
        ]
        return [(there[place], record) for place, record in inner.pushed()]


def _moments(crossings: Sequence[Crossing]) -> Iterator[list[tuple[int, int]]]:
    """Yield the moments (meter and record) of crossings: none has a meter twice, or too many."""
    turns: list[list[tuple[int, int]]] = []
    seen: Counter[int] = Counter()
    for moment in dict.fromkeys((c.m, c.q) for c in crossings):
        if seen[moment[0]] == len(turns):
            turns.append([])
        turns[seen[moment[0]]].append(moment)
        seen[moment[0]] += 1
    for moments in turns:
        for start in range(0, len(moments), MOMENTS_MAX):
            yield moments[start : start + MOMENTS_MAX]


def _current(columns: MeterColumns, held: dict[int, Bucket]) -> MeterColumns:
    """Put held buckets in the place of what the source says."""
    if not held:
        return columns
    mine = columns_of([bucket for bucket in held.values() if not bucket.deleted])
    profiles = list(columns.profiles)
    moved = pl.Series(range(len(profiles), len(profiles) + len(mine.profiles)), dtype=pl.Int32)
    theirs = columns.frame.filter(~pl.col("no").is_in(list(held)))
    frame = mine.frame.with_columns(moved.gather(mine.frame["profile"]).alias("profile"))
    whole = pl.concat([theirs, frame]).sort("no")
    return MeterColumns(whole, [*profiles, *mine.profiles], columns.packs)


def _assign(guided: Guided, value: pl.Series, numbers: Sequence[pl.Series]) -> pl.DataFrame:
    """One row for each record and meter that it updates: ``q``, ``m``, ``rule``, ``v``."""
    schema = {"q": pl.UInt32, "m": pl.UInt32, "rule": pl.UInt8, "v": value.dtype}
    parts = []
    for meters in guided.meters:
        there = meters.is_not_null()
        if not there.any():
            continue
        frame = pl.DataFrame(
            {
                "q": pl.int_range(len(value), dtype=pl.UInt32, eager=True),
                "m": meters.cast(pl.UInt32),
                "rule": guided.rule,
                "v": value,
            }
        ).with_columns(numbers)
        parts.append(frame if there.all() else frame.filter(there))
    if parts:
        return pl.concat(parts)
    return pl.DataFrame(schema=schema).with_columns(number.clear() for number in numbers)


def _outcome(fault: pl.Series) -> Outcome:
    positions = (fault > 0).arg_true()
    suspended = [
        (position, REASONS[number - 1])
        for position, number in zip(
            positions.to_list(), fault.gather(positions).to_list(), strict=True
        )
    ]
    return Outcome(len(fault) - len(suspended), suspended)
