"""What a run leaves behind: its own row, its counts, and everything that it commits at once.

All of it is data; the store writes it in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Any

import polars as pl

from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.json_text import JsonValue, Record, json_text
from meterhouse.core.metered_record import MeteredRecord
from meterhouse.core.suspense import Reason
from meterhouse.engine.metering import StateChanges
from meterhouse.streams.forward import Forward
from meterhouse.streams.storage import LOCAL, Storage

_REVISION_CHARS = 32


class RunStatus(Enum):
    """The states of a run: running, then complete or failed, for good."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class RunOrigin(Enum):
    """What made a run begin: somebody, a schedule, the stream's group, or Data Correction."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    GROUP = "group"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class RunCause:
    """Why a run began. ``started_by`` names who, where that is known.

    ``scheduled_for`` is the instant that the schedule named; the run's clock is when it began.
    """

    origin: RunOrigin = RunOrigin.MANUAL
    started_by: str | None = None
    scheduled_for: Instant | None = None
    group_run_id: str | None = None


#: Somebody, unnamed, made the run begin.
BY_HAND = RunCause()


@dataclass(slots=True)
class NodeCount:
    """What a node did with its records in one run. The law: see ``lawful``.

    ``errors`` counts requests to servers that failed, and whose records went on all the same.
    """

    id: str
    name: str
    type: str
    records_in: int = 0
    out: dict[str, int] = field(default_factory=dict)
    filtered: int = 0
    duplicates: int = 0
    suspended: int = 0
    metered: int = 0
    errors: int = 0

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``stream run --json``; it has ``errors`` where there are some."""
        errors = {"errors": self.errors} if self.errors else {}
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "in": self.records_in,
            "out": dict(self.out),
            "filtered": self.filtered,
            "duplicates": self.duplicates,
            "suspended": self.suspended,
            "metered": self.metered,
            **errors,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a stream. ``at`` is its clock; started and ended are real time."""

    id: str
    stream_id: str
    stream_name: str
    status: RunStatus
    at: Instant
    seed: int
    started_at: Instant
    ended_at: Instant | None = None
    error: str | None = None
    nodes: tuple[NodeCount, ...] = ()
    cause: RunCause = BY_HAND
    #: the tag of the version that it ran; ``None`` for a working copy without one
    version: str | None = None

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``run show --json``."""
        ended = None if self.ended_at is None else instant_text(self.ended_at)
        return {
            "id": self.id,
            "stream": self.stream_name,
            "status": self.status.value,
            "at": instant_text(self.at),
            "seed": self.seed,
            "startedAt": instant_text(self.started_at),
            "endedAt": ended,
            "error": self.error,
            "nodes": [node.to_api() for node in self.nodes],
        }


@dataclass(frozen=True, slots=True)
class Suspended:
    """A record set aside at a node. ``record`` is as the node got it.

    An unreadable piece of input keeps its text in ``raw``; it has a record only where it could be
    split into fields. ``source`` names the input (a path, ``counter`` ...); ``offset`` is the
    place there, from 0. ``returned`` says that it had come back from Data Correction.
    """

    node_id: str
    node_name: str
    reason: Reason
    detail: str
    source: str
    offset: int
    record: Record | None = None
    raw: str | None = None
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Requeued:
    """A suspended record on its way back into the node that rejected it.

    ``source`` and ``offset`` say where it was first read.
    """

    suspense_id: int
    node_id: str
    record: Record
    source: str
    offset: int


@dataclass(frozen=True, slots=True)
class Emitted:
    """A metered record and the meter node that it left."""

    node_id: str
    record: MeteredRecord


@dataclass(frozen=True, slots=True)
class ConsumedFile:
    """A file that a reader node has read to its end.

    ``etag`` is the mark of a content: of a file of object storage, of a dataset (its SHA-256).
    ``records`` is how many it had; what earlier versions have read does not say.
    """

    node_id: str
    path: str
    size: int
    modified_ns: int
    etag: str | None = None
    records: int | None = None


@dataclass(frozen=True, slots=True)
class InputPosition:
    """How far a reader node has read one part of its input: a partition, a query, a stream.

    Only the connector that made ``value`` understands it.
    """

    node_id: str
    part: str
    value: JsonValue


#: Tells the world outside what is committed. Positions that it returns replace those of the run.
AfterCommit = Callable[[], Sequence[InputPosition] | None]


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A spooled output and where it is to go; delivered after the commit.

    A file goes whole to ``destination``; ``storage`` says how one with a scheme is reached. With
    ``forward``, so many ``records`` leave one after another, and ``destination`` is for people to
    read.
    """

    node_id: str
    spool: str
    destination: str
    storage: Storage = LOCAL
    forward: Forward | None = None
    records: int = 0


@dataclass(frozen=True, slots=True)
class DuplicateKeys:
    """Keys that a deduplicate node saw first in this run: 16-byte digests, seen at ``at``."""

    node_id: str
    digests: pl.Series  # Binary
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class KeysOfDay:
    """Keys of a day (the instant at which it begins) that a deduplicate node saw first in this run.

    ``packs`` are what only the node understands. They are added to what is stored of the day, or
    replace it.
    """

    node_id: str
    day: Instant
    packs: Sequence[bytes]
    expires_at: Instant
    replaces: bool = False


#: Sessions that nothing has updated for so long are forgotten.
SESSION_LIFETIME = 180 * DAY
#: Single usage of meters that are gone is kept so long from the end of its period, for billing.
USAGE_LIFETIME = 3 * 366 * DAY


@dataclass(frozen=True, slots=True)
class AggregateSession:
    """What an aggregating node has gathered under one key and not yet let out.

    ``key`` and ``state`` are JSON texts that the node understands.
    """

    key: str
    state: str
    created_at: Instant
    updated_at: Instant
    timeout_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class SessionChanges:
    """What a run changed of a node's sessions. ``scope`` is what records are grouped by."""

    node_id: str
    scope: str
    kept: Sequence[AggregateSession] = ()
    #: keys of sessions that are over
    ended: Sequence[str] = ()


@dataclass(slots=True)
class RunResult:
    """Everything that one run commits, together or not at all."""

    states: list[tuple[str, StateChanges]] = field(default_factory=list)
    records: list[Emitted] = field(default_factory=list)
    suspended: list[Suspended] = field(default_factory=list)
    requeued: list[int] = field(default_factory=list)
    #: how many of these came back into nodes that are no readers
    returned: int = 0
    consumed: list[ConsumedFile] = field(default_factory=list)
    #: what was read of inputs that are no files; what is not named stays as it was
    positions: list[InputPosition] = field(default_factory=list)
    #: to be called once the ledger has the run: acknowledgements, files that move away
    after_commit: list[AfterCommit] = field(default_factory=list)
    #: to be called at the very end, committed or not: connections that ``after_commit`` needs
    releases: list[Callable[[], None]] = field(default_factory=list)
    duplicate_keys: list[DuplicateKeys] = field(default_factory=list)
    keys_of_days: list[KeysOfDay] = field(default_factory=list)
    sessions: list[SessionChanges] = field(default_factory=list)
    outbox: list[OutboxEntry] = field(default_factory=list)
    #: the nodes that looked for files and found none that they had not read before
    without_input: list[str] = field(default_factory=list)
    #: node id -> key -> new value; ``None`` deletes. The node id "" is the shared store.
    script_store: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    #: node id -> key -> number or value of the custom audit
    audit: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    #: (node id, level, text) in order
    log: list[tuple[str, str, str]] = field(default_factory=list)
    nodes: Sequence[NodeCount] = ()
    #: the names of all inputs that were read
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StreamDefinition:
    """A stored stream: its document in the export format, and the meter keys of its nodes."""

    id: str
    name: str
    document: Mapping[str, Any]
    #: meter node id -> meter key
    meter_keys: Mapping[str, str]
    created_at: Instant
    updated_at: Instant

    @property
    def revision(self) -> str:
        """A hash of what people may write of a stream: its document.

        >>> StreamDefinition("1", "a", {"name": "a"}, {}, 0, 0).revision[:8]
        'd9d719b2'
        """
        return sha256(json_text(self.document).encode()).hexdigest()[:_REVISION_CHARS]


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that holds its lease, and the stream as it was at that instant."""

    run: Run
    stream: StreamDefinition
