"""Preview: a few records through a stream, shown node by node; nothing is kept.

The same execution as a run. What a run remembers is left out of account (consumed files, known
keys, queued records), so that a preview shows what the stream does with records it has not seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.source import MeterSource
from meterhouse.streams.file_columns import FileColumn
from meterhouse.streams.graph import StreamGraph
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.mask import uniform
from meterhouse.streams.ports import RunSnapshot, Spool
from meterhouse.streams.record import AggregateSession, ConsumedFile, Requeued, Suspended
from meterhouse.streams.run import execute
from meterhouse.streams.world import RunFacts, Services

#: So many records are read by each reader, and shown of each port.
RECORDS_MAX = 10


@dataclass(slots=True)
class NodePreview:
    """What went into a node and what left it, by port; at most ``RECORDS_MAX`` records each."""

    id: str
    name: str
    type: str
    records_in: list[Record] = field(default_factory=list)
    out: dict[str, list[Record]] = field(default_factory=dict)
    suspended: list[Suspended] = field(default_factory=list)

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``stream preview --json``."""
        suspended = [
            {"record": item.record, "reason": item.reason.value, "detail": item.detail}
            for item in self.suspended
        ]
        head = {"id": self.id, "name": self.name, "type": self.type}
        return head | {"in": self.records_in, "out": self.out, "suspended": suspended}


def preview(
    graph: StreamGraph, facts: RunFacts, *, snapshot: RunSnapshot, services: Services
) -> list[NodePreview]:
    """Run a stream with a few records of each reader; the nodes in topological order."""
    shown = {n.id: NodePreview(n.id, n.name, n.type.name) for n in graph.nodes}
    for node in graph.nodes:
        shown[node.id].out = {port: [] for port in node.params.ports().names}

    def tap(node_id: str, port: str | None, batch: UsageBatch) -> None:
        view = shown[node_id]
        kept = view.records_in if port is None else view.out.setdefault(port, [])
        kept += batch.slice(0, RECORDS_MAX - len(kept)).rows()

    result = execute(
        graph,
        replace(facts, records_max=RECORDS_MAX),
        snapshot=_Unremembering(snapshot),
        services=replace(services, spools=_NoSpools()),
        tap=tap,
    )
    for suspended in result.suspended:
        kept = shown[suspended.node_id].suspended
        if len(kept) < RECORDS_MAX:
            kept.append(suspended)
    return list(shown.values())


@dataclass(frozen=True, slots=True)
class _Unremembering:
    """A snapshot that knows meters and stores, and nothing of what has been read before."""

    _snapshot: RunSnapshot

    def meters(self, meter_key: str) -> MeterSource:
        return self._snapshot.meters(meter_key)

    def consumed(self, node_id: str) -> Mapping[str, ConsumedFile]:
        return {}

    def positions(self, node_id: str) -> Mapping[str, JsonValue]:
        return {}

    def requeued(self) -> Sequence[Requeued]:
        return ()

    def seen(self, node_id: str, digests: pl.Series, *, at: Instant) -> pl.Series:
        return uniform(len(digests), value=False)

    def keys_of_day(self, node_id: str, day: Instant, *, at: Instant) -> Sequence[bytes]:
        return ()

    def script_store(self, node_id: str) -> Mapping[str, JsonValue]:
        return self._snapshot.script_store(node_id)

    def table_version(self, name: str, number: int | None) -> TableVersion | None:
        return self._snapshot.table_version(name, number)

    def sessions(
        self, node_id: str, scope: str, *, keys: Collection[str], at: Instant
    ) -> Sequence[AggregateSession]:
        return ()

    def due_sessions(self, node_id: str, scope: str, *, at: Instant) -> Sequence[AggregateSession]:
        return ()


class _NoSpools:
    """Outputs of a preview go nowhere."""

    def open(self, run_id: str, node_id: str, *, part: int | None = None) -> Spool:
        return _NoSpool()


class _NoSpool:
    def write(self, records: Sequence[Record]) -> None:
        pass

    def finish(
        self,
        *,
        format: str,
        gzip: bool = False,
        formula_safe: bool = False,
        bytes_max: int | None = None,
        columns: Sequence[FileColumn] = (),
    ) -> str:
        return ""

    def discard(self) -> None:
        pass
