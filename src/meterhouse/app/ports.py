"""What the use cases ask of the ledger. ``store`` implements it; SQL is known only there.

Every method is one short transaction of its own. Lists are in order of creation and page by
``limit`` and ``after`` (the ``cursor`` of the last item of the page before, opaque text).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from meterhouse.app.access_ports import (
    Activities,
    Applications,
    SealedValues,
    Secrets,
    SigningKeys,
)
from meterhouse.app.access_ports import Sealer as Sealer
from meterhouse.app.access_ports import TokenAuthority as TokenAuthority
from meterhouse.app.billing.archive_ports import InvoiceHistory
from meterhouse.app.billing.ports import Billing
from meterhouse.app.billing.price_book_ports import PriceBooks
from meterhouse.app.correction_ports import Corrections
from meterhouse.app.datasets.ports import Datasets
from meterhouse.app.diagnosis import Health
from meterhouse.app.forward_ports import Forwards
from meterhouse.app.idempotency import KeyedRequests
from meterhouse.app.page import Page
from meterhouse.app.stream_ports import (
    ALL_STREAMS,
    NotificationGroups,
    Schedules,
    Sessions,
    StreamEdit,
    StreamFilter,
    StreamGroups,
    StreamVersions,
    UsageAudit,
)
from meterhouse.app.table_ports import Tables
from meterhouse.app.usage_ports import Usage
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.meter import MeterPatch, NewMeter
from meterhouse.core.meter_type import MeterType
from meterhouse.engine.bucket import Bucket
from meterhouse.streams.ports import RunSnapshot
from meterhouse.streams.record import (
    InputPosition,
    OutboxEntry,
    Run,
    RunOrigin,
    RunResult,
    RunStatus,
    StartedRun,
    StreamDefinition,
)
from meterhouse.streams.storage import LOCAL, Storage
from meterhouse.streams.version import VersionNote


@dataclass(frozen=True, slots=True)
class Lease:
    """Who runs a stream: a process on a host, told apart from a later one of the same number."""

    host: str
    process: str


class ActivityLog(Protocol):
    """Writes down what somebody did."""

    def __call__(
        self,
        *,
        at: Instant,
        actor: str,
        action: str,
        kind: str,
        object_id: str,
        detail: Mapping[str, JsonValue],
    ) -> None:
        """Write one line."""
        ...


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A metered record in the ledger. ``text`` is the JSON object exactly as it left."""

    kind: str
    #: none while an adjustment of single usage waits for the next run to take it downstream
    run_id: str | None
    node_id: str
    text: str


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """An outbox row that has not been delivered."""

    id: int
    run_id: str
    entry: OutboxEntry
    attempts: int
    #: when it was last tried, and what was wrong then
    attempted_at: Instant | None = None
    error: str | None = None
    #: of an output that is forwarded: how many of its records are done, when the next try is
    done: int = 0
    next_attempt_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class PositionEntry:
    """A position in the ledger, and the run that wrote it."""

    position: InputPosition
    run_id: str


class LedgerSnapshot(RunSnapshot, Protocol):
    """A snapshot of the ledger; it stays as it is until it is closed."""

    def close(self) -> None:
        """End the snapshot."""
        ...


class Delivery(Protocol):
    """Brings committed outputs to where they belong."""

    def alone(self) -> AbstractContextManager[bool]:
        """Keep other processes from delivering; ``False`` where one does and does not end."""
        ...

    def spooled(self) -> Collection[str]:
        """Return the names of all spooled outputs, finished or not."""
        ...

    def sweep(
        self, spooled: Collection[str], *, known: Collection[str], live_runs: Collection[str]
    ) -> None:
        """Remove spooled outputs, except the known ones and those of live runs."""
        ...

    def deliver(self, spool_name: str, destination: str, *, storage: Storage = LOCAL) -> Path | str:
        """Deliver and return the path or URI; a second time does no harm. Raises ``OutputError``.

        The spooled output stays: it goes (``sweep``) once the ledger knows that it was delivered.
        """
        ...


@dataclass(frozen=True, slots=True)
class MeterCounts:
    """How many meter types, categories and meters there are."""

    meter_types: int
    categories: int
    meters: int


@dataclass(frozen=True, slots=True)
class MeterTypeUse:
    """A stream with a meter key that has meters of a meter type, and how many."""

    stream_id: str
    stream_name: str
    meter_key: str
    meters: int


class MeterTypes(Protocol):
    """The catalogue of meter types."""

    def add_meter_types(self, meter_types: Sequence[MeterType]) -> None:
        """Add all or none; ``ConflictError`` where a name or external reference is taken."""
        ...

    def meter_type(self, reference: str) -> MeterType | None:
        """Find one by id, external reference or name, in this order."""
        ...

    def meter_types(
        self, *, name: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[tuple[MeterType, int]]:
        """List meter types with their numbers of meters."""
        ...

    def update_meter_type(self, id: str, change: Callable[[MeterType], MeterType]) -> MeterType:
        """Replace a definition by what ``change`` makes of it, in one transaction; returns that.

        ``ConflictError`` as above, or where aggregation changes while meters exist. Existing
        meters keep what they inherited, except category, reset schedule and time zone, which are
        looked up anew.
        """
        ...

    def delete_meter_type(self, id: str) -> None:
        """Delete; ``ConflictError`` while meters of it exist."""
        ...


class Meters(Protocol):
    """The meters."""

    def add_meters(self, meters: Sequence[tuple[str, NewMeter]], *, at: Instant) -> list[str]:
        """Create all or none, each with the given id, and start its first period at ``at``.

        Returns the ids. ``DefinitionError`` lists every unknown meter type; ``ConflictError`` names
        a duplicate of (meter key, meter type, user). Fast for 100,000 at once.
        """
        ...

    def add_each_meter(self, meters: Sequence[tuple[str, NewMeter]], *, at: Instant) -> list[bool]:
        """Create those that are new, in one transaction; says of each whether it was.

        ``DefinitionError`` as above, and then none is created.
        """
        ...

    def meter(self, id: str) -> Bucket | None:
        """Return a meter with its current state."""
        ...

    def meters(
        self,
        *,
        meter_key: str | None = None,
        meter_type_id: str | None = None,
        user_id: str | None = None,
        user_prefix: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Bucket]:
        """List meters with their current states.

        ``user_prefix`` means all users whose id begins so, and sorts by user. Whatever is given
        (but a type beside a user), a page is read by an index.
        """
        ...

    def meter_counts(self, meter_key: str | None = None) -> MeterCounts:
        """Count the meter types in use, their categories and the meters of a meter key.

        Without a key: all meter types, in use or not, their categories and all meters. The counts
        are kept as meters come and go; this is fast.
        """
        ...

    def uses_of_meter_type(self, id: str) -> Sequence[MeterTypeUse]:
        """Return the streams whose meter keys have meters of a type."""
        ...

    def meters_with_key(self, meter_key: str) -> int:
        """Return how many meters a meter key has."""
        ...

    def update_meter(self, id: str, patch: MeterPatch, *, at: Instant) -> None:
        """Apply a patch; ``NotFoundError``, ``DefinitionError``."""
        ...

    def delete_meter(self, id: str) -> None:
        """Delete; ``ConflictError`` while a running stream uses it, ``NotFoundError``."""
        ...


class Streams(Protocol):
    """The stored streams."""

    def add_stream(self, stream: StreamDefinition, *, note: VersionNote | None = None) -> None:
        """Add, with a version where it gets a tag; ``ConflictError`` where the name is taken."""
        ...

    def stream(self, reference: str) -> StreamDefinition | None:
        """Find one by id or name, in this order."""
        ...

    def streams(
        self,
        wanted: StreamFilter = ALL_STREAMS,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[StreamDefinition]:
        """List streams, those that all of what is given holds for."""
        ...

    def stream_of_meter_key(self, meter_key: str) -> StreamDefinition | None:
        """Find the stream whose meter node has that key."""
        ...

    def has_meter_key(self, meter_key: str) -> bool:
        """Whether a stream has a meter node with that key."""
        ...

    def update_stream(
        self,
        id: str,
        change: Callable[[StreamDefinition], StreamDefinition],
        *,
        edit: StreamEdit,
    ) -> StreamDefinition:
        """Replace a stream by what ``change`` makes of it, in one transaction; returns that.

        ``StaleRevision`` where its revision is another than expected; ``ConflictError`` where
        the new name is taken, or a node would go that has meters, keys or suspended records;
        while the stream runs, that cannot be allowed either.
        """
        ...

    def delete_stream(self, id: str, *, edit: StreamEdit) -> None:
        """Delete; ``ConflictError`` while it runs, is in a group or has records in Data Correction.

        So, too, where its meters would belong to no stream, unless the removal is allowed.
        ``StaleRevision`` where its revision is another than expected.
        """
        ...


class Runs(Protocol):
    """Runs, their leases and what they commit."""

    def start_run(self, run: Run, lease: Lease, *, alive: frozenset[str]) -> StartedRun:
        """Record a run and take the stream's lease, in a transaction of its own.

        A lease of another host, or of a process of this host that is in ``alive``, is in force:
        ``ConflictError``. Otherwise its run is marked failed ("interrupted") and it is taken over.
        ``at`` before the ``at`` of the stream's last complete run: ``ConflictError``.
        """
        ...

    def lease_of(self, stream_id: str) -> Lease | None:
        """Return the lease in force."""
        ...

    def snapshot(self, stream_id: str | None) -> LedgerSnapshot:
        """Open the snapshot that a run computes from; a preview of no stream has ``None``."""
        ...

    def commit_run(self, run: Run, result: RunResult) -> None:
        """Write everything in one transaction, end the run as complete, give back the lease.

        ``ConflictError`` where the lease was lost meanwhile: then nothing is written.
        """
        ...

    def fail_run(
        self, run: Run, result: RunResult | None, *, again: bool = False, code: str = ...
    ) -> None:
        """End the run as failed with its error and node counts; give back the lease.

        ``again``: where a schedule began it, the schedule begins it again. ``code`` is that of the
        error: all that notification groups are told of it.

        ``result`` is given where the error limit was the reason: its suspended records are kept,
        bound to the run; the next run that reads them again (stream, source, offset) replaces
        them.
        """
        ...

    def end_dead_runs(self, *, at: Instant, beside: str = "") -> int:
        """End the runs of this host that their processes did not live to end; returns how many.

        They fail ("interrupted") and give back their leases; what a schedule began, stays claimed.
        ``beside`` is a process that lives: nobody need look whether it does.
        """
        ...

    def run(self, id: str) -> Run | None:
        """Return one run."""
        ...

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
        ...

    def runs_of_group_run(self, id: str) -> list[Run]:
        """Return the runs of the members of a group run, in the order in which they began."""
        ...

    def request_stop(self, id: str, *, at: Instant) -> bool:
        """Ask a run to stop; ``False`` where it is not running."""
        ...

    def stop_requested(self, id: str) -> bool:
        """Whether a run has been asked to stop."""
        ...

    def run_log(self, id: str) -> list[tuple[str, str, str]]:
        """Return the log lines of a run: node id, level, text."""
        ...

    def run_log_page(
        self, id: str, *, limit: int = 100, after: str | None = None
    ) -> Page[tuple[str, str, str]]:
        """Return some of the same lines."""
        ...


class Positions(Protocol):
    """How far reader nodes have read what has no files."""

    def positions(self, stream_id: str, *, node_id: str | None = None) -> Sequence[PositionEntry]:
        """Return the positions of a stream, by node and part."""
        ...

    def reset_positions(
        self, stream_id: str, *, node_id: str, part: str | None = None
    ) -> Sequence[str]:
        """Forget positions of a node; returns the parts. ``ConflictError`` while it runs."""
        ...

    def settle_positions(self, run: Run, positions: Sequence[InputPosition]) -> None:
        """Replace positions that a run has committed, where nobody has replaced them since."""
        ...


class Records(Protocol):
    """Metered records."""

    def records(
        self,
        *,
        kind: str | None = None,
        run_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[RecordEntry]:
        """List metered records in the order in which they left."""
        ...


class Outbox(Protocol):
    """Outputs that are committed and not yet delivered."""

    def pending(self) -> Sequence[PendingDelivery]:
        """Return what is to be delivered, oldest first."""
        ...

    def delivered(self, id: int, *, at: Instant) -> None:
        """Mark as delivered."""
        ...

    def failed(self, id: int, error: str, *, at: Instant) -> None:
        """Note a failed attempt; it stays pending."""
        ...

    def drop(self, id: int) -> None:
        """Forget one that is pending; another id changes nothing."""
        ...

    def purge_delivered(self, *, before: Instant, limit: int) -> int:
        """Forget what was delivered before an instant; returns how many, up to ``limit``.

        Fewer do not mean that there are no more, if the oldest ones were delivered late.
        """
        ...


IdKind = Literal["run", "meter", "meter_type", "meter_key"]


class Ids(Protocol):
    """Ids as people type them."""

    def ids_beginning(self, prefix: str, *, kind: IdKind) -> Sequence[str]:
        """Return ids that begin so, two at most: a second one says that there are several."""
        ...


class Ledger(
    MeterTypes,
    Meters,
    Streams,
    StreamVersions,
    StreamGroups,
    NotificationGroups,
    Tables,
    Schedules,
    Runs,
    Positions,
    Sessions,
    UsageAudit,
    Usage,
    Records,
    Corrections,
    Outbox,
    Forwards,
    Ids,
    SealedValues,
    Secrets,
    Applications,
    SigningKeys,
    Billing,
    Activities,
    KeyedRequests,
    InvoiceHistory,
    Health,
    PriceBooks,
    Datasets,
    Protocol,
):
    """The whole ledger."""

    def close(self) -> None:
        """Close its connections."""
        ...
