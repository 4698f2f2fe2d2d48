"""What the use cases of versions, groups, schedules and the usage audit ask of the ledger.

Like ``ports``, of which this is the part about when and in which version streams run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from meterhouse.core.instant import Instant
from meterhouse.streams.group import GroupRun, StreamGroup
from meterhouse.streams.notification import NotificationGroup
from meterhouse.streams.record import AggregateSession, Run, StartedRun
from meterhouse.streams.schedule import Schedule
from meterhouse.streams.usage_audit import AuditEntry
from meterhouse.streams.version import StreamVersion, VersionNote

if TYPE_CHECKING:
    from meterhouse.app.ports import Lease, Page


@dataclass(frozen=True, slots=True)
class StreamEdit:
    """How a stream is to be changed, beside what it becomes.

    ``expected_revision`` is what the caller has seen; ``keep_as`` is the id of the version that
    keeps the stream as it was, ``None`` where none is wanted.
    """

    at: Instant
    by: str | None = None
    expected_revision: str | None = None
    allow_node_removal: bool = False
    keep_as: str | None = None
    description: str = ""
    #: the tag that what it becomes is to be kept under
    note: VersionNote | None = None


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which streams are meant. ``name`` stands somewhere in theirs, in capitals or not.

    ``meter_key`` is one of their meter nodes', ``secret_id`` what one of their nodes uses.
    """

    name: str | None = None
    meter_key: str | None = None
    secret_id: str | None = None


ALL_STREAMS = StreamFilter()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a scheduler claims: a schedule as it saw it, and what that becomes.

    ``occurrence`` is the instant that has come, ``following`` the next one of the rule after
    ``at``. ``again``: begin anew what was claimed before and was killed.
    """

    schedule: Schedule
    at: Instant
    following: Instant | None = None
    occurrence: Instant | None = None
    again: bool = False


class Refusal(Enum):
    """Why a claim began nothing."""

    #: somebody else was faster
    LOST = auto()
    #: a run is under way, and the instant that has come is ignored
    SKIPPED = auto()
    #: the run that was claimed is under way
    BUSY = auto()
    #: the stream's last run has a later clock; a failed run says so
    BEHIND = auto()


class StreamVersions(Protocol):
    """The versions of streams."""

    def add_version(self, version: StreamVersion) -> None:
        """Add one with a tag; ``ConflictError`` where the stream has used the tag before."""
        ...

    def version(self, stream_id: str, reference: str) -> StreamVersion | None:
        """Find a version of a stream by tag or id."""
        ...

    def versions(
        self, *, stream_id: str, limit: int = 100, after: str | None = None
    ) -> Page[StreamVersion]:
        """List the versions of a stream, newest first."""
        ...


class NotificationGroups(Protocol):
    """Who is told of what happens to streams. Telling is part of what ends a run."""

    def add_notification_group(self, group: NotificationGroup) -> None:
        """Add; ``ConflictError``, ``NotFoundError`` of a stream or a secret that is gone."""
        ...

    def update_notification_group(
        self, group: NotificationGroup, *, expected_revision: str | None = None
    ) -> None:
        """Replace; as ``add_notification_group``, and ``StaleRevision``."""
        ...

    def notification_group(self, reference: str) -> NotificationGroup | None:
        """Find one by id or name."""
        ...

    def notification_groups(
        self, *, limit: int = 100, after: str | None = None
    ) -> Page[NotificationGroup]:
        """List groups."""
        ...

    def delete_notification_group(self, id: str, *, expected_revision: str | None = None) -> None:
        """Delete; what is on its way is delivered all the same."""
        ...

    def note_notification_test(self, group: NotificationGroup) -> None:
        """Write down that somebody tries a group out."""
        ...


class StreamGroups(Protocol):
    """Stream groups and their runs."""

    def add_group(self, group: StreamGroup) -> None:
        """Add; ``ConflictError`` where a name is taken or a stream cannot join."""
        ...

    def update_group(self, group: StreamGroup, *, expected_revision: str | None = None) -> None:
        """Give a group another name and other members; as ``add_group``, and ``StaleRevision``."""
        ...

    def group(self, reference: str) -> StreamGroup | None:
        """Find one by id or name, in this order."""
        ...

    def groups(self, *, limit: int = 100, after: str | None = None) -> Page[StreamGroup]:
        """List groups."""
        ...

    def group_of_stream(self, stream_id: str) -> str | None:
        """Return the name of the group that a stream is in."""
        ...

    def delete_group(self, id: str, *, at: Instant, expected_revision: str | None = None) -> None:
        """Ungroup; ``ConflictError`` while it runs. Its streams stay, its schedule goes."""
        ...

    def start_group_run(self, run: GroupRun, lease: Lease) -> None:
        """Record a run; ``ConflictError`` while another is under way."""
        ...

    def end_group_run(self, run: GroupRun, lease: Lease, *, again: bool = False) -> bool:
        """End a run; ``False`` where it is no longer ours. ``again``: its schedule repeats it."""
        ...

    def end_dead_group_runs(self, *, at: Instant, beside: str = "") -> int:
        """End the runs of groups that their processes did not live to end; returns how many."""
        ...

    def group_run(self, id: str) -> GroupRun | None:
        """Return one run of a group."""
        ...

    def running_group_run(self, group_id: str) -> tuple[str, Lease] | None:
        """Return the id and the lease of the run of a group that has not ended."""
        ...

    def request_group_stop(self, id: str, *, at: Instant) -> bool:
        """Ask a run of a group, and its member that runs, to stop; ``False``: it is not running."""
        ...

    def group_stop_requested(self, id: str) -> bool:
        """Whether a run of a group has been asked to stop."""
        ...


class Schedules(Protocol):
    """Schedules, and claiming what is due."""

    def put_schedule(self, schedule: Schedule, *, expected_revision: str | None = None) -> Schedule:
        """Add a schedule, or change the one that its stream or group has; returns it as stored.

        ``StaleRevision`` where that has another revision; that of none is ``NO_REVISION``.
        """
        ...

    def schedule_of(
        self, *, stream_id: str | None = None, group_id: str | None = None
    ) -> Schedule | None:
        """Return the schedule of a stream or of a group."""
        ...

    def schedules(self, *, limit: int = 100, after: str | None = None) -> Page[Schedule]:
        """List schedules."""
        ...

    def delete_schedule(self, id: str, *, expected_revision: str | None = None) -> None:
        """Delete; a run that it has begun goes on."""
        ...

    def due_schedules(self, at: Instant) -> list[Schedule]:
        """Return the enabled schedules of which an instant has come, or a run was claimed."""
        ...

    def claim_run(self, claim: Claim, run: Run, lease: Lease) -> StartedRun | Refusal:
        """Begin a run, take the lease and move the schedule on, all in one transaction."""
        ...

    def claim_group_run(self, claim: Claim, run: GroupRun, lease: Lease) -> GroupRun | Refusal:
        """The same for a group; with ``again`` the run that was killed goes on."""
        ...


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session of an aggregating node, as it stands between runs."""

    node_id: str
    scope: str
    session: AggregateSession


class Sessions(Protocol):
    """What aggregating nodes have gathered and not yet let out."""

    def open_sessions(
        self,
        stream_id: str,
        *,
        node_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[OpenSession]:
        """List the open sessions of a stream, of one node where given, oldest first."""
        ...


class UsageAudit(Protocol):
    """What complete runs took in and let out."""

    def usage_audit(
        self,
        *,
        stream_id: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[AuditEntry]:
        """List entries, newest first."""
        ...

    def purge_usage_audit(self, *, before: Instant) -> int:
        """Delete entries of runs that ended before an instant; returns how many."""
        ...
