"""Readers of inputs with positions: what they all do in a run, whatever is at the other end.

Theory of operation. The collector is opened when the run first wants records, from the positions of
the ledger. Each source (a partition, a queue, a query) is numbered when it is first read. What is
read is committed as positions; only then is the other side told, and the connection closed. A
preview reads a few records, keeps no position and tells nobody; a run for Data Correction opens
nothing. Where the run fails, the connection is closed and the other side has learned nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import Problem
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.nodes.node import NodeParams, NodeRun, NodeSite
from meterhouse.streams.nodes.wallet_entry import WalletEntry
from meterhouse.streams.ports import Collecting, Collector
from meterhouse.streams.record import InputPosition, RunResult
from meterhouse.streams.suspension import SuspensePolicy
from meterhouse.streams.world import Progress, Services

#: So many messages or rows are taken by one run unless ``maxRecords`` says otherwise.
RECORDS_MAX_DEFAULT = 1_000_000


@dataclass(frozen=True, slots=True)
class CollectorParams(NodeParams):
    """``kind`` of collector, its ``settings`` as the document has them, and what all have."""

    kind: str
    settings: Mapping[str, JsonValue]
    policy: SuspensePolicy
    records_max: int = RECORDS_MAX_DEFAULT
    secret: WalletEntry | None = None

    def open(self, site: NodeSite) -> NodeRun:
        """Start reading; nothing is connected before the first record is wanted."""
        return _Collecting(self, site)

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret may be missing, or a file be none that streams may read."""
        found = [None if self.secret is None else self.secret.obstacle(services)]
        if isinstance(file := self.settings.get("file"), str):
            found.append(services.path_obstacle(file, place="url"))
        return [problem for problem in found if problem is not None]

    def collector(self, services: Services) -> Collector:
        """Return what reads; nothing is connected yet."""
        assert services.collectors is not None, "a stream with such readers needs collectors"
        credentials = None if self.secret is None else self.secret.credentials(services)
        return services.collectors.open(self.kind, self.settings, credentials)


class _Collecting(NodeRun):
    def __init__(self, params: CollectorParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._guard = site.guard(params.policy)
        self._collector: Collector | None = None
        self._known = site.world.snapshot.positions(site.id)
        self._positions: dict[str, JsonValue] = {}
        self._source = ("", -1)
        self._preview = site.world.facts.records_max is not None

    def chunks(self) -> Iterator[UsageBatch]:
        """Read what is there, each source in its order."""
        world, room = self._site.world, self._site.world.facts.records_max
        records = 0
        try:
            self._collector = self._params.collector(world.services)
            for collected in self._collector.chunks(self._wanted()):
                self._positions |= collected.positions
                if collected.chunk is None:
                    continue
                self._guard.screen_unreadable(collected.chunk, collected.source)
                batch = collected.chunk.batch
                # One message may hold several records.
                batch = batch if room is None else batch.slice(0, room - records)
                records += len(batch)
                world.services.progress(Progress(records, 0, 0, 0, 0))
                if len(batch):
                    yield batch
                if world.suspense.stopped or records == room:
                    break
        finally:
            if self._preview:
                self.discard()
        # Where nothing was readable, nothing went through the graph that would have stopped.
        world.suspense.raise_if_stopped()

    def _wanted(self) -> Collecting:
        facts, most = self._site.world.facts, self._params.records_max
        return Collecting(
            positions=self._known,
            number=self._number,
            records_max=min(most, facts.records_max or most),
            chunk_records=facts.chunk_records,
            preview=self._preview,
        )

    def _number(self, name: str) -> int:
        """Number a source; one that comes again after another one comes later, and so is new."""
        if self._source[0] != name:
            self._source = (name, self._site.world.sources.add(name))
        return self._source[1]

    def commit(self, result: RunResult) -> None:
        if self._collector is None or self._preview:
            return
        result.positions += self._located(self._positions)
        result.after_commit.append(self._acknowledge)
        result.releases.append(self._collector.close)

    def _acknowledge(self) -> Sequence[InputPosition]:
        assert self._collector is not None, "what was never opened has nothing to tell"
        return self._located(self._collector.acknowledge())

    def _located(self, positions: Mapping[str, JsonValue]) -> list[InputPosition]:
        return [InputPosition(self._site.id, part, value) for part, value in positions.items()]

    def discard(self) -> None:
        """Close the connection; whoever is at the other end hands out everything again."""
        if self._collector is not None:
            self._collector.close()
