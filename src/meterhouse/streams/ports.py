"""What a run needs from the world, as ports: adapters in the outer rooms implement them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.problem import MeterhouseError
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.source import MeterSource
from meterhouse.streams.record import ConsumedFile, Requeued


class InputError(MeterhouseError):
    """An input as a whole cannot be read (truncated, not of its format); the run fails."""

    code = "input_unreadable"


class OutputError(MeterhouseError):
    """An output cannot be written (disk full, no permission); it stays in the outbox."""

    code = "output_failed"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it stands: consumed files are remembered by these three."""

    path: str
    size: int
    modified_ns: int


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

    def list(self, pattern: str) -> list[InputFile]:
        """Return the files that a glob names, sorted by path."""
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
    ) -> Iterator[ReadChunk]:
        """Yield a file's records in order, at most ``records_max`` at a time.

        Fields outside of ``needed`` may be left out, never records: nothing looks at those fields
        (``None``: all are needed). It names fields of the record itself, not paths into them.

        Raises ``InputError`` naming the file where it cannot be read as a whole.
        """
        ...


class Spool(Protocol):
    """Output of one file writer, kept durable under the data directory until it is delivered."""

    def write(self, records: Sequence[Record]) -> None:
        """Append records."""
        ...

    def finish(self, *, format: str) -> str:
        """Bring the output into its format, make it durable and return its spool name."""
        ...

    def discard(self) -> None:
        """Forget the output: the run failed."""
        ...


class SpoolFactory(Protocol):
    """Opens spools."""

    def open(self, run_id: str, node_id: str) -> Spool:
        """Return an empty spool for one writer of one run."""
        ...


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
        store: Mapping[str, JsonValue],
    ) -> None:
        """Make a node's script known; a syntax error raises."""
        ...

    def transform(
        self, node_id: str, records: Sequence[Record], metas: Sequence[Record] | None = None
    ) -> Sequence[ScriptOutcome]:
        """Run the script for each record."""
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

    def requeued(self) -> Sequence[Requeued]:
        """Return the suspended records that are queued for this stream, oldest first."""
        ...

    def seen(self, node_id: str, digests: pl.Series, *, at: Instant) -> pl.Series:
        """Tell for each 16-byte digest whether the node remembers it at ``at`` (Boolean)."""
        ...

    def script_store(self, node_id: str) -> Mapping[str, JsonValue]:
        """Return a script node's durable store; the node id "" is the shared store."""
        ...
