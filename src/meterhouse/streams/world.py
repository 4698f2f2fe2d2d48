"""What the nodes of one run share: its facts, its sources, its log, and the world outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from meterhouse.core.instant import Instant
from meterhouse.core.problem import Problem
from meterhouse.core.secret import Credentials
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.dataset_ports import DatasetCatalogues
from meterhouse.streams.ports import (
    Collectors,
    FileReader,
    FileRefused,
    HttpCaller,
    RunSnapshot,
    ScriptSandbox,
    ScriptSession,
    SpoolFactory,
    TableContents,
)
from meterhouse.streams.sources import Sources
from meterhouse.streams.suspension import SuspenseBook

#: A chunk is closed as soon as it has this many records (it may have up to twice as many).
CHUNK_RECORDS = 2_000_000
#: So many lines of one node are kept in the log of a run.
LOG_LINES_MAX = 10_000
_ALWAYS_KEPT = frozenset({"warning", "warn", "error"})


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is given when a run begins.

    ``at`` is its clock, and ``end_at`` the clock of the end scan (the same unless given).
    ``meter_keys`` are by id of the meter node. ``records_max`` limits each reader (preview).
    A run for ``correction`` takes what comes back from Data Correction and no other input.
    """

    id: str
    at: Instant
    seed: int
    meter_keys: Mapping[str, str] = field(default_factory=dict)
    end_at: Instant | None = None
    chunk_records: int = CHUNK_RECORDS
    records_max: int | None = None
    correction: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: records read, and files with their bytes read to the end."""

    records: int
    files: int
    files_all: int
    bytes: int
    bytes_all: int


def _ignore_progress(_: Progress) -> None:
    return None


def _go_on() -> None:
    return None


def _ignore_line(_node: str, _level: str, _text: str) -> None:
    return None


def _wait_never(_seconds: int) -> None:
    return None


def _standing_still() -> int:
    return 0


def _refuse_none(_path: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Services:
    """The world, as ports. ``scripts`` may be absent where a stream has no script.

    ``log`` is called with node name, level and text as lines come up. ``http``, ``collectors`` and
    ``credentials`` (by id of a secret) are for streams that call servers; ``wait`` lets seconds
    pass between two tries, and ``stopwatch`` tells whole seconds that have passed. ``checkpoint``
    is called before each chunk; what it raises ends the run. ``tables`` are for streams that look
    things up. ``check_path`` raises ``FileRefused`` where streams may not use what a path or a
    glob of the file system names. ``datasets`` opens catalogues.
    """

    files: FileReader
    spools: SpoolFactory
    scripts: ScriptSandbox | None = None
    http: HttpCaller | None = None
    collectors: Collectors | None = None
    credentials: Callable[[str], Credentials] | None = None
    wait: Callable[[int], None] = _wait_never
    stopwatch: Callable[[], int] = _standing_still
    progress: Callable[[Progress], None] = _ignore_progress
    log: Callable[[str, str, str], None] = _ignore_line
    checkpoint: Callable[[], None] = _go_on
    tables: TableContents | None = None
    check_path: Callable[[str], None] = _refuse_none
    datasets: DatasetCatalogues | None = None

    def path_obstacle(self, path: str, *, place: str = "path") -> Problem | None:
        """Say why a node may not use a path of its parameters; ``None`` where it may."""
        try:
            self.check_path(path)
        except FileRefused as refused:
            return Problem(place, refused.args[0], refused.hint)
        return None


class RunLog:
    """The log of a run. Beyond ``LOG_LINES_MAX`` lines of a node, they are only counted.

    Warnings and errors are kept, however many there are.
    """

    def __init__(self, show: Callable[[str, str, str], None]) -> None:
        self._lines: list[tuple[str, str, str]] = []
        self._show = show
        self._written: dict[str, int] = {}

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """The lines, and how many of each node are left out."""
        return self._lines + [
            (
                node_id,
                "warning",
                f"{written - LOG_LINES_MAX:,} more lines of this node are left out",
            )
            for node_id, written in self._written.items()
            if written > LOG_LINES_MAX
        ]

    def room(self, node_id: str) -> int:
        """Return how many more lines of a node are kept."""
        return LOG_LINES_MAX - self._written.get(node_id, 0)

    def add(self, node_id: str, node_name: str, *, level: str = "info", text: str) -> None:
        """Write a line."""
        kept = level in _ALWAYS_KEPT
        if not kept:
            self._written[node_id] = self._written.get(node_id, 0) + 1
            kept = self._written[node_id] <= LOG_LINES_MAX
        if kept:
            self._lines.append((node_id, level, text))
            self._show(node_name, level, text)


@dataclass(frozen=True, slots=True)
class World:
    """All that the nodes of one run share.

    What is in ``readying`` is done while the first part of a large input is read; what is in
    ``foresight``, with each chunk that a reader has put together in another thread. It works out
    what nodes will ask of columns, which take it along.
    """

    facts: RunFacts
    snapshot: RunSnapshot
    services: Services
    sources: Sources
    suspense: SuspenseBook
    log: RunLog
    session: ScriptSession | None = None
    readying: list[Callable[[], None]] = field(default_factory=list)
    foresight: list[Callable[[UsageBatch], None]] = field(default_factory=list)

    def make_ready(self) -> None:
        """Do what is worth doing before many records come, once."""
        while self.readying:
            self.readying.pop()()
