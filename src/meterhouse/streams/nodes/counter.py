"""``readers/counter``: the records ``{"value": 1}`` to ``{"value": max}``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from meterhouse.core.reading import Reading
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.nodes.node import NodeParams, NodeRun, NodeSite, NodeType
from meterhouse.streams.parameters import whole_number


@dataclass(frozen=True, slots=True)
class CounterParams(NodeParams):
    """``max``: how far it counts."""

    count_max: int

    def open(self, site: NodeSite) -> NodeRun:
        """Start counting."""
        return _Counter(self, site)


def _read(reading: Reading) -> CounterParams | None:
    if reading.body.get("max") is None:
        reading.fail("max", "is missing", "say how many records to make")
        return None
    count_max = whole_number(reading, "max", lowest=0)
    return None if count_max is None else CounterParams(count_max)


TYPE = NodeType("readers/counter", frozenset({2}), _read)


class _Counter(NodeRun):
    def __init__(self, params: CounterParams, site: NodeSite) -> None:
        self._site = site
        limit = site.world.facts.records_max
        self._count = params.count_max if limit is None else min(params.count_max, limit)

    def chunks(self) -> Iterator[UsageBatch]:
        world = self._site.world
        source = world.sources.add(f"counter {self._site.name}")
        for start in range(0, self._count, world.facts.chunk_records):
            length = min(world.facts.chunk_records, self._count - start)
            values = pl.int_range(start + 1, start + length + 1, eager=True)
            yield UsageBatch.from_columns(
                {"value": Column(ColumnKind.NUMBER, values)},
                length=length,
                source=source,
                first_offset=start,
            )
