"""Stream groups and their runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from meterhouse.app.access_ports import Activity
from meterhouse.app.ports import Lease, Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.revision import check_revision
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.group import GroupRun, StreamGroup
from meterhouse.streams.record import RunOrigin, RunStatus

_SQL = queries("stream_groups")
_STREAMS = queries("streams")
_RUNS = queries("runs")
_KIND = "group"


class StreamGroupTable(Recorder):
    """The part of the ledger that keeps groups."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def add_group(self, group: StreamGroup) -> None:
        """Add; refused where the name is taken, or a stream is in a group or has a schedule."""
        with self._recorded("create", _KIND, group.id, name=group.name):
            _refuse_taken(self._database, group.name)
            values = (group.id, group.name, group.created_at, group.updated_at)
            no = self._database.value(_SQL["insert"], values)
            _insert_members(self._database, no, group)

    def update_group(self, group: StreamGroup, *, expected_revision: str | None = None) -> None:
        """Give a group another name and other members; refused as ``add_group`` does."""
        with self._recorded("update", _KIND, group.id, name=group.name):
            no, present = _checked(self._database, group.id, expected_revision)
            if group.name != present.name:
                _refuse_taken(self._database, group.name)
            self._database.execute(_SQL["update"], (group.name, group.updated_at, no))
            self._database.execute(_SQL["delete_members"], (no,))
            _insert_members(self._database, no, group)

    def group(self, reference: str) -> StreamGroup | None:
        """Find one by id or name, in this order."""
        with self._database.read():
            no = self._database.value(_SQL["find"], {"reference": reference})
            if no is None:
                return None
            return _from_rows(self._database, self._database.rows(_SQL["page"], (no - 1, 1)))[0]

    def groups(self, *, limit: int = 100, after: str | None = None) -> Page[StreamGroup]:
        """List groups."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def group_of_stream(self, stream_id: str) -> str | None:
        """Return the name of the group that a stream is in."""
        with self._database.read():
            row = self._database.row(_STREAMS["by_id"], (stream_id,))
            return None if row is None else self._database.value(_STREAMS["in_group"], row[:1])

    def delete_group(self, id: str, *, at: Instant, expected_revision: str | None = None) -> None:
        """Ungroup; refused while it runs. Its streams stay, its schedule goes."""
        with self._recorded("delete", _KIND, id) as note:
            no, group = _checked(self._database, id, expected_revision)
            note.detail["name"] = group.name
            _make_way(self._database, id, self._dead, at=at)
            self._database.execute(_SQL["delete"], (no,))

    def start_group_run(self, run: GroupRun, lease: Lease) -> None:
        """Record a run of a group; refused while another is under way."""
        with self._database.write():
            if run.started_by is not None:
                said = (run.started_at, run.started_by, "run", _KIND, run.group_id)
                self.add_activity(Activity(*said, detail={"name": run.group_name, "run": run.id}))
            _make_way(self._database, run.group_id, self._dead, at=run.started_at)
            begin_group_run(self._database, run, lease)

    def end_group_run(self, run: GroupRun, lease: Lease, *, again: bool = False) -> bool:
        """End a run of a group; ``False`` where it is no longer ours. ``again``: see fail_run."""
        with self._database.write():
            error = None if run.error is None else storable(run.error)
            values = (run.status.value, error, run.ended_at, run.id, lease.host, lease.process)
            ours = bool(self._database.rows(_SQL["end_run"], values))
            if ours and not again:
                self._database.execute(_RUNS["end_claim"], (run.id,))
            return ours

    def end_dead_group_runs(self, *, at: Instant, beside: str = "") -> int:
        """End runs of groups whose process is known to be gone, as ``end_dead_runs``."""
        with self._database.read():
            running = self._database.rows(_SQL["running_beside"], (beside,))
        gone = [held for held in running if self._dead(Lease(*held[1:]))]
        if gone:
            with self._database.write():
                for held in gone:
                    interrupt_group_run(self._database, held, at=at)
        return len(gone)

    def group_run(self, id: str) -> GroupRun | None:
        """Return one run of a group."""
        with self._database.read():
            row = self._database.row(_SQL["run"], (id,))
        return None if row is None else _run_from_row(row)

    def running_group_run(self, group_id: str) -> tuple[str, Lease] | None:
        """Return the id and the lease of the run of a group that has not ended."""
        with self._database.read():
            row = self._database.row(_SQL["running"], (group_id,))
        return None if row is None else (row[0], Lease(*row[1:]))

    def request_group_stop(self, id: str, *, at: Instant) -> bool:
        """Ask a run of a group, and its member that runs, to stop."""
        with self._recorded("stop", "group run", id) as note:
            if not self._database.rows(_SQL["request_stop"], (at, id)):
                note.void = True
                return False
            for (run_id,) in self._database.rows(_SQL["running_members"], (id,)):
                self._database.rows(_RUNS["request_stop"], (at, run_id))
            return True

    def group_stop_requested(self, id: str) -> bool:
        """Whether a run of a group has been asked to stop."""
        with self._database.read():
            return bool(self._database.value(_SQL["stop_requested"], (id,)))


def _checked(database: Database, id: str, expected_revision: str | None) -> tuple[int, StreamGroup]:
    """Return a group with its number; refused where it is not as the caller has seen it."""
    no = database.value(_SQL["find"], {"reference": id})
    if no is None:
        raise NotFoundError(f"There is no group {id!r}", hint="See `group list`")
    group = _from_rows(database, database.rows(_SQL["page"], (no - 1, 1)))[0]
    check_revision(group.revision, expected=expected_revision, what=f"Group {group.name!r}")
    return no, group


def _refuse_taken(database: Database, name: str) -> None:
    if database.value(_SQL["name_taken"], (name,)) is not None:
        raise ConflictError(f"A group is named {name!r}", hint="Choose another name")


def _insert_members(database: Database, no: int, group: StreamGroup) -> None:
    for position, (stream_id, name) in enumerate(group.members):
        stream_no = _member(database, stream_id, name)
        database.execute(_SQL["insert_member"], (no, position, stream_no))


def begin_group_run(database: Database, run: GroupRun, lease: Lease) -> None:
    """Record a run of a group; the caller holds the transaction."""
    head = (run.id, run.group_id, run.group_name, json_text(list(run.members)))
    why = (run.origin.value, run.started_at, run.started_by, run.scheduled_for)
    database.execute(_SQL["insert_run"], (*head, *why, lease.host, lease.process))


def interrupt_group_run(database: Database, held: Row, *, at: Instant) -> None:
    """End a run of a group whose process is gone."""
    error = f"interrupted: its process {held[2]} is gone"
    database.execute(_SQL["interrupt"], (error, at, held[0]))


def _make_way(
    database: Database, group_id: str, dead: Callable[[Lease], bool], *, at: Instant
) -> None:
    """Refuse while the group runs; end a run whose process is gone."""
    held = database.row(_SQL["running"], (group_id,))
    if held is None:
        return
    if not dead(Lease(*held[1:])):
        message = f"The group is running (group run {held[0]})"
        raise ConflictError(message, hint="Wait for its end, or stop it (`run stop`)")
    interrupt_group_run(database, held, at=at)


def _member(database: Database, stream_id: str, name: str) -> int:
    """Return the number of a stream that may join a group."""
    row = database.row(_STREAMS["by_id"], (stream_id,))
    if row is None:
        raise NotFoundError(f"There is no stream {name!r}", hint="See `stream list`")
    no: int = row[0]
    if (group := database.value(_STREAMS["in_group"], (no,))) is not None:
        message = f"Stream {name!r} is in the group {group!r}"
        raise ConflictError(message, hint="A stream is in one group: delete that one first")
    if database.value(_SQL["stream_schedule"], (no,)) is not None:
        message = f"Stream {name!r} has a schedule of its own"
        raise ConflictError(message, hint="Remove it first (`schedule remove`)")
    return no


def _from_rows(database: Database, rows: Sequence[Row]) -> list[StreamGroup]:
    return [
        StreamGroup(id, name, tuple(database.rows(_SQL["members"], (no,))), created_at, updated_at)
        for id, name, created_at, updated_at, no in rows
    ]


def _run_from_row(row: Row) -> GroupRun:
    id, group_id, name, members, status, origin, *rest = row
    head = (id, group_id, name, tuple(parse_json(members)))
    return GroupRun(*head, RunStatus(status), RunOrigin(origin), *rest)
