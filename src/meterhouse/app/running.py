"""Running a stream: lease, execution, one commit, then the deliveries.

Theory of operation. The run's entry and its lease are committed first, alone. The run computes
from a snapshot, and everything it leaves is committed at once at the end; only then are outputs
delivered from the outbox. Whatever happens in between, the run ends as failed and the ledger is as
it was; a process that is killed leaves a lease that the next run takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from meterhouse.app.delivering import DELIVERED_DAYS, purge_delivered
from meterhouse.app.forward_ports import Tally
from meterhouse.app.forwarding import ForwardMeans, forward_due
from meterhouse.app.listing import found, take
from meterhouse.app.ports import Delivery, Lease, Ledger, Outbox, Page, PendingDelivery, Runs
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError, MeterhouseError, NotFoundError
from meterhouse.streams.graph import StreamGraph, load_graph
from meterhouse.streams.lifecycle import next_status
from meterhouse.streams.notice import KINDS as NOTICE_KINDS
from meterhouse.streams.record import (
    BY_HAND,
    OutboxEntry,
    Run,
    RunCause,
    RunOrigin,
    RunResult,
    RunStatus,
    StartedRun,
    StreamDefinition,
)
from meterhouse.streams.run import execute
from meterhouse.streams.storage import is_remote
from meterhouse.streams.suspension import SuspenseLimitReached
from meterhouse.streams.world import Progress, RunFacts, Services

#: A run of many small files looks this seldom whether it is to stop: a look is a query.
_REPORTS_PER_LOOK = 32


class RunInterrupted(MeterhouseError):
    """Somebody stopped the run."""

    code = "run_interrupted"


class RunStopped(MeterhouseError):
    """Somebody asked the run to stop, and it did."""

    code = "run_stopped"


class DeliveryFailed(MeterhouseError):
    """The run is complete, but an output of it has not reached its destination yet."""

    code = "delivery_failed"


@dataclass(frozen=True, slots=True)
class Means:
    """What running a stream needs from the world, beside the ledger.

    Relative destinations of file writers start from ``directory``. ``living`` names all processes
    of this host that live now.
    """

    services: Services
    delivery: Delivery
    lease: Lease
    living: Callable[[], frozenset[str]]
    clock: Callable[[], Instant]
    directory: Path
    #: delivers records that leave one after another; ``None`` where somebody else does
    forwarding: ForwardMeans | None = None
    #: for so many days the ledger remembers what was delivered
    delivered_days: int = DELIVERED_DAYS


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An output that could not be delivered; it stays in the outbox."""

    pending: PendingDelivery
    error: MeterhouseError


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, what was delivered after it, and why it failed where it did."""

    run: Run
    delivered: Sequence[Path | str] = ()
    undelivered: Sequence[Undelivered] = ()
    error: MeterhouseError | None = None
    forwarded: Tally = field(default_factory=Tally)


def unwatched(_: Run) -> None:
    """Nobody waits for a run to begin."""


def run_stream(
    ledger: Ledger,
    reference: str,
    *,
    means: Means,
    run_id: str,
    seed: int,
    at: Instant | None,
    take_over: bool = False,
    cause: RunCause = BY_HAND,
    started: Callable[[Run], None] = unwatched,
) -> EndedRun:
    """Run a stream once. ``at`` is the run's clock: now, unless given.

    ``take_over`` ends a run of another host first: nobody here can see that it is dead.
    ``cause`` is kept with the run: who or what began it. A run of Data Correction takes what is
    queued there and reads no input.
    ``started`` is called once the ledger has the run.
    Raises what refuses the run before it begins (``NotFoundError``, ``DefinitionError``, and
    ``ConflictError`` where it is running already or ``at`` lies before its last run).
    """
    stream = find_stream(ledger, reference)
    started_at = means.clock()
    instant = started_at if at is None else at
    run = Run(run_id, stream.id, stream.name, RunStatus.RUNNING, instant, seed, started_at)
    killed = _unfinished(ledger, stream.id)
    if take_over and killed is not None:
        _end_elsewhere(ledger, killed, means)
    begun = _start(ledger, replace(run, cause=cause), means)
    return carry_out(ledger, begun, means=means, started=started)


def carry_out(
    ledger: Ledger,
    begun: StartedRun,
    *,
    means: Means,
    started: Callable[[Run], None] = unwatched,
) -> EndedRun:
    """Do what a run that has been recorded is to do, and end it."""
    run, stream = begun.run, begun.stream
    means, refuse_stopped = _stoppable(ledger, run, means)
    spooled: list[str] = []
    result = RunResult()
    try:
        started(run)
        _sweep(ledger, means.delivery)
        graph = load_graph(stream.document)
        correction = run.cause.origin is RunOrigin.CORRECTION
        facts = RunFacts(run.id, run.at, run.seed, stream.meter_keys, correction=correction)
        result = _execute(ledger, graph, facts, stream=stream, means=means)
        spooled += [entry.spool for entry in result.outbox]
        refuse_stopped()
        complete = _ended(run, RunStatus.COMPLETE, means, nodes=result.nodes)
        ledger.commit_run(complete, result)
    except BaseException as error:
        # It may have come just after the commit: the ledger knows.
        stored = _stored(ledger, run)
        if stored is None or stored.status is not RunStatus.COMPLETE:
            _release(result)
            # What is not known to be undone stays in the spool for a later sweep.
            return _undo(ledger, run, means, error, [] if stored is None else spooled)
        complete = stored
    try:
        return _deliver_after(ledger, complete, means, result)
    finally:
        _release(result)


def _stoppable(ledger: Ledger, run: Run, means: Means) -> tuple[Means, Callable[[], None]]:
    """Let a run see whether it is asked to stop: before each chunk, and while small files come."""
    services = means.services
    reports = count(1)

    def refuse_stopped() -> None:
        services.checkpoint()
        if ledger.stop_requested(run.id):
            raise RunStopped("stopped by request")

    def progress(progress: Progress) -> None:
        services.progress(progress)
        if next(reports) % _REPORTS_PER_LOOK == 0:
            refuse_stopped()

    watched = replace(services, progress=progress, checkpoint=refuse_stopped)
    return replace(means, services=watched), refuse_stopped


def _start(ledger: Ledger, run: Run, means: Means) -> StartedRun:
    try:
        return ledger.start_run(run, means.lease, alive=means.living())
    except ConflictError as error:
        lease = ledger.lease_of(run.stream_id)
        if lease is None or lease.host == means.lease.host:
            raise
        hint = f"Wait for its end; if {lease.host} is gone for good, use --take-over"
        raise ConflictError(error.args[0], hint=hint) from error


def _end_elsewhere(ledger: Ledger, run: Run, means: Means) -> None:
    """End a run of another host. Should it live after all, it can commit nothing any more."""
    lease = ledger.lease_of(run.stream_id)
    if lease is not None and lease.host != means.lease.host:
        error = f"taken over from process {lease.process} on {lease.host}"
        ended = _ended(run, RunStatus.FAILED, means, error=error)
        ledger.fail_run(ended, None, code=RunInterrupted.code)


def _execute(
    ledger: Ledger, graph: StreamGraph, facts: RunFacts, *, stream: StreamDefinition, means: Means
) -> RunResult:
    with closing(ledger.snapshot(stream.id)) as snapshot:
        result = execute(graph, facts, snapshot=snapshot, services=means.services)
    result.outbox = [_absolute(entry, means.directory) for entry in result.outbox]
    return result


def _absolute(entry: OutboxEntry, directory: Path) -> OutboxEntry:
    # A later run delivers what this one cannot, and may have another working directory.
    remote = is_remote(entry.destination)
    if entry.forward is not None or remote or entry.destination.startswith("~/"):
        return entry
    return replace(entry, destination=str(directory / entry.destination))


def _unfinished(runs: Runs, stream_id: str) -> Run | None:
    """Return the last run of a stream where it has not ended."""
    last = next(iter(runs.runs(stream_id=stream_id, limit=1).items), None)
    return last if last is not None and last.status is RunStatus.RUNNING else None


def _sweep(ledger: Ledger, delivery: Delivery) -> None:
    """Remove what runs left in the spool that never committed."""
    # In this order, a run that begins or commits meanwhile loses nothing.
    spooled = delivery.spooled()
    if not spooled:
        return
    streams = take(ledger.streams, limit=None)
    running = [_unfinished(ledger, stream.id) for stream in streams]
    live = {run.id for run in running if run is not None}
    known = {pending.entry.spool for pending in ledger.pending()}
    try:
        delivery.sweep(spooled, known=known, live_runs=live)
    except MeterhouseError:
        pass  # It is in nobody's way, and each run tries again.


def _stored(ledger: Ledger, run: Run) -> Run | None:
    """Return a run as the ledger has it, where the ledger can be asked."""
    try:
        return ledger.run(run.id)
    except MeterhouseError:
        return None


def _undo(
    ledger: Ledger, run: Run, means: Means, error: BaseException, spooled: Sequence[str]
) -> EndedRun:
    """End a run of which nothing was committed; a fault of ours shows itself."""
    try:
        means.delivery.sweep(spooled, known=(), live_runs=())
    except MeterhouseError as second:
        error.add_note(f"an output of the run could not be removed: {second}")
    if isinstance(error, MeterhouseError):
        return _fail(ledger, run, means, error)
    if isinstance(error, KeyboardInterrupt):
        hint = "Run the stream again: it starts from where the last complete run ended"
        stopped = RunInterrupted("The run was interrupted; nothing of it was kept", hint=hint)
        return _fail(ledger, run, means, stopped)
    ours = MeterhouseError(f"{type(error).__name__}: {error}", code="internal_error")
    _fail(ledger, run, means, ours)
    raise error


def _ended(
    run: Run, status: RunStatus, means: Means, *, error: str | None = None, nodes: Sequence = ()
) -> Run:
    status = next_status(run.status, status)
    return replace(run, status=status, ended_at=means.clock(), error=error, nodes=tuple(nodes))


def _fail(ledger: Ledger, run: Run, means: Means, error: MeterhouseError) -> EndedRun:
    """End a run as failed; records suspended up to an error limit are kept."""
    failed = _ended(run, RunStatus.FAILED, means, error=str(error))
    kept = None
    if isinstance(error, SuspenseLimitReached):
        kept = RunResult(suspended=list(error.suspended), log=list(error.log), nodes=error.nodes)
        failed = replace(failed, nodes=error.nodes)
    try:
        # What was interrupted is nobody's wish: a schedule begins it again.
        interrupted = isinstance(error, RunInterrupted)
        ledger.fail_run(failed, kept, again=interrupted, code=error.code)
        if not interrupted:
            _send_notices(ledger, means, error)
    except MeterhouseError as second:
        # The ledger cannot be written, most likely for the same reason. Its lease dies with this
        # process, and the next run takes over.
        error.add_note(f"the run could not be marked as failed either: {second}")
    return EndedRun(failed, error=error)


def _tell_committed(ledger: Ledger, complete: Run, means: Means, result: RunResult) -> None:
    """Tell the world outside. Where that fails, it hands out again what the ledger has."""
    for tell in result.after_commit:
        try:
            if settled := tell():
                ledger.settle_positions(complete, settled)
        except Exception as error:
            text = f"the run is complete, but after it this went wrong: {error}"
            means.services.log(complete.stream_name, "warning", text)


def _release(result: RunResult) -> None:
    """Let go of what was held for the time after the commit."""
    for release in result.releases:
        try:
            release()
        except Exception:  # noqa: S112 (whatever it is, the process lets go of it at its end)
            continue


def _deliver_after(ledger: Ledger, complete: Run, means: Means, result: RunResult) -> EndedRun:
    """Tell and deliver after a run. It is complete, whatever happens here."""
    hint = "The next run delivers what is missing, and nothing is counted twice"
    try:
        _tell_committed(ledger, complete, means, result)
        delivered, undelivered = deliver(ledger, delivery=means.delivery, clock=means.clock)
        forwarded, waiting = _forward_after(ledger, complete, means)
        purge_delivered(ledger, at=means.clock(), days=means.delivered_days)
    except MeterhouseError as error:
        message = f"The run is complete, but its output could not be delivered: {error.args[0]}"
        return EndedRun(complete, error=DeliveryFailed(message, hint=error.hint or hint))
    except KeyboardInterrupt:
        message = "The run is complete, but the delivery of its output was interrupted"
        return EndedRun(complete, error=DeliveryFailed(message, hint=hint))
    error = _delivery_error(complete, [*undelivered, *waiting])
    return EndedRun(complete, delivered, undelivered, error, forwarded)


def _forward_after(
    ledger: Ledger, complete: Run, means: Means
) -> tuple[Tally, Sequence[Undelivered]]:
    """Forward what is due; returns what of the run's own output has to wait, and why."""
    if means.forwarding is None:
        return Tally(), ()
    tally = forward_due(ledger, means.forwarding)
    waiting = []
    for item in ledger.pending():
        forward = item.entry.forward
        reason = tally.held.get(item.id) or item.error
        if item.run_id != complete.id or forward is None or reason is None:
            continue
        if forward.kind in NOTICE_KINDS:
            text = f"a message of the {forward.node} waits: {reason}"
            means.services.log(complete.stream_name, "warning", text)
        else:
            waiting.append(Undelivered(item, _waits(item, reason)))
    return tally, waiting


def _send_notices(ledger: Ledger, means: Means, error: MeterhouseError) -> None:
    """Forward what is due after a run that failed: the messages about it, above all."""
    if means.forwarding is None:
        return
    try:
        forward_due(ledger, means.forwarding)
    except (MeterhouseError, KeyboardInterrupt) as second:
        error.add_note(f"what waits for delivery could not be sent: {second}")


def _waits(pending: PendingDelivery, reason: str) -> MeterhouseError:
    left = pending.entry.records - pending.done
    return DeliveryFailed(f"{left:,} records wait: {reason}")


def deliver(
    outbox: Outbox, *, delivery: Delivery, clock: Callable[[], Instant]
) -> tuple[list[Path | str], list[Undelivered]]:
    """Deliver files that are committed and waiting, oldest first, of all runs; what fails stays.

    One process at a time delivers; where another one does, what is waiting is left to it.
    """
    if not _files(outbox):
        return [], []
    delivered: list[Path | str] = []
    undelivered: list[Undelivered] = []
    seen: set[int] = set()
    with delivery.alone() as ours:
        # What others commit meanwhile, they may leave to this process.
        while waiting := [item for item in _files(outbox) if item.id not in seen]:
            if not ours:
                busy = DeliveryFailed("another process is delivering, and this is left to it")
                return [], [Undelivered(item, busy) for item in waiting]
            for pending in waiting:
                seen.add(pending.id)
                _deliver_one(pending, outbox, delivery, clock, (delivered, undelivered))
    return delivered, undelivered


def _files(outbox: Outbox) -> Sequence[PendingDelivery]:
    return [pending for pending in outbox.pending() if pending.entry.forward is None]


def _deliver_one(
    pending: PendingDelivery,
    outbox: Outbox,
    delivery: Delivery,
    clock: Callable[[], Instant],
    ended: tuple[list[Path | str], list[Undelivered]],
) -> None:
    delivered, undelivered = ended
    try:
        entry = pending.entry
        path = delivery.deliver(entry.spool, entry.destination, storage=entry.storage)
    except MeterhouseError as error:
        if all(item.id != pending.id for item in outbox.pending()):
            return  # Another process has delivered it meanwhile.
        try:
            outbox.failed(pending.id, str(error), at=clock())
        except MeterhouseError as second:
            error.add_note(f"this could not be noted in the ledger: {second}")
        undelivered.append(Undelivered(pending, error))
        return
    delivered.append(path)
    try:
        outbox.delivered(pending.id, at=clock())
    except MeterhouseError:
        return  # It is there. The next run finds it there, and notes it then.
    try:
        # Not before: with the spool gone and nothing noted, a destination that somebody has moved
        # on meanwhile would look like an output that is lost.
        delivery.sweep([pending.entry.spool], known=(), live_runs=())
    except MeterhouseError:
        pass  # The sweep of the next run removes it.


def _delivery_error(run: Run, undelivered: Sequence[Undelivered]) -> MeterhouseError | None:
    """What of this run's own output could not be delivered."""
    own = [item for item in undelivered if item.pending.run_id == run.id]
    if not own:
        return None
    reasons = "; ".join(str(item.error) for item in own)
    hint = "Mend the cause; the next run delivers it, and nothing is counted twice"
    return DeliveryFailed(
        f"The run is complete, but not all of its output was delivered: {reasons}", hint=hint
    )


def find_run(runs: Runs, id: str) -> Run:
    """Return one run."""
    return found(
        runs.run(id),
        or_raise=lambda: NotFoundError(
            f"There is no run {id!r}", hint="`meterhouse run list` shows all runs"
        ),
    )


def list_runs(
    ledger: Ledger,
    *,
    stream: str | None = None,
    status: RunStatus | None = None,
    origin: RunOrigin | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    limit: int | None = None,
) -> Iterator[Run]:
    """Yield runs, newest first, of one stream, in one state or of one origin where given.

    ``since`` and ``until`` (exclusive) are of their start.
    """
    stream_id = None if stream is None else find_stream(ledger, stream).id

    def page_of(*, limit: int, after: str | None) -> Page[Run]:
        return ledger.runs(
            stream_id=stream_id,
            status=status,
            origin=origin,
            since=since,
            until=until,
            limit=limit,
            after=after,
        )

    return take(page_of, limit=limit)
