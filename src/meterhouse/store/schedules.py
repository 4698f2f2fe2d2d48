"""Schedules, and claiming what is due: the lease, the run and the next instant are one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from meterhouse.app.ports import Lease, Page
from meterhouse.app.stream_ports import Claim, Refusal
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.revision import NO_REVISION, check_revision
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.runs import begin, behind, record_failed
from meterhouse.store.sql_text import queries
from meterhouse.store.stream_groups import begin_group_run, interrupt_group_run
from meterhouse.streams.group import GroupRun
from meterhouse.streams.record import Run, StartedRun
from meterhouse.streams.schedule import Schedule
from meterhouse.streams.schedule_rule import ScheduleRule

_SQL = queries("schedules")
_KIND = "schedule"
_STREAMS = queries("streams")
_GROUPS = queries("stream_groups")
_RUNS = queries("runs")


class ScheduleTable(Recorder):
    """The part of the ledger that keeps schedules."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def put_schedule(self, schedule: Schedule, *, expected_revision: str | None = None) -> Schedule:
        """Add a schedule, or change the one that its stream or group has; returns it as stored.

        Refused for a stream in a group: the group has the schedule.
        """
        with self._recorded("create", _KIND, schedule.id) as note:
            stream_no, group_no = self._target(schedule)
            no = _no_of(self._database, schedule.stream_id, schedule.group_id)
            _check(self._database, no, expected_revision)
            note.detail |= {"of": schedule.stream_id or schedule.group_id}
            note.detail |= {"enabled": schedule.enabled}
            rule = json_text(schedule.rule.to_api())
            if no is None:
                head = (schedule.id, stream_no, group_no, rule, schedule.enabled)
                times = (schedule.next_at, schedule.created_at, schedule.updated_at)
                self._database.execute(_SQL["insert"], (*head, *times))
                no = self._database.value(_SQL["by_id"], (schedule.id,))
            else:
                values = (rule, schedule.enabled, schedule.next_at, schedule.updated_at, no)
                self._database.execute(_SQL["change"], values)
            stored = _by_no(self._database, no)
            if stored.id != schedule.id or stored.updated_at != stored.created_at:
                note.action, note.id = "update", stored.id
        return stored

    def _target(self, schedule: Schedule) -> tuple[int | None, int | None]:
        """Return the numbers of what the schedule is of, one of them ``None``."""
        if schedule.stream_id is None:
            no = self._database.value(_GROUPS["find"], {"reference": schedule.group_id})
            if no is None:
                raise NotFoundError(f"There is no group {schedule.group_id!r}")
            return None, no
        row = self._database.row(_STREAMS["by_id"], (schedule.stream_id,))
        if row is None:
            raise NotFoundError(f"There is no stream {schedule.stream_id!r}")
        if (group := self._database.value(_STREAMS["in_group"], row[:1])) is not None:
            message = f"Stream {row[1]!r} is in the group {group!r}"
            raise ConflictError(message, hint="Give the group a schedule (`--group`)")
        return row[0], None

    def schedule_of(
        self, *, stream_id: str | None = None, group_id: str | None = None
    ) -> Schedule | None:
        """Return the schedule of a stream or of a group."""
        with self._database.read():
            no = _no_of(self._database, stream_id, group_id)
            return None if no is None else _by_no(self._database, no)

    def schedules(self, *, limit: int = 100, after: str | None = None) -> Page[Schedule]:
        """List schedules."""
        values = {"after": number_after(after), "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
        return page_of(rows, _from_rows, limit=limit)

    def delete_schedule(self, id: str, *, expected_revision: str | None = None) -> None:
        """Delete; a run that it has begun goes on."""
        with self._recorded("delete", _KIND, id) as note:
            no = self._database.value(_SQL["by_id"], (id,))
            if no is None:
                raise NotFoundError(f"There is no schedule {id!r}", hint="See `schedule list`")
            _check(self._database, no, expected_revision)
            note.detail["of"] = _by_no(self._database, no).target
            self._database.execute(_SQL["delete"], (no,))

    def due_schedules(self, at: Instant) -> list[Schedule]:
        """Return the enabled schedules of which an instant has come, or a run was claimed."""
        with self._database.read():
            numbers = self._database.rows(_SQL["due"], {"at": at})
            return [_by_no(self._database, no) for (no,) in numbers]

    def claim_run(self, claim: Claim, run: Run, lease: Lease) -> StartedRun | Refusal:
        """Begin the run of a schedule that is due, in one transaction, or say why not."""
        with self._database.write():
            no = _seen(self._database, claim)
            if no is None:
                return Refusal.LOST
            stream_no = self._database.row(_STREAMS["by_id"], (run.stream_id,))
            assert stream_no is not None, "a schedule goes with its stream"
            held = self._database.row(_STREAMS["lease"], stream_no[:1])
            if held and not self._dead(Lease(*held[:2])):
                return _not_now(self._database, no, claim)
            last = self._database.value(_RUNS["last_complete_at"], (run.stream_id,))
            if last is not None and run.at < last:
                if claim.again:
                    return _too_late(self._database, no, claim)
                self._database.execute(_SQL["skip"], (claim.following, claim.at, no))
                record_failed(self._database, run, error=behind(run, last))
                return Refusal.BEHIND
            started = begin(self._database, run, lease, alive=frozenset())
            _advance(self._database, no, claim, run.id)
            return started

    def claim_group_run(self, claim: Claim, run: GroupRun, lease: Lease) -> GroupRun | Refusal:
        """Begin the run of a group's schedule that is due, or go on with one that was killed."""
        with self._database.write():
            no = _seen(self._database, claim)
            if no is None:
                return Refusal.LOST
            held = self._database.row(_GROUPS["running"], (run.group_id,))
            if held is not None:
                if not self._dead(Lease(*held[1:])):
                    return _not_now(self._database, no, claim)
                if held[0] != run.id:
                    interrupt_group_run(self._database, held, at=claim.at)
            if claim.again:
                values = (lease.host, lease.process, run.id)
                self._database.execute(_GROUPS["take_over_run"], values)
            else:
                begin_group_run(self._database, run, lease)
            _advance(self._database, no, claim, run.id)
            return run


def _check(database: Database, no: int | None, expected: str | None) -> None:
    """Refuse a change of what is not as the caller has seen it."""
    present = NO_REVISION if no is None else _by_no(database, no).revision
    check_revision(present, expected=expected, what="The schedule")


def _seen(database: Database, claim: Claim) -> int | None:
    """Return the number of the schedule where nobody has changed or claimed it meanwhile."""
    schedule = claim.schedule
    values = {"id": schedule.id, "next_at": schedule.next_at, "claimed": schedule.claimed}
    found: int | None = database.value(_SQL["seen"], values | {"updated_at": schedule.updated_at})
    return found


def _not_now(database: Database, no: int, claim: Claim) -> Refusal:
    """What comes while a run is under way is ignored; the next instant applies."""
    if not claim.schedule.due(claim.at):
        return Refusal.BUSY
    database.execute(_SQL["skip"], (claim.following, claim.at, no))
    return Refusal.SKIPPED


def _too_late(database: Database, no: int, claim: Claim) -> Refusal:
    """A later run has done what this one would have done."""
    database.execute(_SQL["drop_claim"], (claim.at, no))
    return Refusal.SKIPPED


def _advance(database: Database, no: int, claim: Claim, run_id: str) -> None:
    if claim.again:
        database.execute(_SQL["claim_again"], (run_id, no))
    else:
        database.execute(_SQL["advance"], (claim.following, run_id, claim.occurrence, no))


def _no_of(database: Database, stream_id: str | None, group_id: str | None) -> int | None:
    query, id = ("of_stream", stream_id) if stream_id is not None else ("of_group", group_id)
    found: int | None = database.value(_SQL[query], (id,))
    return found


def _by_no(database: Database, no: int) -> Schedule:
    rows = database.rows(_SQL["page"], {"after": no - 1, "limit": 1})
    return _from_rows(rows)[0]


def _from_rows(rows: Sequence[Row]) -> list[Schedule]:
    return [_from_row(*row[:-1]) for row in rows]


def _from_row(id: str, rule: str, enabled: int, *rest: Any) -> Schedule:
    read = ScheduleRule.from_api(parse_json(rule))
    return Schedule(id, read, bool(enabled), *rest)
