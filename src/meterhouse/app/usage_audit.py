"""The usage audit: listing it, and forgetting what is old."""

from __future__ import annotations

from collections.abc import Iterator

from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger, Page
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.streams.usage_audit import KEPT, AuditEntry


def list_usage_audit(
    ledger: Ledger,
    *,
    stream: str | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    limit: int | None = None,
) -> Iterator[AuditEntry]:
    """Yield entries, newest first; ``since`` and ``until`` (exclusive) are of their start."""
    stream_id = None if stream is None else find_stream(ledger, stream).id

    def page_of(*, limit: int, after: str | None) -> Page[AuditEntry]:
        return ledger.usage_audit(
            stream_id=stream_id, since=since, until=until, limit=limit, after=after
        )

    return take(page_of, limit=limit)


def purge_usage_audit(ledger: Ledger, *, at: Instant) -> int:
    """Delete what is older than it is kept; returns how many entries. Run it now and then."""
    return ledger.purge_usage_audit(before=at - KEPT)
