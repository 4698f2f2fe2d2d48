"""Stream groups: making, finding, running and undoing them.

Theory of operation. A run of a group has an entry and a lease of its own. Its members run one
after another, each an ordinary run with the clock of its own start. A member that fails stops the
run of the group. Where its process dies, a schedule lets another one go on: members that are
complete are not run again, and the one that was interrupted begins again with its instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from meterhouse.app.listing import found, take
from meterhouse.app.ports import Ledger, StreamGroups
from meterhouse.app.running import EndedRun, Means, RunInterrupted, RunStopped, run_stream
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError, MeterhouseError, NotFoundError
from meterhouse.streams.group import GroupRun, StreamGroup, check_group
from meterhouse.streams.lifecycle import next_status
from meterhouse.streams.record import Run, RunCause, RunOrigin, RunStatus


class GroupRunFailed(MeterhouseError):
    """A member of the group failed, and those after it were not run."""

    code = "group_run_failed"


@dataclass(frozen=True, slots=True)
class EndedGroupRun:
    """A run of a group that has ended, the runs of its members, and why it failed where it did."""

    run: GroupRun
    members: Sequence[EndedRun] = ()
    error: MeterhouseError | None = None


def create_group(
    ledger: Ledger, name: str, *, streams: list[str], new_id: Callable[[], str], at: Instant
) -> StreamGroup:
    """Make a group of streams, in the order in which they are to run.

    Raises ``DefinitionError``, ``NotFoundError``, and ``ConflictError`` where a stream is in a
    group or has a schedule of its own.
    """
    members = _checked_members(ledger, name, streams)
    group = StreamGroup(new_id(), name, members, at, at)
    ledger.add_group(group)
    return group


def update_group(
    ledger: Ledger,
    reference: str,
    *,
    streams: list[str],
    name: str | None = None,
    at: Instant,
    expected_revision: str | None = None,
) -> StreamGroup:
    """Give a group other streams, or another order, and another name where one is given.

    A run of it that is under way keeps the streams that it began with. Raises as ``create_group``,
    and ``StaleRevision``.
    """
    before = find_group(ledger, reference)
    name = before.name if name is None else name
    members = _checked_members(ledger, name, streams)
    group = replace(before, name=name, members=members, updated_at=at)
    ledger.update_group(group, expected_revision=expected_revision)
    return group


def _checked_members(ledger: Ledger, name: str, streams: list[str]) -> tuple[tuple[str, str], ...]:
    members = [find_stream(ledger, reference) for reference in streams]
    check_group(name, [member.name for member in members])
    return tuple((member.id, member.name) for member in members)


def find_group(groups: StreamGroups, reference: str) -> StreamGroup:
    """Return a group by id or name, in this order."""
    return found(
        groups.group(reference),
        or_raise=lambda: NotFoundError(
            f"There is no group {reference!r}",
            hint="`meterhouse group list` shows those that exist",
        ),
    )


def list_groups(groups: StreamGroups, *, limit: int | None = None) -> Iterator[StreamGroup]:
    """Yield groups in the order in which they were made."""
    return take(groups.groups, limit=limit)


def delete_group(
    groups: StreamGroups, reference: str, *, at: Instant, expected_revision: str | None = None
) -> StreamGroup:
    """Ungroup; returns what it was. Its streams stay; its schedule goes with it."""
    group = find_group(groups, reference)
    groups.delete_group(group.id, at=at, expected_revision=expected_revision)
    return group


def find_group_run(groups: StreamGroups, id: str) -> GroupRun:
    """Return one run of a group."""
    return found(
        groups.group_run(id),
        or_raise=lambda: NotFoundError(
            f"There is no run {id!r} of a group", hint="`meterhouse run list` shows all runs"
        ),
    )


def stop_group(ledger: Ledger, reference: str, *, at: Instant) -> GroupRun:
    """Ask the run of a group that is under way to stop; returns it."""
    group = find_group(ledger, reference)
    held = ledger.running_group_run(group.id)
    if held is None or not ledger.request_group_stop(held[0], at=at):
        raise ConflictError(f"Group {group.name!r} is not running", hint="Nothing is left to stop")
    return find_group_run(ledger, held[0])


def _unwatched(_: GroupRun) -> None:
    return None


def run_group(
    ledger: Ledger,
    reference: str,
    *,
    means: Means,
    new_id: Callable[[], str],
    new_seed: Callable[[], int],
    started_by: str | None = None,
    started: Callable[[GroupRun], None] = _unwatched,
) -> EndedGroupRun:
    """Run the streams of a group, one after another. The first new id is that of the group's run.

    ``started`` is called once the ledger has it. Raises what refuses the run before it
    begins: ``NotFoundError``, ``ConflictError``.
    """
    group = find_group(ledger, reference)
    run = new_group_run(group, new_id(), at=means.clock(), cause=RunCause(started_by=started_by))
    ledger.start_group_run(run, means.lease)
    started(run)
    return carry_out_group(ledger, run, means=means, new_id=new_id, new_seed=new_seed)


def new_group_run(group: StreamGroup, id: str, *, at: Instant, cause: RunCause) -> GroupRun:
    """Return a run of a group that is about to begin."""
    return GroupRun(
        id=id,
        group_id=group.id,
        group_name=group.name,
        members=tuple(member for member, _ in group.members),
        status=RunStatus.RUNNING,
        origin=cause.origin,
        started_at=at,
        started_by=cause.started_by,
        scheduled_for=cause.scheduled_for,
    )


def carry_out_group(
    ledger: Ledger,
    run: GroupRun,
    *,
    means: Means,
    new_id: Callable[[], str],
    new_seed: Callable[[], int],
) -> EndedGroupRun:
    """Do what a run of a group that has been recorded is to do, and end it."""
    members: list[EndedRun] = []
    error: MeterhouseError | None = None
    try:
        for ended in _member_runs(ledger, run, means=means, new_id=new_id, new_seed=new_seed):
            members.append(ended)
            if ended.run.status is not RunStatus.COMPLETE:
                error = _stopped_by(ended)
                break
    except MeterhouseError as refused:
        error = refused
    except KeyboardInterrupt:
        error = RunInterrupted("The run of the group was interrupted")
    except BaseException as fault:
        _end(ledger, run, means, MeterhouseError(f"{type(fault).__name__}: {fault}"))
        raise
    return EndedGroupRun(_end(ledger, run, means, error), members, error)


def _member_runs(
    ledger: Ledger,
    run: GroupRun,
    *,
    means: Means,
    new_id: Callable[[], str],
    new_seed: Callable[[], int],
) -> Iterator[EndedRun]:
    """Run the members that this run of the group has not run to their end yet."""
    before = {member.stream_id: member for member in ledger.runs_of_group_run(run.id)}
    cause = RunCause(RunOrigin.GROUP, run.started_by, run.scheduled_for, run.id)
    for stream_id in run.members:
        earlier = before.get(stream_id)
        if earlier is not None and earlier.status is RunStatus.COMPLETE:
            continue
        if ledger.group_stop_requested(run.id):
            raise RunStopped("stopped by request")
        yield run_stream(
            ledger,
            stream_id,
            means=means,
            run_id=new_id(),
            seed=new_seed() if earlier is None else earlier.seed,
            at=None if earlier is None else _clock_again(ledger, earlier),
            cause=cause,
        )


def _clock_again(ledger: Ledger, earlier: Run) -> Instant | None:
    """Return the clock of an interrupted run, unless a later run has gone past it."""
    runs = ledger.runs(stream_id=earlier.stream_id, status=RunStatus.COMPLETE, limit=1)
    last = next(iter(runs.items), None)
    return earlier.at if last is None or last.at <= earlier.at else None


def _stopped_by(ended: EndedRun) -> MeterhouseError:
    """Say why the run of a group goes no further."""
    if isinstance(ended.error, RunInterrupted | RunStopped):
        return ended.error
    message = f"Stream {ended.run.stream_name!r} failed (run {ended.run.id}): {ended.run.error}"
    return GroupRunFailed(message, hint="Streams after it were not run")


def _end(ledger: Ledger, run: GroupRun, means: Means, error: MeterhouseError | None) -> GroupRun:
    status = next_status(run.status, RunStatus.FAILED if error else RunStatus.COMPLETE)
    text = None if error is None else str(error)
    ended = replace(run, status=status, ended_at=means.clock(), error=text)
    try:
        ledger.end_group_run(ended, means.lease, again=isinstance(error, RunInterrupted))
    except MeterhouseError as second:
        if error is None:
            raise
        error.add_note(f"the run of the group could not be ended either: {second}")
    return ended
