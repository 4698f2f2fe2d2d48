"""The history of invoices: read, checked, and copied to the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from meterhouse.app.billing.archive_ports import (
    ArchiveFault,
    ArchiveStore,
    HistorySegment,
    InvoiceHistory,
)
from meterhouse.app.listing import take
from meterhouse.core.instant import Instant
from meterhouse.core.invoice_history import HistoryEntry, chain_faults
from meterhouse.core.problem import NotFoundError


@dataclass(frozen=True, slots=True)
class Verified:
    """What checking the history found: how long it is, and everything that is wrong with it."""

    entries: int
    segments: int
    faults: tuple[str, ...]


def find_invoice(history: InvoiceHistory, reference: str) -> str:
    """Return the id of an invoice in the archive, by id or number."""
    found = history.archived_invoice(reference)
    if found is None:
        hint = "`invoice history` lists what there is"
        raise NotFoundError(f"No invoice {reference!r} is in the archive", hint=hint)
    return found


def entries(
    history: InvoiceHistory, *, invoice: str | None = None, limit: int | None = None
) -> Iterator[HistoryEntry]:
    """Yield the history, or that of one invoice by id or number, oldest first."""
    id_ = None if invoice is None else find_invoice(history, invoice)
    return take(partial(history.history, invoice=id_), limit=limit)


def archive_history(history: InvoiceHistory, store: ArchiveStore, *, at: Instant) -> list[str]:
    """Copy what the archive does not have yet; returns the names of the new files.

    What was begun and not noted, because a process was killed, is done again: the same entries
    make the same files.
    """
    history.claim_history_segment()
    made = []
    for segment in history.history_segments():
        if segment.archived_at is None:
            store.put(segment.name, _content(history, segment))
            history.history_segment_archived(segment.first, at=at)
            made.append(segment.name)
    return made


def verify_history(history: InvoiceHistory, store: ArchiveStore | None = None) -> Verified:
    """Check that no entry was changed, inserted or removed; with an archive, its copies, too.

    The chain alone cannot tell that its last entries were cut off, or that all of it was made
    anew: the copies can.
    """
    count = 0

    def counted() -> Iterator[HistoryEntry]:
        nonlocal count
        for entry in entries(history):
            count += 1
            yield entry

    faults = list(chain_faults(counted()))
    copied = [one for one in history.history_segments() if one.archived_at is not None]
    if store is not None:
        faults += _copy_faults(history, store, copied)
    return Verified(count, len(copied) if store is not None else 0, tuple(faults))


def _copy_faults(
    history: InvoiceHistory, store: ArchiveStore, segments: list[HistorySegment]
) -> Iterator[str]:
    for segment in segments:
        try:
            kept = store.get(segment.name)
        except ArchiveFault as error:
            yield f"{segment.name} cannot be read: {error.args[0]}"
            continue
        if kept is None:
            yield f"{segment.name} is not in the archive"
        elif kept != _content(history, segment):
            yield f"{segment.name} in the archive is not what the ledger has"


def _content(history: InvoiceHistory, segment: HistorySegment) -> bytes:
    page = partial(history.history, since=segment.first, until=segment.last)
    return "".join(entry.line for entry in take(page, limit=None)).encode()
