"""In-memory twins of what a run asks of the world: files, spools, scripts and the ledger."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from meterhouse.core.json_text import JsonValue, Record, parse_json
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.source import State
from meterhouse.streams.file_columns import FileColumn
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.ports import (
    Collected,
    Collecting,
    InputError,
    InputFile,
    ReadChunk,
    Unreadable,
)
from meterhouse.streams.record import (
    SESSION_LIFETIME,
    AggregateSession,
    ConsumedFile,
    Requeued,
    RunResult,
)


@dataclass(slots=True)
class Outcome:
    pushed: tuple[Record, ...] = ()
    error: str | None = None


@dataclass(slots=True)
class Effects:
    stores: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    shared: Mapping[str, JsonValue] = field(default_factory=dict)
    audit: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    log: Sequence[tuple[str, str, str]] = ()
    log_dropped: int = 0


class Scripts:
    """A sandbox whose scripts are Python functions, looked up by their text."""

    def __init__(self, functions: Mapping[str, Callable[..., Outcome]] | None = None) -> None:
        self.functions = functions or {}
        self.closed = 0
        self.opened: dict[str, object] = {}
        self.metas: list[object] = []
        self.returned = Effects()
        self._nodes: dict[str, tuple[str, str | None]] = {}

    def open(self, *, at_us: int, seed: int, shared_store=None) -> "Scripts":
        self.opened = {"at_us": at_us, "seed": seed, "shared_store": shared_store}
        self._nodes = {}
        return self

    def define(self, node_id, *, name, transform, flush, store, language="javascript") -> None:
        self._nodes[node_id] = (transform, flush)

    def transform(self, node_id, records, metas=None) -> list[Outcome]:
        self.metas.append(metas)
        function = self.functions[self._nodes[node_id][0]]
        return [function(record) for record in records]

    def flush(self, node_id, meta) -> Outcome:
        flush = self._nodes[node_id][1]
        assert flush is not None
        return self.functions[flush](meta)

    def will_return(self, effects: Effects) -> Outcome:
        self.returned = effects
        return Outcome()

    def effects(self) -> Effects:
        returned, self.returned = self.returned, Effects()
        return returned

    def close(self) -> None:
        self.closed += 1


@dataclass(slots=True)
class MemoryFile:
    """A file of lines: an object is a record, a text is what cannot be read."""

    lines: list[Record | str]
    modified_ns: int = 1
    broken: bool = False


class Files:
    """Files by path; a glob is ``*`` or a path. ``columnar`` decides the form of what is read."""

    def __init__(self, files: Mapping[str, MemoryFile | list], *, columnar: bool = False) -> None:
        self.files = {
            path: file if isinstance(file, MemoryFile) else MemoryFile(file)
            for path, file in files.items()
        }
        self.columnar = columnar
        self.needed: list[frozenset[str] | None] = []
        self.read_paths: list[str] = []

    def list(self, pattern: str, *, options=None) -> list[InputFile]:
        return [
            InputFile(path, len(file.lines), file.modified_ns)
            for path, file in sorted(self.files.items())
            if pattern in ("*", path)
        ]

    def read(
        self, file, *, source, format, fields, records_max, needed=None, options=None, remark=None
    ) -> Iterator[ReadChunk]:
        self.needed.append(needed)
        self.read_paths.append(file.path)
        content = self.files[file.path]
        for start in range(0, len(content.lines), records_max):
            yield self._chunk(content.lines[start : start + records_max], start, source)
        if content.broken:
            raise InputError(f"{file.path} is truncated")

    def _chunk(self, lines: Sequence[Record | str], start: int, source: int) -> ReadChunk:
        places = list(enumerate(lines, start=start))
        good = [(offset, line) for offset, line in places if not isinstance(line, str)]
        unreadable = [
            Unreadable(offset, line, f"line {offset + 1}: not JSON")
            for offset, line in places
            if isinstance(line, str)
        ]
        batch = UsageBatch.from_rows([r for _, r in good], [(source, o) for o, _ in good])
        return ReadChunk(as_columns(batch) if self.columnar else batch, unreadable)


class Batches(Files):
    """A file that holds a batch as it is."""

    def __init__(self, batch: UsageBatch) -> None:
        super().__init__({"a": []})
        self.batch = batch

    def read(self, file, *, source, **asked) -> Iterator[ReadChunk]:
        yield ReadChunk(self.batch)


def as_columns(batch: UsageBatch) -> UsageBatch:
    """The same records, in columns only."""
    offsets = batch.origin_frame()["offset"]
    source = batch.origin_frame()["source"]
    made = UsageBatch.from_columns(batch.columns(), length=len(batch), offsets=offsets)
    return replace(made, _origin_frame=pl.DataFrame({"source": source, "offset": offsets}))


@dataclass
class MemorySpool:
    records: list[Record] = field(default_factory=list)
    format: str | None = None
    columns: Sequence[FileColumn] = ()
    discarded: bool = False

    def write(self, records: Sequence[Record]) -> None:
        self.records += records

    def finish(self, *, format: str, columns: Sequence[FileColumn] = (), **dress: object) -> str:
        self.format, self.columns = format, columns
        return f"spool.{format}"

    def discard(self) -> None:
        self.discarded = True


@dataclass
class Spools:
    opened: dict[str, MemorySpool] = field(default_factory=dict)

    def open(self, run_id: str, node_id: str, *, part: int | None = None) -> MemorySpool:
        name = node_id if part is None else f"{node_id}.{part}"
        self.opened[name] = MemorySpool()
        return self.opened[name]


@dataclass(slots=True)
class Snapshot:
    """What a ledger would say. ``known`` are digests by node id."""

    states: Mapping[str, State] = field(default_factory=dict)
    consumed_files: Mapping[str, Mapping[str, ConsumedFile]] = field(default_factory=dict)
    queue: Sequence[Requeued] = ()
    read_positions: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    known: Mapping[str, Mapping[bytes, int]] = field(default_factory=dict)
    #: packs of keys and when they expire, by node id and day
    days: Mapping[tuple[str, int], Sequence[tuple[bytes, int]]] = field(default_factory=dict)
    stores: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    tables: Mapping[str, TableVersion] = field(default_factory=dict)
    open_sessions: Mapping[tuple[str, str], Mapping[str, AggregateSession]] = field(
        default_factory=dict
    )

    def meters(self, meter_key: str) -> State:
        return self.states.get(meter_key, State())

    def consumed(self, node_id: str) -> Mapping[str, ConsumedFile]:
        return self.consumed_files.get(node_id, {})

    def positions(self, node_id: str) -> Mapping[str, JsonValue]:
        return self.read_positions.get(node_id, {})

    def requeued(self) -> Sequence[Requeued]:
        return self.queue

    def seen(self, node_id: str, digests: pl.Series, *, at: int) -> pl.Series:
        known = self.known.get(node_id, {})
        return pl.Series([known.get(d, 0) > at for d in digests], dtype=pl.Boolean)

    def keys_of_day(self, node_id: str, day: int, *, at: int) -> Sequence[bytes]:
        return [pack for pack, expires_at in self.days.get((node_id, day), ()) if expires_at > at]

    def script_store(self, node_id: str) -> Mapping[str, JsonValue]:
        return self.stores.get(node_id, {})

    def table_version(self, name: str, number: int | None) -> TableVersion | None:
        found = self.tables.get(name)
        return found if found is None or number in (None, found.number) else None

    def sessions(self, node_id: str, scope: str, *, keys, at: int) -> list[AggregateSession]:
        wanted = set(keys)
        return [session for session in self._open(node_id, scope, at) if session.key in wanted]

    def due_sessions(self, node_id: str, scope: str, *, at: int) -> list[AggregateSession]:
        due = [s for s in self._open(node_id, scope, at) if s.timeout_at is not None]
        due = [session for session in due if session.timeout_at <= at]
        return sorted(due, key=lambda session: (session.timeout_at, session.key))

    def _open(self, node_id: str, scope: str, at: int) -> list[AggregateSession]:
        found = self.open_sessions.get((node_id, scope), {}).values()
        return [session for session in found if session.updated_at > at - SESSION_LIFETIME]

    def after(self, result: RunResult) -> "Snapshot":
        """What the ledger knows of sessions once a run is committed."""
        left = {place: dict(found) for place, found in self.open_sessions.items()}
        for changes in result.sessions:
            found = left.setdefault((changes.node_id, changes.scope), {})
            for key in changes.ended:
                found.pop(key, None)
            found |= {session.key: session for session in changes.kept}
        return replace(self, open_sessions=left)


def records_of(text: str) -> list[Record]:
    """Records written as lines of JSON."""
    return [parse_json(line) for line in text.strip().splitlines()]


class Queues:
    """Inputs with positions: queues of messages by name; a position is how many were read.

    A message is a list of records, or a text that is none. ``told`` is what was acknowledged.
    """

    def __init__(self, queues: Mapping[str, Sequence[list[Record] | str]]) -> None:
        self.queues = {name: list(messages) for name, messages in queues.items()}
        self.opened: list[tuple[str, Mapping[str, JsonValue], object]] = []
        self.wanted: list[Collecting] = []
        self.told: list[dict[str, int]] = []
        self.closed = 0
        self.broken = False
        self.settled: dict[str, JsonValue] = {}

    def open(self, kind, settings, credentials) -> "Queues":
        self.opened.append((kind, settings, credentials))
        return self

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        self.wanted.append(wanted)
        room = wanted.records_max
        for name, messages in self.queues.items():
            start = wanted.positions.get(name, 0)
            for offset, message in list(enumerate(messages))[start:]:
                if room == 0:
                    return
                room -= 1
                yield self._collected(name, offset, message, wanted.number(f"queue:{name}"))
        if self.broken:
            raise InputError("queue: the connection is lost")

    def _collected(
        self, name: str, offset: int, message: list[Record] | str, source: int
    ) -> Collected:
        records, bad = ([], [message]) if isinstance(message, str) else (message, [])
        batch = UsageBatch.from_rows(records, [(source, offset)] * len(records))
        unreadable = [Unreadable(offset, text, "is no JSON object") for text in bad]
        return Collected(ReadChunk(batch, unreadable), source, {name: offset + 1})

    def acknowledge(self) -> Mapping[str, JsonValue]:
        if self.broken:
            raise InputError("queue: the connection is lost")
        self.told.append({name: len(messages) for name, messages in self.queues.items()})
        return self.settled

    def close(self) -> None:
        self.closed += 1
