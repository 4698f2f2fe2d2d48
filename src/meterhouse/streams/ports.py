"""What a run needs from the world, as ports: adapters in the outer rooms implement them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.secret import Credentials
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column
from meterhouse.engine.source import MeterSource
from meterhouse.streams.file_columns import FileColumn
from meterhouse.streams.file_options import PLAIN, AfterReading, FileOptions
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.record import AggregateSession, ConsumedFile, Requeued


class InputError(MeterhouseError):
    """An input as a whole cannot be read (truncated, not of its format); the run fails."""

    code = "input_unreadable"


class OutputError(MeterhouseError):
    """An output cannot be written (disk full, no permission); it stays in the outbox."""

    code = "output_failed"


class FileRefused(MeterhouseError):
    """The file is none that a stream may use here."""

    code = "file_refused"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it stands: consumed files are remembered by these.

    The path of a file that lies elsewhere has a scheme; ``etag`` is the mark of its content there.
    """

    path: str
    size: int
    modified_ns: int
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One record of an input that is none: its place there, its text and what is wrong.

    ``record`` has its fields as they are written, where the text could be split into fields.
    """

    offset: int
    raw: str
    detail: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Some records of an input. ``unreadable`` ones are not in ``batch``."""

    batch: UsageBatch
    unreadable: Sequence[Unreadable] = ()


class FileReader(Protocol):
    """Reads usage files."""

    def list(self, pattern: str, *, options: FileOptions = PLAIN) -> list[InputFile]:
        """Return the files that a glob names, sorted by path."""
        ...

    def moved(self, file: InputFile, *, pattern: str, move_to: str) -> str:
        """Return the path that a file has once it was moved.

        Raises ``InputError`` where the glob names that path too: it would be read again.
        """
        ...

    def release(
        self,
        file: InputFile,
        action: AfterReading,
        *,
        target: str | None = None,
        options: FileOptions = PLAIN,
    ) -> None:
        """Move a file that was read to ``target``, or delete it; a second time does no harm.

        Raises ``OutputError`` where it cannot be done, or would lose what nobody has read.
        """
        ...

    def read(
        self,
        file: InputFile,
        *,
        source: int,
        format: str | None,
        fields: Mapping[str, str],
        records_max: int,
        needed: frozenset[str] | None = None,
        options: FileOptions = PLAIN,
        remark: Callable[[str], None] | None = None,
    ) -> Iterator[ReadChunk]:
        """Yield a file's records in order, at most ``records_max`` at a time.

        Fields outside of ``needed`` (names, no paths; ``None``: all are needed) may be left out,
        never records. ``remark`` is told what looks wrong.
        Raises ``InputError`` naming the file where it cannot be read as a whole.
        """
        ...


@dataclass(frozen=True, slots=True)
class Collecting:
    """What a run wants of an input with positions.

    ``positions`` are those of the ledger, by part; a part without one was never read. ``number``
    gives the number of a source by its name, for origins. At most ``records_max`` messages or rows
    are wanted, in chunks of at most ``chunk_records``. A ``preview`` changes nothing outside.
    """

    positions: Mapping[str, JsonValue]
    number: Callable[[str], int]
    records_max: int
    chunk_records: int
    preview: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of one source, and the ``positions`` that this and all before it lead to.

    Where only positions have changed, there is no chunk, and no source was read.
    """

    chunk: ReadChunk | None
    source: int
    positions: Mapping[str, JsonValue]


class Collector(Protocol):
    """An input with positions: what is there when the run begins, from where the last one ended."""

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        """Connect, and yield what is there, each source in its order.

        Raises ``InputError`` naming the address, without any secret, where it cannot be read.
        """
        ...

    def acknowledge(self) -> Mapping[str, JsonValue]:
        """Tell the other side that everything that was yielded is committed.

        Returns positions that have become others by that: they replace those committed.
        """
        ...

    def close(self) -> None:
        """Let go of the connection; a second time does no harm. Tells the other side nothing."""
        ...


class Collectors(Protocol):
    """Opens inputs with positions."""

    def open(
        self, kind: str, settings: Mapping[str, JsonValue], credentials: Credentials | None
    ) -> Collector:
        """Return a collector; ``kind`` is ``kafka``, ``nats`` ... Nothing is connected yet.

        Raises ``MeterhouseError`` naming the extra where what it needs is not installed.
        """
        ...


# ---------------------------------------------------------------- outputs, scripts, the ledger


class Spool(Protocol):
    """Output of one file writer, kept durable under the data directory until it is delivered."""

    def write(self, records: Sequence[JsonValue]) -> None:
        """Append records, one line each."""
        ...

    def finish(
        self,
        *,
        format: str,
        gzip: bool = False,
        formula_safe: bool = False,
        bytes_max: int | None = None,
        columns: Sequence[FileColumn] = (),
    ) -> str:
        """Bring it into its format, durably; return its name. ``OutputError`` if it is too big."""
        ...

    def discard(self) -> None:
        """Forget the output: the run failed."""
        ...


class SpoolFactory(Protocol):
    """Opens spools."""

    def open(self, run_id: str, node_id: str, *, part: int | None = None) -> Spool:
        """Return an empty spool for one writer of one run, or for one of its many files."""
        ...


#: The language of a script where nothing else is said.
JAVASCRIPT = "javascript"


class ScriptOutcome(Protocol):
    """What a script made of one record."""

    @property
    def pushed(self) -> tuple[Record, ...]:
        """The records that it pushed."""
        ...

    @property
    def error(self) -> str | None:
        """Why it failed, or ``None``."""
        ...


class ScriptEffects(Protocol):
    """What scripts changed beside the records, since the effects were last asked for.

    In ``stores`` (by node id) and ``shared``, a value that is an ``Enum`` member means that the
    key was deleted.
    """

    @property
    def stores(self) -> Mapping[str, Mapping[str, JsonValue]]:
        """Changes of each node's store."""
        ...

    @property
    def shared(self) -> Mapping[str, JsonValue]:
        """Changes of the shared store."""
        ...

    @property
    def audit(self) -> Mapping[str, Mapping[str, JsonValue]]:
        """The present value of each custom audit column that was touched."""
        ...

    @property
    def log(self) -> Sequence[tuple[str, str, str]]:
        """Lines of node id, level and text."""
        ...

    @property
    def log_dropped(self) -> int:
        """How many lines were too many."""
        ...


class ScriptSession(Protocol):
    """The scripts of one stream during one run."""

    def define(
        self,
        node_id: str,
        *,
        name: str,
        transform: str,
        flush: str | None,
        timeout: str | None = None,
        aggregates: bool = False,
        store: Mapping[str, JsonValue],
        language: str = JAVASCRIPT,
    ) -> None:
        """Make a node's scripts known (JavaScript unless said); a syntax error raises.

        Those of a node that ``aggregates`` see the session of each record.
        """
        ...

    def transform(
        self, node_id: str, records: Sequence[Record], metas: Sequence[Record] | None = None
    ) -> Sequence[ScriptOutcome]:
        """Run the script for each record."""
        ...

    def aggregate(
        self,
        node_id: str,
        part: str,
        *,
        keys: Sequence[str],
        sessions: Mapping[str, tuple[str, Record, Record]],
        records: Sequence[Record] | None = None,
        metas: Sequence[Record] | None = None,
        meta_field: str | None = None,
    ) -> tuple[Sequence[ScriptOutcome], Mapping[str, Record | None]]:
        """Run a part of an aggregating node's scripts once for each key, in order.

        ``sessions`` are by key: name, fields, and state ``{data, meta, timeoutAt}``. Returns
        outcomes, and the states of the sessions that changed; ``None`` where one is over.
        """
        ...

    def flush(self, node_id: str, meta: Record) -> ScriptOutcome:
        """Run the flush script."""
        ...

    def effects(self) -> ScriptEffects:
        """Return what changed since this was last asked."""
        ...

    def close(self) -> None:
        """End the session; a second time does no harm."""
        ...


class ScriptSandbox(Protocol):
    """Opens script sessions."""

    def open(
        self, *, at_us: int, seed: int, shared_store: Mapping[str, JsonValue] | None = None
    ) -> ScriptSession:
        """Return the session of one run; ``Date`` is ``at_us`` there, ``seed`` makes chance."""
        ...


class RunSnapshot(Protocol):
    """The ledger as it stood when a run began. Nothing here writes."""

    def meters(self, meter_key: str) -> MeterSource:
        """Return the meters of a meter node."""
        ...

    def consumed(self, node_id: str) -> Mapping[str, ConsumedFile]:
        """Return what a reader node has consumed, by path."""
        ...

    def positions(self, node_id: str) -> Mapping[str, JsonValue]:
        """Return how far a reader node has read, by part of its input."""
        ...

    def requeued(self) -> Sequence[Requeued]:
        """Return the suspended records that are queued for this stream, oldest first."""
        ...

    def seen(self, node_id: str, digests: pl.Series, *, at: Instant) -> pl.Series:
        """Tell for each 16-byte digest whether the node remembers it at ``at`` (Boolean)."""
        ...

    def keys_of_day(self, node_id: str, day: Instant, *, at: Instant) -> Sequence[bytes]:
        """Return the packs of keys that the node remembers of a day at ``at``, oldest first."""
        ...

    def script_store(self, node_id: str) -> Mapping[str, JsonValue]:
        """Return a script node's durable store; the node id "" is the shared store."""
        ...

    def sessions(
        self, node_id: str, scope: str, *, keys: Collection[str], at: Instant
    ) -> Sequence[AggregateSession]:
        """Return those of a node's open sessions that have these keys, in no order."""
        ...

    def due_sessions(self, node_id: str, scope: str, *, at: Instant) -> Sequence[AggregateSession]:
        """Return the open sessions whose time-out has come, by its instant and then by key."""
        ...

    def table_version(self, name: str, number: int | None) -> TableVersion | None:
        """Return a version of a look-up table: the latest, unless a number is given."""
        ...


class TableContents(Protocol):
    """The rows of look-up tables."""

    def columns(
        self, version: TableVersion, names: frozenset[str] | None = None
    ) -> Mapping[str, Column]:
        """Return columns of a version by name: all of them, unless some are named.

        Raises ``InputError`` where they cannot be read.
        """
        ...


# ---------------------------------------------------------------- HTTP


class HttpFailed(MeterhouseError):
    """A request got no answer. ``retriable`` tells whether another try may get one."""

    code = "http_failed"
    retriable = False


class HttpUnreachable(HttpFailed):
    """The server cannot be reached, or let the connection go."""

    code = "http_unreachable"
    retriable = True


class HttpTimedOut(HttpFailed):
    """The answer took too long."""

    code = "http_timed_out"
    retriable = True


class HttpRefused(HttpFailed):
    """The address is none that a stream may call."""

    code = "http_refused"


class HttpTooLarge(HttpFailed):
    """The answer is larger than what is taken."""

    code = "http_too_large"


class HttpTokenFailed(HttpFailed):
    """The token endpoint gave no access token."""

    code = "http_token_failed"

    def __init__(self, message: str, *, hint: str = "", retriable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retriable = retriable


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name and a password; ``repr`` shows neither, here and below."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """A token that is sent as it is, behind ``prefix``."""

    token: str = field(repr=False)
    prefix: str = "Bearer"


@dataclass(frozen=True, slots=True)
class OAuth2Auth:
    """What a token endpoint is asked for access tokens with.

    ``grant`` is ``client_credentials`` or ``password``; ``in_body`` sends the client's own
    credentials as form fields instead of a header.
    """

    token_url: str = field(repr=False)
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    grant: str = "client_credentials"
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    audience: str | None = None
    scope: str | None = None
    in_body: bool = True
    prefix: str = "Bearer"


#: How a request says who sends it.
HttpAuth = BasicAuth | BearerAuth | OAuth2Auth


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. Nothing of it that may be secret shows in ``repr``."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    auth: HttpAuth | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server answered. Names of ``headers`` are in lower case.

    ``retry_after`` is how many seconds the server asks to wait. ``sent_secrets`` are the secrets of
    the request, so that a message that quotes the answer can leave them out.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    retry_after: int | None = None
    sent_secrets: tuple[str, ...] = field(default=(), repr=False)


class HttpCaller(Protocol):
    """Sends requests of streams."""

    def send(self, request: HttpRequest) -> HttpAnswer:
        """Send one request, from any thread. Every status is an answer; else ``HttpFailed``."""
        ...

    def close(self) -> None:
        """Let idle connections go. It may be used again."""
        ...


# ---------------------------------------------------------------- forwarding


@dataclass(frozen=True, slots=True)
class ForwardItem:
    """A record on its way out: its idempotency key, and its JSON text as it was written."""

    key: str
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has the record."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The next try may do better; ``reason`` says what happened, without secrets.

    ``after`` is how many seconds the receiver asks to wait. ``away``: nobody has judged the record
    (no connection, too many requests), so the try does not count as an attempt.
    """

    reason: str
    after: int | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No further try will do better; ``reason`` has the beginning of the answer, no secrets."""

    reason: str


#: What became of one record.
Outcome = Accepted | TryAgain | Refused


class Forwarder(Protocol):
    """Sends records to one receiver, for one lane: one thread at a time calls ``send``."""

    @property
    def batch(self) -> int:
        """So many records it takes at a time, at most."""
        ...

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Send records in their order; returns what became of each.

        What comes after the first ``TryAgain`` is sent again with it, whatever its outcome was, so
        nothing should be sent after it. An error (``MeterhouseError``) means: try all of it again.
        """
        ...

    def close(self) -> None:
        """Let connections go; called from another thread, it ends a ``send`` that waits."""
        ...


class Forwarders(Protocol):
    """Opens forwarders by kind; threads may share it."""

    def open(
        self,
        kind: str,
        settings: Mapping[str, JsonValue],
        credentials: Callable[[str], Credentials],
    ) -> Forwarder:
        """Return a new forwarder; ``credentials`` has the values of a secret, by its id.

        Nothing is connected yet. Raises ``MeterhouseError`` where that cannot be opened now.
        """
        ...
