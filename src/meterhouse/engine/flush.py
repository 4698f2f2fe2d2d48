"""Flush and reset: a bucket becomes a golden record and starts again.

Periods are half open, ``[start, end)``. A late flush makes one longer next period: the new end is
the nearest scheduled instant after the clock, and skipped periods are merged, never back-filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.core.instant import Instant
from meterhouse.core.meter_state import MeterState, Period, Section
from meterhouse.core.metered_record import MeteredRecord, golden_record
from meterhouse.core.quantity import ZERO
from meterhouse.engine.bucket import Bucket


def flush_expired(
    bucket: Bucket, *, at: Instant, sections: Sequence[Section]
) -> MeteredRecord | None:
    """Flush a bucket whose period has ended: the record shows the period as it was."""
    return _flush(bucket, end=bucket.state.period.end, at=at, sections=sections)


def flush_now(bucket: Bucket, *, at: Instant, sections: Sequence[Section]) -> MeteredRecord | None:
    """Flush a bucket at the end of a stream execution, whatever its period: it ends now."""
    return _flush(bucket, end=at, at=at, sections=sections)


def _flush(
    bucket: Bucket, *, end: Instant, at: Instant, sections: Sequence[Section]
) -> MeteredRecord | None:
    """Flush and reset; an expired meter that was not touched is kept as it is, unrecorded."""
    meter, state = bucket.meter, bucket.state
    retired = meter.active_to is not None and meter.active_to <= at and not state.count
    bucket.changed = True
    bucket.deleted = meter.delete_on_reset
    if retired:
        bucket.changed = bucket.deleted
        return None
    record = golden_record(meter, state, end=end, sections=sections)
    bucket.state = reset(bucket, start=end, at=at)
    return record


def reset(bucket: Bucket, *, start: Instant, at: Instant) -> MeterState:
    """Return the state of the next period: empty, from ``start`` to the next reset after ``at``.

    The schedule and the time zone are the meter type's as they are now.
    """
    meter, old = bucket.meter, bucket.state
    end = meter.reset_schedule.next_after(at, meter.timezone)
    return MeterState(
        Period(old.period.sequence + 1, start, end),
        meter.timezone,
        updated_at=old.updated_at,
        value=meter.aggregation.initial,
        volume=ZERO,
    )
