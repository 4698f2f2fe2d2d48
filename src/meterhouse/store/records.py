"""The metered records in the ledger, in the order in which they left."""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.app.ports import Page, RecordEntry
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("records")


class RecordTable:
    """The part of the ledger that shows metered records."""

    _database: Database

    def records(
        self,
        *,
        kind: str | None = None,
        run_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[RecordEntry]:
        """List metered records in the order in which they left."""
        after_no = number_after(after)
        values = {"kind": kind, "run_id": run_id, "after": after_no, "limit": limit + 1}
        query = "page" if kind is None else "page_of_kind"
        if run_id is not None:
            query = "page_of_run"
        with self._database.read():
            rows = self._database.rows(_SQL[query], values)
        return page_of(rows, _from_rows, limit=limit)


def _from_rows(rows: Sequence[Row]) -> list[RecordEntry]:
    return [RecordEntry(kind, run_id, node_id, text) for kind, run_id, node_id, text, _ in rows]
