"""Writing the periods of event-time meters."""

from __future__ import annotations

from collections.abc import Iterable

from meterhouse.engine.bucket import Bucket
from meterhouse.store.connection import Database, Row
from meterhouse.store.contents import contents_text
from meterhouse.store.sql_text import queries

_SQL = queries("run_commit")


def write_periods(database: Database, buckets: Iterable[Bucket]) -> None:
    """Write periods whole: contents, and whether they have closed."""
    database.execute_many(_SQL["put_period"], map(_period_row, buckets))


def _period_row(bucket: Bucket) -> Row:
    state, period = bucket.state, bucket.state.period
    contents = contents_text(state, aggregation=bucket.meter.aggregation)
    bounds = (bucket.meter.no, period.start, period.end, period.sequence)
    return (*bounds, bucket.closed, bucket.adjustments, state.updated_at, contents)
