"""The scheduler: what is due is claimed, and what is claimed is carried out.

Theory of operation. ``tick`` looks for schedules of which an instant has come, and claims each in
one transaction of the ledger: the run, its lease and the next instant are written together, or
nothing is. So however many schedulers share a ledger, and whenever one of them is killed, an
instant begins one run. The schedule remembers that run until it has ended; where its process died
first, the next tick begins it again with the same clock.

Instants that passed while nobody looked begin one run, for the latest of them. An instant that
comes while the stream runs is skipped and counted. One that lies before the clock of the stream's
last run fails, because somebody has run the stream on a clock of the future. Nothing here waits,
and nothing reads a clock: the caller ticks, and carries out what it gets wherever it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger
from meterhouse.app.running import EndedRun, Means, carry_out
from meterhouse.app.stream_groups import EndedGroupRun, carry_out_group, new_group_run
from meterhouse.app.stream_ports import Claim, Refusal
from meterhouse.core.instant import Instant
from meterhouse.core.problem import MeterhouseError, NotFoundError
from meterhouse.streams.group import GroupRun
from meterhouse.streams.record import Run, RunCause, RunOrigin, RunStatus, StartedRun
from meterhouse.streams.schedule import Schedule

#: What a tick has begun: a run that holds its lease, or a run of a group that does.
Work = StartedRun | GroupRun


@dataclass(frozen=True, slots=True)
class Ticked:
    """What became of the schedules that were due.

    ``skipped`` run already. ``behind`` are those whose stream has run on a later clock.
    ``failed`` are those that could not be claimed; the next tick tries them again.
    """

    work: Sequence[Work] = field(default=())
    skipped: Sequence[Schedule] = field(default=())
    behind: Sequence[Schedule] = field(default=())
    failed: Sequence[tuple[Schedule, MeterhouseError]] = field(default=())


def tick(
    ledger: Ledger,
    *,
    means: Means,
    new_id: Callable[[], str],
    new_seed: Callable[[], int],
    at: Instant,
) -> Ticked:
    """Claim what is due at an instant. What is returned as work must be carried out."""
    work: list[Work] = []
    refused: dict[Refusal, list[Schedule]] = {refusal: [] for refusal in Refusal}
    failed: list[tuple[Schedule, MeterhouseError]] = []
    for schedule in ledger.due_schedules(at):
        try:
            claimed = _claimed(ledger, schedule, means, new_id, (new_seed, at))
        except MeterhouseError as error:
            # What has been claimed already is held by this process: it must be carried out.
            failed.append((schedule, error))
            continue
        if isinstance(claimed, StartedRun | GroupRun):
            work.append(claimed)
        else:
            refused[claimed].append(schedule)
    return Ticked(work, refused[Refusal.SKIPPED], refused[Refusal.BEHIND], failed)


def _claimed(
    ledger: Ledger,
    schedule: Schedule,
    means: Means,
    new_id: Callable[[], str],
    chance: tuple[Callable[[], int], Instant],
) -> Work | Refusal:
    at = chance[1]
    if not schedule.due(at) and _under_way(ledger, schedule, means):
        return Refusal.BUSY
    if schedule.group_id is None:
        return _claim_stream(ledger, schedule, means, new_id, chance)
    return _claim_group(ledger, schedule, means, new_id, at)


def perform(
    ledger: Ledger,
    work: Work,
    *,
    means: Means,
    new_id: Callable[[], str],
    new_seed: Callable[[], int],
) -> EndedRun | EndedGroupRun:
    """Carry out what a tick has claimed, in the process that claimed it."""
    if isinstance(work, StartedRun):
        return carry_out(ledger, work, means=means)
    return carry_out_group(ledger, work, means=means, new_id=new_id, new_seed=new_seed)


def _claim_stream(
    ledger: Ledger,
    schedule: Schedule,
    means: Means,
    new_id: Callable[[], str],
    chance: tuple[Callable[[], int], Instant],
) -> StartedRun | Refusal:
    new_seed, at = chance
    stream = ledger.stream(_target(schedule))
    killed = None if schedule.claimed is None else ledger.run(schedule.claimed)
    if stream is None or (killed is None and not schedule.due(at)):
        return Refusal.LOST
    claim = _claim(schedule, at, again=killed is not None)
    scheduled_for = claim.occurrence if killed is None else killed.cause.scheduled_for
    run = Run(
        id=new_id(),
        stream_id=stream.id,
        stream_name=stream.name,
        status=RunStatus.RUNNING,
        at=at if killed is None else killed.at,
        seed=new_seed() if killed is None else killed.seed,
        started_at=means.clock(),
        cause=RunCause(RunOrigin.SCHEDULE, scheduled_for=scheduled_for),
    )
    return ledger.claim_run(claim, run, means.lease)


def _claim_group(
    ledger: Ledger,
    schedule: Schedule,
    means: Means,
    new_id: Callable[[], str],
    at: Instant,
) -> GroupRun | Refusal:
    group = ledger.group(_target(schedule))
    killed = None if schedule.claimed is None else ledger.group_run(schedule.claimed)
    if group is None or (killed is None and not schedule.due(at)):
        return Refusal.LOST
    claim = _claim(schedule, at, again=killed is not None)
    if killed is not None:
        return ledger.claim_group_run(claim, _going_on(killed), means.lease)
    cause = RunCause(RunOrigin.SCHEDULE, scheduled_for=claim.occurrence)
    run = new_group_run(group, new_id(), at=means.clock(), cause=cause)
    return ledger.claim_group_run(claim, run, means.lease)


def _going_on(killed: GroupRun) -> GroupRun:
    """Return a run of a group as it is when it goes on."""
    return replace(killed, status=RunStatus.RUNNING, ended_at=None, error=None)


def _claim(schedule: Schedule, at: Instant, *, again: bool) -> Claim:
    rule = schedule.rule
    following = rule.next_after(at)
    if again:
        return Claim(schedule, at, following, again=True)
    assert schedule.next_at is not None, "what is due has an instant"
    return Claim(schedule, at, following, rule.latest_until(at, since=schedule.next_at))


def _under_way(ledger: Ledger, schedule: Schedule, means: Means) -> bool:
    """Whether the run that was claimed is still held by a process that lives."""
    if schedule.group_id is None:
        lease = ledger.lease_of(_target(schedule))
    else:
        held = ledger.running_group_run(schedule.group_id)
        lease = None if held is None else held[1]
    if lease is None:
        return False
    return lease.host != means.lease.host or lease.process in means.living()


def _target(schedule: Schedule) -> str:
    target = schedule.stream_id or schedule.group_id
    return found(target, or_raise=lambda: NotFoundError(f"schedule {schedule.id} has no target"))
