"""Runs and leases: who runs a stream, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from meterhouse.app.ports import Lease, Page
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.run_commit import commit, keep_failed
from meterhouse.store.snapshot import Snapshot
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import NodeCount, Run, RunResult, RunStatus

_SQL = queries("runs")
_STREAMS = queries("streams")
_NUMBER_MAX = 2**63 - 1


class RunTable:
    """The part of the ledger that keeps runs and their leases."""

    _database: Database

    def start_run(self, run: Run, lease: Lease, *, alive: frozenset[str]) -> None:
        """Record a run and take the stream's lease; a lease of a dead process is taken over."""
        with self._database.write():
            stream_no = _stream_no(self._database, run.stream_id)
            held = self._database.row(_STREAMS["lease"], (stream_no,))
            if held is not None:
                _take_over(self._database, run, lease, held, alive)
            last = self._database.value(_SQL["last_complete_at"], (run.stream_id,))
            if last is not None and run.at < last:
                message = (
                    f"The clock of the run, {instant_text(run.at)}, lies before that of the "
                    f"last run of stream {run.stream_name!r}, {instant_text(last)}"
                )
                raise ConflictError(message, hint="Give a later instant with --at")
            row = (run.id, run.stream_id, run.stream_name, run.at, str(run.seed), run.started_at)
            no = self._database.value(_SQL["insert_run"], row)
            self._database.execute(_SQL["take_lease"], (stream_no, no, lease.host, lease.process))

    def lease_of(self, stream_id: str) -> Lease | None:
        """Return the lease in force."""
        with self._database.read():
            held = self._database.row(_STREAMS["lease"], (_stream_no(self._database, stream_id),))
            return None if held is None else Lease(*held[:2])

    def snapshot(self, stream_id: str) -> Snapshot:
        """Open what a run computes from. Close it when the run has ended."""
        return Snapshot(self._database.path, stream_id)

    def commit_run(self, run: Run, result: RunResult) -> None:
        """Write everything in one transaction and end the run as complete."""
        with self._database.write():
            run_no, stream_no = _held(self._database, run)
            if stream_no is None:
                message = f"Run {run.id} of stream {run.stream_name!r} lost its lease"
                hint = "Another run has taken over, nothing was written; see `run list`"
                raise ConflictError(message, hint=hint)
            commit(self._database, run, result, run_no=run_no, stream_no=stream_no)
            _end(self._database, run, run_no, RunStatus.COMPLETE, run.nodes or result.nodes)

    def fail_run(self, run: Run, result: RunResult | None) -> None:
        """End the run as failed; keep the suspended records of ``result``, bound to the run.

        A run whose lease was taken over has been ended by whoever took it.
        """
        with self._database.write():
            run_no, stream_no = _held(self._database, run)
            if stream_no is None:
                return
            if result is not None:
                keep_failed(self._database, run, result, run_no=run_no, stream_no=stream_no)
            nodes = run.nodes or (result.nodes if result is not None else ())
            _end(self._database, run, run_no, RunStatus.FAILED, nodes)

    def run(self, id: str) -> Run | None:
        """Return one run."""
        with self._database.read():
            rows = self._database.rows(_SQL["by_id"], (id,))
            return next(iter(_from_rows(self._database, rows)), None)

    def runs(
        self, *, stream_id: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[Run]:
        """List runs, newest first."""
        before = number_after(after, default=_NUMBER_MAX)
        with self._database.read():
            if stream_id is None:
                rows = self._database.rows(_SQL["page"], (before, limit + 1))
            else:
                values = (before, stream_id, limit + 1)
                rows = self._database.rows(_SQL["page_of_stream"], values)
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def run_log(self, id: str) -> list[tuple[str, str, str]]:
        """Return the log lines of a run: node id, level, text."""
        with self._database.read():
            return self._database.rows(_SQL["log"], (id,))


def _stream_no(database: Database, stream_id: str) -> int:
    row = database.row(_STREAMS["by_id"], (stream_id,))
    if row is None:
        hint = "`stream list` shows those that exist"
        raise NotFoundError(f"There is no stream {stream_id!r}", hint=hint)
    return row[0]


def _take_over(
    database: Database, run: Run, lease: Lease, held: Row, alive: frozenset[str]
) -> None:
    host, process, run_id, run_no = held
    if host != lease.host or process in alive:
        message = f"Stream {run.stream_name!r} is running (run {run_id}, {process} on {host})"
        elsewhere = "" if host == lease.host else f"; this is not {host}"
        raise ConflictError(message, hint=f"Wait for its end, then run it again{elsewhere}")
    error = f"interrupted: its process {process} is gone"
    database.execute(_SQL["interrupt"], (error, run.started_at, run_no))


def _held(database: Database, run: Run) -> Row:
    row = database.row(_SQL["lease_of_run"], (run.id,))
    if row is None:
        raise NotFoundError(f"There is no run {run.id!r}", hint="`run list` shows all runs")
    return row


def _end(
    database: Database, run: Run, run_no: int, status: RunStatus, nodes: Sequence[NodeCount]
) -> None:
    rows = ((run_no, position, *_node_row(node)) for position, node in enumerate(nodes))
    database.execute_many(_SQL["insert_node"], rows)
    error = None if run.error is None else storable(run.error)
    values = (status.value, error, run.ended_at, run_no)
    database.execute(_SQL["end_run"], values)
    database.execute(_SQL["give_back_lease"], (run_no,))


def _from_rows(database: Database, rows: Sequence[Row]) -> list[Run]:
    return [_from_row(database, row) for row in rows]


def _from_row(database: Database, row: Row) -> Run:
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error, no = row
    nodes = tuple(map(_node_from_row, database.rows(_SQL["nodes"], (no,))))
    begun = (id, stream_id, stream_name, RunStatus(status), at, int(seed), started_at)
    return Run(*begun, ended_at, error, nodes)


def _node_row(node: NodeCount) -> Row:
    counts = (node.filtered, node.duplicates, node.suspended, node.metered)
    return (node.id, node.name, node.type, node.records_in, json_text(node.out), *counts)


def _node_from_row(row: Row) -> NodeCount:
    id, name, type, records_in, out, *counts = row
    return NodeCount(id, name, type, records_in, parse_json(out), *counts)
