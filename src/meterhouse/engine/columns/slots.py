"""The periods of event-time meters in columns: which slot takes each record.

Records are looked up among the few periods that any of them has touched, by a sorted search;
the calendar is asked once for each of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.period_calendar import PeriodCalendar, calendar_of, period_bounds
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.event_periods import EventPeriods
from meterhouse.engine.source import Profile

_START = {"m": pl.Int64, "start": pl.Int64}
_PLACES = {"m": pl.Int64, "start": pl.Int64, "row": pl.UInt32}


class Slots:
    """Which row each period of each event-time meter has in the meter table.

    Meters are known by their rows, as everywhere in columns.
    """

    def __init__(
        self,
        events: EventPeriods,
        *,
        profile: pl.Series,
        profiles: Sequence[Profile],
        heads_of: Callable[[pl.Series], dict[int, Bucket]],
    ) -> None:
        """``profile`` is by row of the meters; ``heads_of`` returns the heads of some rows."""
        self._events = events
        self._heads_of = heads_of
        calendars: dict[object, int] = {}
        self._touched: list[_Touched] = []
        numbers: list[int | None] = []
        for calendar in (p.calendar for p in profiles):
            if calendar is not None and calendar not in calendars:
                calendars[calendar] = len(self._touched)
                self._touched.append(_Touched(calendar_of(*calendar)))
            numbers.append(calendars.get(calendar))
        #: by meter row: the number of the calendar; null where periods follow processing
        self._calendar = pl.Series(numbers, dtype=pl.Int32).gather(profile)
        self._heads: dict[int, Bucket] = {}
        self._created = pl.repeat(None, len(profile), dtype=pl.Int64, eager=True)
        self._places = pl.DataFrame(schema=_PLACES)

    def know(self, slots: Sequence[tuple[int, int, int]]) -> None:
        """Take note of slots that the meter table has: meter row, start, row."""
        self._places = pl.DataFrame(slots, schema=_PLACES, orient="row")

    def place(
        self, assigned: pl.DataFrame, instants: pl.Series, add: Callable[[list[Bucket]], int]
    ) -> pl.DataFrame:
        """Put the slots in the place of event-time meters; ``t`` is the timestamp there.

        ``instants`` is by record; ``add`` gives new slots rows and returns the first one.
        """
        calendar = self._calendar.gather(assigned["m"])
        mine = calendar.is_not_null()
        absent = pl.lit(None, dtype=pl.Int64)
        if not mine.any():
            return assigned.with_columns(t=absent)
        positions = mine.arg_true()
        m = assigned["m"].gather(positions).cast(pl.Int64)
        t = instants.gather(assigned["q"].gather(positions))
        self._know_meters(m)
        rows = self._rows(calendar.gather(positions), m, t, add)
        if len(positions) == assigned.height:
            return assigned.with_columns(m=rows, t=t)
        times = pl.repeat(None, assigned.height, dtype=pl.Int64, eager=True)
        return assigned.with_columns(
            m=assigned["m"].clone().scatter(positions, rows), t=times.scatter(positions, t)
        )

    def _rows(
        self, calendar: pl.Series, m: pl.Series, t: pl.Series, add: Callable[[list[Bucket]], int]
    ) -> pl.Series:
        """Return the row of the slot of each record."""
        meters = m.unique()
        start = self._common_start(calendar, meters, t)
        if start is not None:
            frame = pl.DataFrame({"m": meters, "start": start}, schema=_START)
            self._open(frame, add)
            row = frame.join(self._places, on=["m", "start"], how="left", maintain_order="left")
            table = pl.zeros(len(self._calendar), dtype=pl.UInt32, eager=True)
            return table.scatter(meters, row["row"]).gather(m)
        frame = pl.DataFrame([m, self._starts(calendar, t).alias("start")])
        frame = frame.with_columns(t=t, created=self._created.gather(m))
        after = pl.col("t") >= pl.col("created")
        begun = pl.when(after).then(pl.max_horizontal("start", "created")).otherwise("start")
        frame = frame.select("m", begun.alias("start"))
        self._open(frame, add)
        return frame.join(self._places, on=["m", "start"], how="left", maintain_order="left")["row"]

    def _common_start(self, calendar: pl.Series, meters: pl.Series, t: pl.Series) -> Instant | None:
        """Return where the period of all records begins; ``None`` where that is not one instant."""
        if calendar.n_unique() > 1:
            return None
        created = self._created.gather(meters).max()
        bounds = pl.Series([t.min(), t.max()], dtype=pl.Int64)
        starts = self._touched[calendar[0]].starts(bounds)
        start = starts[0]
        # A meter that is younger than the period has one of its own.
        return start if starts[1] == start and created <= start else None

    def _know_meters(self, m: pl.Series) -> None:
        """Learn when meters were created."""
        new = m.filter(self._created.gather(m).is_null()).unique()
        if new.is_empty():
            return
        heads = self._heads_of(new)
        self._heads |= heads
        created = [heads[row].meter.created_at for row in new]
        self._created = self._created.scatter(new, pl.Series(created, dtype=pl.Int64))

    def _starts(self, calendar: pl.Series, t: pl.Series) -> pl.Series:
        """The start of the scheduled period of each timestamp."""
        numbers = calendar.unique().to_list()
        if len(numbers) == 1:
            return self._touched[numbers[0]].starts(t)
        starts = pl.repeat(None, len(t), dtype=pl.Int64, eager=True)
        for number in numbers:
            places = (calendar == number).arg_true()
            starts = starts.scatter(places, self._touched[number].starts(t.gather(places)))
        return starts

    def _open(self, frame: pl.DataFrame, add: Callable[[list[Bucket]], int]) -> None:
        """Open the periods that have no row yet."""
        new = frame.unique().join(self._places, on=["m", "start"], how="anti").sort("start", "m")
        if new.is_empty():
            return
        wanted = []
        for m, start in new.iter_rows():
            head = self._heads[m]
            meter = head.meter
            scheduled = calendar_of(meter.reset_schedule, meter.timezone).around(start)
            wanted.append((head, *period_bounds(meter, scheduled, start)))
        buckets = self._events.open(wanted)
        order = sorted(range(len(buckets)), key=lambda place: buckets[place].slot)
        first = add([buckets[place] for place in order])
        rows = pl.Series("row", range(first, first + len(order)), dtype=pl.UInt32)
        self._places = pl.concat([self._places, new.select(pl.all().gather(order)).hstack([rows])])


class _Touched:
    """The scheduled periods of one calendar that any record has touched, ascending."""

    def __init__(self, calendar: PeriodCalendar) -> None:
        self._calendar = calendar
        self._bounds = pl.DataFrame(schema={"start": pl.Int64, "end": pl.Int64})

    def starts(self, instants: pl.Series) -> pl.Series:
        """Return the start of the period of each instant."""
        found = self._known(instants)
        missing = found.is_null()
        if missing.any():
            self._learn(instants.filter(missing).unique().sort())
            found = self._known(instants)
        return found

    def _known(self, instants: pl.Series) -> pl.Series:
        places = self._bounds["start"].search_sorted(instants, side="right").cast(pl.Int64) - 1
        bounds = self._bounds.select(pl.all().gather(places.set(places < 0, None)))
        inside = (instants < bounds["end"]).fill_null(value=False)
        return bounds["start"].set(~inside, None)

    def _learn(self, instants: pl.Series) -> None:
        place, found = 0, []
        while place < len(instants):
            start, end = self._calendar.around(instants[place])
            found.append((start, end))
            place = int(instants.search_sorted(end))
        new = pl.DataFrame(found, schema=self._bounds.schema, orient="row")
        self._bounds = pl.concat([self._bounds, new]).sort("start")
