"""The open sessions of aggregating nodes, as they stand in the ledger between runs."""

from __future__ import annotations

from collections.abc import Sequence

from meterhouse.app.ports import Page
from meterhouse.app.stream_ports import OpenSession
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import AggregateSession

_SQL = queries("sessions")


class SessionTable:
    """The part of the ledger that shows what aggregating nodes have gathered."""

    _database: Database

    def open_sessions(
        self,
        stream_id: str,
        *,
        node_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[OpenSession]:
        """List the open sessions of a stream, of one node where given, oldest first."""
        values = {"stream_id": stream_id, "node_id": node_id}
        values |= {"after": number_after(after), "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
        return page_of(rows, _from_rows, limit=limit)


def _from_rows(rows: Sequence[Row]) -> list[OpenSession]:
    return [
        OpenSession(node_id, scope, AggregateSession(*session))
        for node_id, scope, *session, _ in rows
    ]
