"""Correcting: what is done about records that wait in Data Correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meterhouse.app.listing import found, take
from meterhouse.app.ports import Corrections, Ledger, Page, SuspenseEntry, SuspenseSummary
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import NotFoundError
from meterhouse.core.suspense import Reason

#: The most records that one action may take.
ACTION_RECORDS_MAX = 100_000


def list_suspended(
    ledger: Ledger,
    *,
    stream: str | None = None,
    reason: Reason | None = None,
    limit: int | None = ACTION_RECORDS_MAX,
) -> Iterator[SuspenseEntry]:
    """Yield suspended records, of one stream or for one reason where given."""
    stream_id = None if stream is None else find_stream(ledger, stream).id

    def page_of(*, limit: int, after: str | None) -> Page[SuspenseEntry]:
        return ledger.suspense(stream_id=stream_id, reason=reason, limit=limit, after=after)

    return take(page_of, limit=limit)


def find_suspended(corrections: Corrections, id: int) -> SuspenseEntry:
    """Return one suspended record."""
    return found(
        corrections.suspense_entry(id),
        or_raise=lambda: NotFoundError(
            f"There is no record {id} in Data Correction",
            hint="`meterhouse correction list` shows those that wait",
        ),
    )


def fix(
    corrections: Corrections, id: int, *, values: Mapping[str, JsonValue], at: Instant
) -> SuspenseEntry:
    """Set fields of a suspended record. It stays where it is until it is queued."""
    find_suspended(corrections, id)
    corrections.fix_suspense(id, values, at=at)
    return find_suspended(corrections, id)


def delete(corrections: Corrections, ids: Sequence[int]) -> None:
    """Delete suspended records for good: all or none."""
    corrections.delete_suspense(ids)


def requeue(corrections: Corrections, ids: Sequence[int], *, at: Instant) -> None:
    """Let records enter the node that rejected them, in the stream's next run: all or none."""
    corrections.requeue_suspense(ids, at=at)


def suspended_to_api(entry: SuspenseEntry) -> dict[str, Any]:
    """Return the object of ``correction list --json``."""
    suspended = entry.suspended
    return {
        "id": entry.id,
        "stream": entry.stream_name,
        "node": suspended.node_name,
        "run": entry.run_id,
        "state": entry.state,
        "reason": suspended.reason.value,
        "detail": suspended.detail,
        "source": suspended.source,
        "offset": suspended.offset,
        "record": suspended.record,
        "raw": suspended.raw,
        "createdAt": instant_text(entry.created_at),
        "updatedAt": instant_text(entry.updated_at),
    }


def summary_to_api(summary: SuspenseSummary) -> dict[str, Any]:
    """Return the object of ``correction list --summary --json``."""
    return {
        "stream": summary.stream_name,
        "node": summary.node_name,
        "reason": summary.reason.value,
        "count": summary.count,
    }
