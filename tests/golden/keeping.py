"""Where the meters of a golden case are kept between its runs: in memory, or in a ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from meterhouse.core.instant import Instant
from meterhouse.core.meter import Meter, NewMeter
from meterhouse.core.meter_type import MeterType
from meterhouse.core.metered_record import MeteredRecord
from meterhouse.engine.changes import StateChanges
from meterhouse.engine.source import MeterSource, State
from meterhouse.store import open_ledger
from meterhouse.streams.record import Emitted, RunResult
from tests.store.factories import KEY, a_stream, commit, snapshot


class Keeping(Protocol):
    """Meters between runs."""

    def source(self) -> AbstractContextManager[MeterSource]:
        """The meters as a run finds them."""
        ...

    def keep(self, changes: StateChanges, records: Sequence[MeteredRecord], *, at: Instant) -> None:
        """Take over what a run has changed."""
        ...


class InMemory:
    """Meters in the state that the library has."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._state = State.from_meters(meters)

    def source(self) -> AbstractContextManager[MeterSource]:
        return nullcontext(self._state)

    def keep(self, changes: StateChanges, records: Sequence[MeteredRecord], *, at: Instant) -> None:
        self._state = self._state.with_changes(changes)


class InSqlite:
    """Meters in a ledger. Each has a type of its own, since each has its own active window.

    The file is opened anew each time: nothing else carries a case from run to run.
    """

    def __init__(self, meters: Sequence[Meter], folder: Path) -> None:
        self._folder = folder
        with closing(open_ledger(folder)) as ledger:
            ledger.add_stream(a_stream())
            ledger.add_meter_types([_type_of(meter) for meter in meters])
            for meter in meters:
                new = NewMeter(meter.user_id, KEY, meter.id, delete_on_reset=meter.delete_on_reset)
                ledger.add_meters([(meter.id, new)], at=meter.created_at)

    @contextmanager
    def source(self) -> Iterator[MeterSource]:
        with closing(open_ledger(self._folder)) as ledger, snapshot(ledger) as opened:
            yield opened.meters(KEY)

    def keep(self, changes: StateChanges, records: Sequence[MeteredRecord], *, at: Instant) -> None:
        emitted = [Emitted("node-0", record) for record in records]
        result = RunResult(states=[("node-0", changes)], records=emitted)
        with closing(open_ledger(self._folder)) as ledger:
            commit(ledger, result, at=at)


def _type_of(meter: Meter) -> MeterType:
    """The type that gives a meter all that it has; it has the meter's id."""
    return MeterType(
        id=meter.id,
        name=meter.meter_type_name,
        aggregation=meter.aggregation,
        reset_schedule=meter.reset_schedule,
        created_at=meter.created_at,
        updated_at=meter.created_at,
        category=meter.category,
        unit=meter.unit,
        timezone=meter.timezone,
        active_from=meter.active_from,
        active_to=meter.active_to,
        capacity=meter.capacity,
        thresholds=meter.thresholds,
    )
