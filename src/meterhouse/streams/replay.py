"""Replay: runs done once more over the files that they have read, up to one node; nothing is kept.

The same execution as a run, of the nodes before that one. Runs are replayed in their order, and
what deduplicating nodes remember goes from each to the next, as it did then. Not known are the
keys that runs before the first of them had left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.source import MeterSource
from meterhouse.streams.graph import StreamGraph
from meterhouse.streams.law import CREATES
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.mask import uniform
from meterhouse.streams.nodes.node import OUT, READERS
from meterhouse.streams.ports import RunSnapshot
from meterhouse.streams.record import (
    AggregateSession,
    ConsumedFile,
    DuplicateKeys,
    KeysOfDay,
    Requeued,
    RunResult,
)
from meterhouse.streams.run import execute
from meterhouse.streams.sources import Sources
from meterhouse.streams.world import RunFacts, Services

#: Readers whose input is there for good: files of a list.
FILE_READERS = frozenset({"readers/file", "readers/dataset"})
_CALLING = "transforms/http"

#: Sees records that arrive, with what their origins mean. Returns whether more are wanted.
See = Callable[[UsageBatch, Sources], bool]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as it was: its facts, the files that it read (by node and path), and its tables."""

    facts: RunFacts
    files: Mapping[str, Mapping[str, ConsumedFile]]
    tables: Mapping[str, int] = field(default_factory=dict)


def before(graph: StreamGraph, node_id: str) -> StreamGraph:
    """Return the part of a graph whose records may come to a node, without the node."""
    wanted = {node_id}
    for node in reversed(graph.nodes):
        if any(edge.source == node.id and edge.target in wanted for edge in graph.edges):
            wanted.add(node.id)
    wanted.remove(node_id)
    nodes = tuple(node for node in graph.nodes if node.id in wanted)
    edges = tuple(edge for edge in graph.edges if edge.target in wanted and edge.source in wanted)
    return replace(graph, nodes=nodes, edges=edges)


def unrepeatable(graph: StreamGraph) -> list[str]:
    """Name the nodes that cannot be run once more: their input is gone, or they call servers."""
    return [
        f'"{node.name}" ({node.type.name})'
        for node in graph.nodes
        if node.type.name == _CALLING
        or (node.type.name.startswith(READERS) and node.type.name not in FILE_READERS)
    ]


def inexact(graph: StreamGraph) -> list[str]:
    """Name the nodes whose memory is not what it was, or whose records are of their own making."""
    return [
        f'"{node.name}" ({node.type.name})' for node in graph.nodes if node.type.name in CREATES
    ]


class Replay:
    """Replays runs of a stream up to the node ``target``, one after another."""

    def __init__(
        self, graph: StreamGraph, target: str, *, snapshot: RunSnapshot, services: Services
    ) -> None:
        self.graph = before(graph, target)
        self._ports = {(edge.source, edge.port) for edge in graph.edges if edge.target == target}
        self._services = services
        self._memory = _Memory(snapshot)

    def run(self, past: PastRun, *, see: See) -> list[ConsumedFile]:
        """Show the records that came to the node in a run; returns the files as they are now."""
        self._memory.begin(past)
        result = _execute(
            self.graph, past, ports=self._ports, see=see, world=(self._memory, self._services)
        )
        if result is None:
            return []
        self._memory.keys += result.duplicate_keys
        self._memory.remember_days(result.keys_of_days)
        return result.consumed

    def inputs(self, past: PastRun, *, see: See) -> None:
        """Show the records of the files of a run as its readers read them."""
        nodes = tuple(n for n in self.graph.nodes if past.files.get(n.id))
        graph = replace(self.graph, nodes=nodes, edges=())
        self._memory.begin(past)
        ports = {(node.id, OUT) for node in nodes}
        _execute(graph, past, ports=ports, see=see, world=(self._memory, self._services))


class _Enough(Exception):
    """Nothing more is wanted."""


def _execute(
    graph: StreamGraph,
    past: PastRun,
    *,
    ports: set[tuple[str, str]],
    see: See,
    world: tuple[RunSnapshot, Services],
) -> RunResult | None:
    snapshot, services = world
    sources = Sources()

    def tap(node_id: str, port: str | None, batch: UsageBatch) -> None:
        if (node_id, port) in ports and not see(batch, sources):
            raise _Enough

    try:
        result = execute(
            graph, past.facts, snapshot=snapshot, services=services, tap=tap, sources=sources
        )
    except _Enough:
        return None
    for release in result.releases:
        release()
    return result


class _AllBut(Mapping[str, ConsumedFile]):
    """What a run had read before: everything but the files that it is to read."""

    def __init__(self, files: Mapping[str, ConsumedFile]) -> None:
        self._files = files

    def __contains__(self, path: object) -> bool:
        return path not in self._files

    def __getitem__(self, path: str) -> ConsumedFile:
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Memory:
    """A snapshot that knows the files of the run at hand, and the keys of those replayed before."""

    def __init__(self, snapshot: RunSnapshot) -> None:
        self._snapshot = snapshot
        self._past: PastRun | None = None
        self.keys: list[DuplicateKeys] = []
        self._days: dict[tuple[str, Instant], list[KeysOfDay]] = {}

    def begin(self, past: PastRun) -> None:
        self._past = past

    def remember_days(self, added: Sequence[KeysOfDay]) -> None:
        for one in added:
            known = self._days.setdefault((one.node_id, one.day), [])
            if one.replaces:
                known.clear()
            known.append(one)

    def meters(self, meter_key: str) -> MeterSource:
        return self._snapshot.meters(meter_key)

    def consumed(self, node_id: str) -> Mapping[str, ConsumedFile]:
        assert self._past is not None
        return _AllBut(self._past.files.get(node_id, {}))

    def positions(self, node_id: str) -> Mapping[str, JsonValue]:
        return {}

    def requeued(self) -> Sequence[Requeued]:
        return ()

    def seen(self, node_id: str, digests: pl.Series, *, at: Instant) -> pl.Series:
        hits = uniform(len(digests), value=False)
        for one in self.keys:
            if one.node_id == node_id and one.expires_at > at:
                hits |= digests.is_in(one.digests.implode())
        return hits

    def keys_of_day(self, node_id: str, day: Instant, *, at: Instant) -> Sequence[bytes]:
        known = self._days.get((node_id, day), [])
        return [pack for one in known if one.expires_at > at for pack in one.packs]

    def script_store(self, node_id: str) -> Mapping[str, JsonValue]:
        return self._snapshot.script_store(node_id)

    def table_version(self, name: str, number: int | None) -> TableVersion | None:
        latest = self._snapshot.table_version(name, None)
        if number is None and latest is not None and self._past is not None:
            number = self._past.tables.get(latest.table_name)
        return self._snapshot.table_version(name, number)

    def sessions(
        self, node_id: str, scope: str, *, keys: Collection[str], at: Instant
    ) -> Sequence[AggregateSession]:
        return ()

    def due_sessions(self, node_id: str, scope: str, *, at: Instant) -> Sequence[AggregateSession]:
        return ()
