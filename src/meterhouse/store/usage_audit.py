"""The usage audit in the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.app.ports import Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import parse_json
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import RunOrigin
from meterhouse.streams.usage_audit import AuditEntry, Usage

_SQL = queries("usage_audit")
_NUMBER_MAX = 2**63 - 1


class UsageAuditTable:
    """The part of the ledger that keeps what runs took in and let out."""

    _database: Database

    def usage_audit(
        self,
        *,
        stream_id: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[AuditEntry]:
        """List entries, newest first; ``since`` and ``until`` (exclusive) are of their start."""
        before = number_after(after, default=_NUMBER_MAX)
        values = {"before": before, "limit": limit + 1, "since": since, "until": until}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], {**values, "stream_id": stream_id})
        return page_of(rows, _from_rows, limit=limit)

    def purge_usage_audit(self, *, before: Instant) -> int:
        """Delete entries of runs that ended before an instant; returns how many."""
        with self._database.write():
            count: int = self._database.execute(_SQL["purge"], (before,)).rowcount
            return count


def _from_rows(rows: Sequence[Row]) -> list[AuditEntry]:
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> AuditEntry:
    id, stream_name, started_at, ended_at, origin, started_by, version, *counts, custom, _ = row
    usage = Usage(*counts, custom=parse_json(custom))
    times = (started_at, ended_at)
    return AuditEntry(id, stream_name, *times, RunOrigin(origin), started_by, version, usage)
