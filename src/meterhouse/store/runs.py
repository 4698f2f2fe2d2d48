"""Runs and leases: who runs a stream, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from meterhouse.app.access_ports import Activity
from meterhouse.app.ports import Lease, Page
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.notifications import tell
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.run_commit import commit, keep_failed
from meterhouse.store.snapshot import Snapshot
from meterhouse.store.sql_text import queries
from meterhouse.store.streams import stream_by_no
from meterhouse.streams.notice import events_of_complete, events_of_failed
from meterhouse.streams.record import (
    NodeCount,
    Run,
    RunCause,
    RunOrigin,
    RunResult,
    RunStatus,
    StartedRun,
)
from meterhouse.streams.usage_audit import Usage, usage_of

_SQL = queries("runs")
_STREAMS = queries("streams")
_NUMBER_MAX = 2**63 - 1
#: What groups are told of failures that are no error of a run: codes, as errors have them.
_FAILED, _INTERRUPTED, _BEHIND = "run_failed", "run_interrupted", "clock_behind"


class RunTable(Recorder):
    """The part of the ledger that keeps runs and their leases."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def start_run(self, run: Run, lease: Lease, *, alive: frozenset[str]) -> StartedRun:
        """Record a run and take the stream's lease; a lease of a dead process is taken over."""
        with self._database.write():
            if run.cause.started_by is not None and run.cause.group_run_id is None:
                said = (run.started_at, run.cause.started_by, "run", "stream", run.stream_id)
                self.add_activity(Activity(*said, detail={"name": run.stream_name, "run": run.id}))
            return begin(self._database, run, lease, alive=alive)

    def lease_of(self, stream_id: str) -> Lease | None:
        """Return the lease in force."""
        with self._database.read():
            held = self._database.row(_STREAMS["lease"], (_stream_no(self._database, stream_id),))
            return None if held is None else Lease(*held[:2])

    def snapshot(self, stream_id: str | None) -> Snapshot:
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
            nodes = run.nodes or result.nodes
            _end(self._database, run, run_no, RunStatus.COMPLETE, nodes)
            usage = usage_of(nodes, result.audit, returned=result.returned)
            _write_usage(self._database, run, run_no, usage)
            tell(self._database, run, events_of_complete(result, usage), run_no=run_no)
            self._database.execute(_SQL["end_claim"], (run.id,))

    def fail_run(
        self, run: Run, result: RunResult | None, *, again: bool = False, code: str = _FAILED
    ) -> None:
        """End the run as failed; keep the suspended records of ``result``, bound to the run.

        A run whose lease was taken over has been ended by whoever took it. ``again``: what a
        schedule began stays claimed, and is begun again. ``code`` is what groups are told.
        """
        with self._database.write():
            run_no, stream_no = _held(self._database, run)
            if stream_no is None:
                return
            if result is not None:
                keep_failed(self._database, run, result, run_no=run_no, stream_no=stream_no)
            nodes = run.nodes or (result.nodes if result is not None else ())
            _end(self._database, run, run_no, RunStatus.FAILED, nodes)
            tell(self._database, run, events_of_failed(code, result), run_no=run_no)
            if not again:
                self._database.execute(_SQL["end_claim"], (run.id,))

    def end_dead_runs(self, *, at: Instant, beside: str = "") -> int:
        """End runs whose process is known to be gone; ``beside`` is a process that lives."""
        if not self._dead_runs(beside):
            return 0
        with self._database.write():
            gone = self._dead_runs(beside)
            for _, process, no in gone:
                error = f"interrupted: its process {process} is gone"
                _interrupt(self._database, no, error, at=at)
                self._database.execute(_SQL["give_back_lease"], (no,))
            return len(gone)

    def _dead_runs(self, beside: str) -> list[Row]:
        with self._database.read():
            held = self._database.rows(_SQL["leases_beside"], (beside,))
        return [row for row in held if self._dead(Lease(*row[:2]))]

    def run(self, id: str) -> Run | None:
        """Return one run."""
        with self._database.read():
            rows = self._database.rows(_SQL["by_id"], (id,))
            return next(iter(_from_rows(self._database, rows)), None)

    def runs(
        self,
        *,
        stream_id: str | None = None,
        status: RunStatus | None = None,
        origin: RunOrigin | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Run]:
        """List runs, newest first; ``since`` and ``until`` (exclusive) are of their start."""
        before = number_after(after, default=_NUMBER_MAX)
        values = {"before": before, "limit": limit + 1, "since": since, "until": until}
        values |= {"status": None if status is None else status.value}
        values |= {"origin": None if origin is None else origin.value}
        query = "page" if stream_id is None else "page_of_stream"
        if stream_id is not None:
            values["stream_id"] = stream_id
        with self._database.read():
            rows = self._database.rows(_SQL[query], values)
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def runs_of_group_run(self, id: str) -> list[Run]:
        """Return the runs of the members of a group run, in the order in which they began."""
        with self._database.read():
            return _from_rows(self._database, self._database.rows(_SQL["of_group_run"], (id,)))

    def request_stop(self, id: str, *, at: Instant) -> bool:
        """Ask a run to stop; ``False`` where it is not running."""
        with self._recorded("stop", "run", id) as note:
            stopped = bool(self._database.rows(_SQL["request_stop"], (at, id)))
            note.void = not stopped
        return stopped

    def stop_requested(self, id: str) -> bool:
        """Whether a run has been asked to stop."""
        with self._database.read():
            return bool(self._database.value(_SQL["stop_requested"], (id,)))

    def run_log(self, id: str) -> list[tuple[str, str, str]]:
        """Return the log lines of a run: node id, level, text."""
        with self._database.read():
            return self._database.rows(_SQL["log"], (id,))

    def run_log_page(
        self, id: str, *, limit: int = 100, after: str | None = None
    ) -> Page[tuple[str, str, str]]:
        """Return some of the same lines."""
        values = {"id": id, "after": number_after(after, default=-1), "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["log_page"], values)
        return page_of(rows, lambda shown: [row[:3] for row in shown], limit=limit)


def begin(database: Database, run: Run, lease: Lease, *, alive: frozenset[str]) -> StartedRun:
    """Record a run and take its stream's lease; the caller holds the transaction."""
    stream_no = _stream_no(database, run.stream_id)
    held = database.row(_STREAMS["lease"], (stream_no,))
    if held is not None:
        _take_over(database, run, lease, held, alive)
    last = database.value(_SQL["last_complete_at"], (run.stream_id,))
    if last is not None and run.at < last:
        raise ConflictError(behind(run, last), hint="Give a later instant with --at")
    version = database.value(_SQL["version_tag"], (stream_no,))
    no = _insert(database, run, version)
    database.execute(_SQL["take_lease"], (stream_no, no, lease.host, lease.process))
    return StartedRun(replace(run, version=version), stream_by_no(database, stream_no))


def behind(run: Run, last: Instant) -> str:
    """Say that the clock of a run lies before that of the last run of its stream."""
    return (
        f"The clock of the run, {instant_text(run.at)}, lies before that of the "
        f"last run of stream {run.stream_name!r}, {instant_text(last)}"
    )


def record_failed(database: Database, run: Run, *, error: str) -> None:
    """Record a run that could not begin; the caller holds the transaction."""
    no = _insert(database, run, None)
    database.execute(_SQL["end_run"], (RunStatus.FAILED.value, error, run.started_at, no))
    tell(database, run, events_of_failed(_BEHIND, None), run_no=no)


def _insert(database: Database, run: Run, version: str | None) -> int:
    cause = run.cause
    row = (run.id, run.stream_id, run.stream_name, run.at, str(run.seed), run.started_at)
    why = (cause.origin.value, cause.started_by, cause.scheduled_for, cause.group_run_id)
    no: int = database.value(_SQL["insert_run"], (*row, *why, version))
    return no


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
        message = f"Stream {run.stream_name!r} is running (run {run_id})"
        busy = ConflictError(message, hint="Wait for its end, then run it again")
        # For whoever is at this machine; no client of the API is told.
        busy.add_note(f"it is process {process} on {host}")
        raise busy
    error = f"interrupted: its process {process} is gone"
    _interrupt(database, run_no, error, at=run.started_at)


def _interrupt(database: Database, run_no: int, error: str, *, at: Instant) -> None:
    """End a run whose process is gone, and tell of it."""
    database.execute(_SQL["interrupt"], (error, at, run_no))
    [run] = _from_rows(database, database.rows(_SQL["by_no"], (run_no,)))
    tell(database, run, events_of_failed(_INTERRUPTED, None), run_no=run_no)


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
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error, *rest, no = row
    origin, started_by, scheduled_for, group_run_id, version = rest
    nodes = tuple(map(_node_from_row, database.rows(_SQL["nodes"], (no,))))
    begun = (id, stream_id, stream_name, RunStatus(status), at, int(seed), started_at)
    cause = RunCause(RunOrigin(origin), started_by, scheduled_for, group_run_id)
    return Run(*begun, ended_at, error, nodes, cause, version)


def _write_usage(database: Database, run: Run, run_no: int, usage: Usage) -> None:
    ended_at = run.started_at if run.ended_at is None else run.ended_at
    counts = (usage.input, usage.output, usage.duplicated, usage.to_correction)
    values = (run_no, ended_at, *counts, json_text(usage.custom))
    database.execute(_SQL["insert_usage"], values)


def _node_row(node: NodeCount) -> Row:
    counts = (node.filtered, node.duplicates, node.suspended, node.metered, node.errors)
    return (node.id, node.name, node.type, node.records_in, json_text(node.out), *counts)


def _node_from_row(row: Row) -> NodeCount:
    id, name, type, records_in, out, *counts = row
    return NodeCount(id, name, type, records_in, parse_json(out), *counts)
