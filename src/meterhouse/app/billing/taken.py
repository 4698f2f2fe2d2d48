"""Which records that come to a meter node are part of a line: by the engine's own rules.

The records of a user are metered as in a run, into meters that are empty; those that count are the
ones that the line's meter takes, in its period, its days and its group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record, canonical_text, field_value, parse_json
from meterhouse.core.meter import Meter
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.bucket import Bucket, new_state
from meterhouse.engine.column import ColumnKind
from meterhouse.engine.plan import USER_ID, MeterPlan
from meterhouse.engine.rows import meter_rows

#: So many records are looked at as rows at a time.
_ROWS_AT_ONCE = 20_000
TAKEN_SCHEMA = {
    "source": pl.Int64,
    "offset": pl.Int64,
    "timestamp": pl.Int64,
    "quantity": pl.String,
}


@dataclass(frozen=True, slots=True)
class Group:
    """The part of a metered record that a line is for: a meter, ``[start, end)``, a group.

    Of a meter whose periods do not follow timestamps, the run decides: ``start`` is ``None``.
    """

    meter: Meter
    fields: Mapping[str, str]
    start: Instant | None = None
    end: Instant | None = None

    def has(self, record: Record, timestamp: Instant) -> bool:
        """Whether a record that the meter took is of this group, and of these days."""
        late = self.end is not None and timestamp >= self.end
        if late or (self.start is not None and timestamp < self.start):
            return False
        return all(
            canonical_text(field_value(record, name)) == text for name, text in self.fields.items()
        )


class Taking:
    """Finds the records of one group among those that come to its meter node."""

    def __init__(self, plan: MeterPlan, meters: Sequence[Meter], group: Group) -> None:
        self._plan = plan
        self._group = group
        self._meters = [replace(meter, thresholds=()) for meter in meters]
        #: slots number the meters, from 1
        self._slot = next(n for n, meter in enumerate(meters, 1) if meter.id == group.meter.id)
        self.value: Decimal | None = group.meter.aggregation.initial

    def taken(self, batch: UsageBatch, *, at: Instant) -> pl.DataFrame:
        """Return where the records were read, with time and quantity; ``at`` is the run's clock."""
        found = [pl.DataFrame(schema=TAKEN_SCHEMA)]
        likely = _likely(batch, self._group)
        for first in range(0, len(likely), _ROWS_AT_ONCE):
            found.append(self._taken(likely.slice(first, _ROWS_AT_ONCE), at=at))
        return pl.concat(found)

    def _taken(self, batch: UsageBatch, *, at: Instant) -> pl.DataFrame:
        records, origins = batch.rows(), batch.origins()
        rows = []
        for position, timestamp, quantity in self._events(records, at=at):
            if self._group.has(records[position], timestamp):
                self.value = self._group.meter.aggregation.fold(self.value, quantity)
                rows.append((*origins[position], timestamp, f"{quantity:f}"))
        return pl.DataFrame(rows, schema=TAKEN_SCHEMA, orient="row")

    def _events(
        self, records: list[Record], *, at: Instant
    ) -> Iterator[tuple[int, Instant, Decimal]]:
        """Yield what the group's meter takes, whatever its group there."""
        start = self._group.start or at
        buckets = [
            Bucket(meter, new_state(meter, at=start), slot=slot)
            for slot, meter in enumerate(self._meters, 1)
        ]
        user = {self._group.meter.user_id: buckets}
        folded = meter_rows(
            records, plan=self._plan, buckets=user, period_of=lambda bucket, _: bucket, at=at
        )
        for position, slot, number, quantity, timestamp in folded.events:
            sections = self._plan.rules[number].group_by
            names = set(self._group.fields)
            if slot == self._slot and (
                not names or any(names <= set(section) for section in sections)
            ):
                yield position, timestamp, quantity


def _likely(batch: UsageBatch, group: Group) -> UsageBatch:
    """Leave out what cannot be of a group, where columns of texts show it."""
    if not batch.columnar:
        return batch
    wanted = {USER_ID: group.meter.user_id}
    wanted |= {
        name: value
        for name, text in group.fields.items()
        if (value := parse_json(text)) is None or isinstance(value, str)
    }
    for name, value in wanted.items():
        column = batch.column(name)
        if column.kind is ColumnKind.TEXT:
            texts = column.values
            batch = batch.filter(
                texts.is_null() if value is None else (texts == value).fill_null(value=False)
            )
    return batch
