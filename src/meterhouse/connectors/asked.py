"""What a stream asks of one input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from meterhouse.streams.ports import ReadChunk


@dataclass(frozen=True, slots=True)
class Asked:
    """The number of the source, the types of fields, and the fields that anything looks at.

    ``remark`` is told what looks wrong with the input.
    """

    source: int
    declared: Mapping[str, str] = field(default_factory=dict)
    needed: frozenset[str] | None = None
    remark: Callable[[str], None] | None = None

    def keeps(self, name: str) -> bool:
        """Whether a field must be read: declared ones are, for they may not be of their type."""
        return self.needed is None or name in self.needed or name in self.declared

    def pruned(self, chunk: ReadChunk) -> ReadChunk:
        """Leave out the columns that nothing looks at; rows are few, they stay as they are."""
        if self.needed is None or not chunk.batch.columnar:
            return chunk
        columns = {name: c for name, c in chunk.batch.columns().items() if self.keeps(name)}
        return ReadChunk(chunk.batch.with_columns(columns), chunk.unreadable)
