"""Golden records and adjustments in the ledger, by customer and period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meterhouse.app.billing.ports import BillableRecord, RunInput
from meterhouse.core.instant import Instant, instant_text, parse_instant
from meterhouse.core.json_text import json_text
from meterhouse.store.connection import Database, Row, path_from_value
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import ConsumedFile

_SQL = queries("billing_records")
#: So many records are taken up in one transaction.
_INDEXED_AT_ONCE = 100_000


class BillingRecordTable:
    """The part of the ledger that finds what can be billed."""

    _database: Database

    def index_billable(self) -> None:
        """Take up the records that runs have made since."""
        while self._has_new():
            with self._database.write():
                index_some(self._database)

    def _has_new(self) -> bool:
        with self._database.read():
            return self._database.value(_SQL["until"]) is not None

    def billable_records(
        self, customer_id: str, *, after: Instant | None, until: Instant, unbilled: bool = False
    ) -> list[BillableRecord]:
        """Return records of a customer whose periods end in ``(after, until]``."""
        values = {
            "customer": customer_id,
            "after": "" if after is None else instant_text(after),
            "until": instant_text(until),
            "unbilled": int(unbilled),
        }
        with self._database.read():
            return [_record(row) for row in self._database.rows(_SQL["of_customer"], values)]

    def billable_record(self, record_id: str) -> BillableRecord | None:
        """Return one record."""
        with self._database.read():
            row = self._database.row(_SQL["one"], (record_id,))
        return None if row is None else _record(row)

    def records_of_nobody(self, *, after: Instant, until: Instant) -> Sequence[tuple[str, int]]:
        """Return users whom no customer has, with their numbers of records in a period."""
        values = {"after": instant_text(after), "until": instant_text(until)}
        with self._database.read():
            return [(user, count) for user, count in self._database.rows(_SQL["of_nobody"], values)]

    def open_event_periods(self, customer_id: str, *, after: Instant, until: Instant) -> int:
        """Return how many meters of a customer have usage in a period that has not closed."""
        values = {"customer": customer_id, "after": after, "until": until}
        with self._database.read():
            count: int = self._database.value(_SQL["open_event_periods"], values)
        return count

    def runs_that_fed(self, record_id: str, *, start: Instant) -> list[str]:
        """Return runs whose input a record has: of its stream, from the start of its period on."""
        with self._database.read():
            rows = self._database.rows(_SQL["fed"], {"record_id": record_id, "start": start})
        return [id for (id,) in rows]

    def files_that_fed(self, runs: Sequence[str], *, start: Instant) -> list[ConsumedFile]:
        """Return the files that runs of the same streams have read: from an instant on, so far."""
        values = {"runs": json_text(list(runs)), "start": start}
        with self._database.read():
            rows = self._database.rows(_SQL["files_that_fed"], values)
        return _consumed(rows)

    def files_of_run(self, run_id: str) -> list[ConsumedFile]:
        """Return the files that a run has read: their hashes (datasets) and numbers of records."""
        with self._database.read():
            return self._files_of_run(run_id)

    def inputs_of_run(self, run_id: str) -> list[RunInput]:
        """Return what a run has read, as far as the ledger still knows it."""
        with self._database.read():
            files = self._files_of_run(run_id)
            positions = self._database.rows(_SQL["positions_of_run"], (run_id,))
        return [
            *(RunInput(file.node_id, file.path, f"{file.size} bytes") for file in files),
            *(RunInput(node, part, value) for node, part, value in positions),
        ]

    def _files_of_run(self, run_id: str) -> list[ConsumedFile]:
        return _consumed(self._database.rows(_SQL["files_of_run"], (run_id,)))


def _consumed(rows: Iterable[Row]) -> list[ConsumedFile]:
    return [ConsumedFile(node, path_from_value(path), *rest) for node, path, *rest in rows]


def index_some(database: Database) -> bool:
    """Take up records in the transaction of the caller; whether there were any."""
    after = database.value(_SQL["until"])
    if after is None:
        return False  # another process was faster, or there is nothing
    until = min(database.value(_SQL["newest"]), after + _INDEXED_AT_ONCE)
    database.execute(_SQL["index"], {"after": after, "until": until})
    database.execute(_SQL["move_until"], (until,))
    return True


def _record(row: Row) -> BillableRecord:
    no, record_id, user, period_end, text, run_id, adjusts, billed, category = row
    end = parse_instant(period_end)
    assert end is not None, "records are written with instants"
    return BillableRecord(no, record_id, user, end, text, run_id, adjusts, billed, category)
