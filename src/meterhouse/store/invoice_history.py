"""The history of invoices, and what of it the archive has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from meterhouse.app.access_ports import SealedValue
from meterhouse.app.billing.archive_ports import LINK_KEY, HistorySegment
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.invoice_history import HistoryEntry, HistoryEvent, chained
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sealed_values import put_sealed, sealed_at
from meterhouse.store.sql_text import queries

_SQL = queries("invoice_history")
_NUMBER_MAX = 2**63 - 1
_KEY_ID = "key"


class InvoiceHistoryTable:
    """The part of the ledger that keeps what became of invoices."""

    _database: Database

    def add_history(self, event: HistoryEvent) -> HistoryEntry:
        """Append an event. Within a transaction of the ledger, it is part of that."""
        kept = replace(event, actor=storable(event.actor), invoice=storable(event.invoice))
        with self._database.write():
            row = self._database.row(_SQL["last"])
            entry = chained(kept, None if row is None else _entry(row))
            detail = json_text(dict(kept.detail))
            values = (entry.sequence, kept.at, kept.actor, kept.action, kept.invoice, detail)
            self._database.execute(_SQL["insert"], (*values, entry.previous, entry.hash))
        return entry

    def history(
        self,
        *,
        invoice: str | None = None,
        since: int = 1,
        until: int | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[HistoryEntry]:
        """List entries, oldest first, from one sequence to another."""
        values: dict[str, Any] = {
            "after": number_after(after, default=since - 1),
            "until": _NUMBER_MAX if until is None else until,
            "limit": limit + 1,
        }
        query = "page" if invoice is None else "page_of_invoice"
        if invoice is not None:
            values["invoice"] = storable(invoice)
        with self._database.read():
            rows = self._database.rows(_SQL[query], values)
        return page_of(rows, _entries, limit=limit, number=0)

    def archived_invoice(self, reference: str) -> str | None:
        """Return the id of an invoice that has a history, by id or by its number."""
        text = storable(reference)
        with self._database.read():
            if self._database.value(_SQL["is_known"], {"invoice": text}):
                return text
            rows = self._database.rows(_SQL["archived_as"], {"number": text})
        return only_id([id for (id,) in rows], number=reference)

    def claim_history_segment(self) -> None:
        """Make a segment of the entries that are in none yet."""
        with self._database.write():
            row = self._database.row(_SQL["last"])
            covered = self._database.value(_SQL["last_segment"])
            if row is not None and row[0] > covered:
                self._database.execute(_SQL["insert_segment"], (covered + 1, row[0]))

    def history_segments(self) -> Sequence[HistorySegment]:
        """Return all segments, in order."""
        with self._database.read():
            return [HistorySegment(*row) for row in self._database.rows(_SQL["segments"])]

    def history_segment_archived(self, first: int, *, at: Instant) -> None:
        """Note that the archive has a segment."""
        with self._database.write():
            self._database.execute(_SQL["segment_archived"], {"first": first, "at": at})

    def link_key(self, seal: Callable[[str], SealedValue]) -> SealedValue:
        """Return the sealed key of links; the first call makes it."""
        with self._database.read():
            present = sealed_at(self._database, LINK_KEY, _KEY_ID)
        if present is not None:
            return present
        with self._database.write():
            # Another process may have been faster.
            present = sealed_at(self._database, LINK_KEY, _KEY_ID)
            if present is None:
                present = seal(_KEY_ID)
                put_sealed(self._database, present)
        return present


def only_id(ids: Sequence[str], *, number: str) -> str | None:
    """Return the invoice that has a number; refused where several issuers have given it."""
    if len(ids) > 1:
        message = f"{len(ids)} invoices have the number {number!r}: {', '.join(ids)}"
        raise ConflictError(message, hint="Give the id of the one that is meant")
    return ids[0] if ids else None


def _entries(rows: Sequence[Row]) -> list[HistoryEntry]:
    return [_entry(row) for row in rows]


def _entry(row: Row) -> HistoryEntry:
    sequence, at, actor, action, invoice, detail, previous, hash_ = row
    event = HistoryEvent(at, actor, action, invoice, parse_json(detail))
    return HistoryEntry(sequence, event, previous, hash_)
