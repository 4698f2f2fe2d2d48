"""``transforms/map`` (field organizer): only mapped fields leave, under their new names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.json_text import Record, field_value
from meterhouse.core.reading import Reading, shown
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column
from meterhouse.streams.nodes.node import (
    OUT,
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    record_fields,
)
from meterhouse.streams.target import (
    Branch,
    TargetPath,
    grow,
    grown,
    put,
    read_target,
    refuse_overlaps,
)

MAPPINGS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class MapParams(NodeParams):
    """``mappings``: target path and source path, in order.

    Where several name one target, the last one whose source is there gives the value.
    """

    mappings: tuple[tuple[TargetPath, str], ...]

    def open(self, site: NodeSite) -> NodeRun:
        """Start mapping."""
        return _Map(self)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The sources of those targets that are looked at."""
        wanted = after(OUT)
        sources = [source for path, source in self.mappings if wanted is None or path[0] in wanted]
        return record_fields(tuple(sources))

    def expects(self) -> Sequence[str]:
        """The sources; of a target that has several, any may be missing."""
        times = Counter(path for path, _ in self.mappings)
        return [source for path, source in self.mappings if times[path] == 1]


def _read(reading: Reading) -> MapParams | None:
    mappings: list[tuple[TargetPath, str]] = []
    items = reading.json_list("mappings", items_max=MAPPINGS_MAX)
    if not items and not reading.problems:
        reading.fail("mappings", "is empty", "map at least one field, or nothing would leave")
    for position, item in enumerate(items):
        place = f"mappings[{position}]"
        if not isinstance(item, Mapping) or len(item) != 1:
            reading.fail(
                place, f"is {shown(item)}", 'use one entry, such as {"userId": "customer"}'
            )
            continue
        target, source = next(iter(item.items()))
        if not isinstance(source, str) or not source:
            reading.fail(f"{place}.{target}", f"is {shown(source)}", "name a field by a text")
        elif (path := read_target(target)) is None:
            reading.fail(place, f"has the target {shown(target)}", "name each level, as in a.b")
        else:
            mappings.append((path, source))
    refuse_overlaps(reading, [path for path, _ in mappings])
    return None if reading.problems else MapParams(tuple(mappings))


TYPE = NodeType("transforms/map", frozenset({2}), _read)


class _Map(NodeRun):
    def __init__(self, params: MapParams) -> None:
        self._mappings = params.mappings

    def take(self, batch: UsageBatch) -> Outputs:
        if batch.columnar:
            return {OUT: batch.with_columns(self._columns(batch))}
        records = [self._record(record) for record in batch.rows()]
        return {OUT: UsageBatch.from_rows(records, batch.origins())}

    def _record(self, record: Record) -> Record:
        mapped: Record = {}
        for path, source in self._mappings:
            value = field_value(record, source)
            if value is not None:
                put(mapped, path, value)
        return mapped

    def _columns(self, batch: UsageBatch) -> dict[str, Column]:
        tree: dict[str, Branch] = {}
        for path, source in self._mappings:
            column = batch.column(source)
            if column.null_count() < len(batch):
                grow(tree, path, column)
        return {name: grown(branch) for name, branch in tree.items()}
