"""Metered records in the ledger: golden and threshold records as they left."""

from __future__ import annotations

from collections.abc import Iterator

from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger, Page, RecordEntry
from meterhouse.app.running import find_run
from meterhouse.core.metered_record import Kind


def list_records(
    ledger: Ledger,
    *,
    kind: Kind | None = None,
    run_id: str | None = None,
    limit: int | None = None,
) -> Iterator[RecordEntry]:
    """Yield metered records in the order in which they left, of one kind or run where given."""
    if run_id is not None:
        find_run(ledger, run_id)
    kind_text = None if kind is None else kind.value

    def page_of(*, limit: int, after: str | None) -> Page[RecordEntry]:
        return ledger.records(kind=kind_text, run_id=run_id, limit=limit, after=after)

    return take(page_of, limit=limit)
