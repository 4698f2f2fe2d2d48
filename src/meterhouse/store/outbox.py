"""The outbox in the ledger: outputs that are committed and not yet delivered."""

from __future__ import annotations

from typing import Any

from meterhouse.app.ports import PendingDelivery
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, path_from_value, storable
from meterhouse.store.sql_text import queries
from meterhouse.streams.forward import Forward
from meterhouse.streams.record import OutboxEntry
from meterhouse.streams.storage import LOCAL, Storage

_SQL = queries("outbox")


class OutboxTable(Recorder):
    """The part of the ledger that keeps the outbox."""

    _database: Database

    def pending(self) -> list[PendingDelivery]:
        """Return what is to be delivered, oldest first."""
        with self._database.read():
            rows = self._database.rows(_SQL["pending"])
        return [_from_row(*row) for row in rows]

    def delivered(self, id: int, *, at: Instant) -> None:
        """Mark as delivered; a second time changes nothing."""
        with self._database.write():
            self._database.execute(_SQL["delivered"], (at, at, id))

    def failed(self, id: int, error: str, *, at: Instant) -> None:
        """Note a failed attempt; it stays pending."""
        with self._database.write():
            self._database.execute(_SQL["failed"], (at, storable(error), id))

    def purge_delivered(self, *, before: Instant, limit: int) -> int:
        """Forget what was delivered before an instant, of the oldest ones; returns how many."""
        with self._database.read():
            rows = self._database.rows(_SQL["delivered_before"], {"before": before, "limit": limit})
        if not rows:
            return 0  # Looking keeps nobody from writing.
        with self._database.write():
            ids = json_text([id for (id,) in rows])
            return self._database.execute(_SQL["purge"], (ids,)).rowcount

    def drop(self, id: int) -> None:
        """Forget one that is pending; another id changes nothing."""
        with self._recorded("drop", "delivery", str(id)):
            self._database.execute(_SQL["drop_redriven"], (id,))
            self._database.execute(_SQL["drop"], (id,))


def _from_row(id: int, run_id: str, *row: Any) -> PendingDelivery:
    node_id, spool, destination, storage, forward, records, *tried = row
    reached = LOCAL if storage is None else Storage.from_json(parse_json(storage))
    read = None if forward is None else Forward.from_json(parse_json(forward))
    entry = OutboxEntry(node_id, spool, path_from_value(destination), reached, read, records)
    return PendingDelivery(id, run_id, entry, *tried)
