"""Fields that nodes count on and that no record had: most often a name that is written wrong.

It costs little: a field is looked for in few records first, and no more once a record had it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from meterhouse.core.json_text import field_value
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.graph import StreamGraph
from meterhouse.streams.nodes.node import Needed

#: So many records are looked at before all of a batch are.
_FIRST_RECORDS = 1_000


class AbsentFields:
    """By node, the fields of its parameters that were in none of its records so far."""

    def __init__(self, graph: StreamGraph, needs: Callable[[str], Needed]) -> None:
        self._absent: dict[str, list[str]] = {}
        for node in graph.nodes:
            read = needs(node.id)
            paths = dict.fromkeys(path for path in node.params.expects() if _is_read(path, read))
            if paths:
                self._absent[node.id] = list(paths)

    def see(self, node_id: str, batch: UsageBatch) -> None:
        """Look at records that come into a node."""
        absent = self._absent.get(node_id)
        for records in (batch.slice(0, _FIRST_RECORDS), batch) if absent else ():
            absent = [path for path in absent or () if not _has(records, path)]
            if not absent:
                break
        if absent is not None:
            self._absent[node_id] = absent

    def of(self, node_id: str) -> list[str]:
        """Return the fields that no record of a node had."""
        return self._absent.get(node_id, [])


def absence(paths: Iterable[str], *, records: int) -> str:
    """Say which fields were missing.

    >>> absence(["idd"], records=6), absence(["a", "b"], records=1)
    ('the field idd was in none of 6 records', 'the fields a, b were not in the only record')
    """
    names = list(paths)
    fields = (
        f"the field {names[0]} was" if len(names) == 1 else f"the fields {', '.join(names)} were"
    )
    none = "not in the only record" if records == 1 else f"in none of {records:,} records"
    return f"{fields} {none}"


def _is_read(path: str, read: Needed) -> bool:
    """Whether readers bring a field: what nothing looks at, they may leave out."""
    return read is None or path in read or path.partition(".")[0] in read


def _has(batch: UsageBatch, path: str) -> bool:
    if batch.columnar:
        return batch.column(path).null_count() < len(batch)
    return any(field_value(record, path) is not None for record in batch.rows())
