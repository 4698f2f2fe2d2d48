"""What leaves a mapping that may keep the fields of its records: in rows and in columns alike.

Kept fields come first, then values are put at their targets. A value that is missing takes the
field away that stood at its target. Inside of an object, the other members stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.engine.column import Column
from meterhouse.streams.distinct_rows import kinds_of
from meterhouse.streams.target import Branch, TargetPath, grow, grown, put


@dataclass(frozen=True)
class MappedRecord:
    """``targets`` of the values, in order; the fields that are ``dropped`` of those kept."""

    targets: tuple[TargetPath, ...]
    keeps: bool = False
    dropped: tuple[TargetPath, ...] = ()

    def kept(self, name: str) -> bool:
        """Whether a field of the incoming record may be in the outgoing one."""
        return self.keeps and name not in self._gone

    @cached_property
    def _gone(self) -> frozenset[str]:
        return frozenset(".".join(path) for path in (*self.targets, *self.dropped))

    def row(self, record: Record, values: Sequence[JsonValue]) -> Record:
        """Return the outgoing record; the incoming one stays as it is."""
        made = {n: v for n, v in record.items() if self.kept(n) and v is not None}
        changes = self._changes(values)
        for name in dict.fromkeys(path[0] for path, _ in changes):
            inside = [(path[1:], value) for path, value in changes if path[0] == name]
            value = _changed(made.pop(name, None), inside)
            if value is not None:
                made[name] = value
        return made

    def columns(
        self, columns: Mapping[str, Column], values: Sequence[Column], *, length: int
    ) -> dict[str, Column]:
        """Return the same for a batch: its columns, and one column for each target."""
        made = {name: column for name, column in columns.items() if self.kept(name)}
        inside = [path for path in self.dropped if len(path) > 1 and path[0] in made]
        for name in dict.fromkeys(path[0] for path in (*inside, *self.targets)):
            old = made.pop(name, None)
            new = [(p, c) for p, c in zip(self.targets, values, strict=True) if p[0] == name]
            # A target that is the field itself has taken the old one away already.
            if old is None:
                column = _object(new)
            else:
                column = self._within(name, old, [column for _, column in new], length=length)
            if column.null_count() < length:
                made[name] = column
        return made

    def _changes(self, values: Sequence[JsonValue]) -> list[tuple[TargetPath, JsonValue]]:
        """What is put where: nothing for dropped fields, then the last values that are there."""
        last: dict[TargetPath, JsonValue] = {}
        for path, value in zip(self.targets, values, strict=True):
            last[path] = value if value is not None else last.get(path)
        dropped = [(path, None) for path in self.dropped] if self.keeps else []
        return [*dropped, *last.items()]

    def _within(self, name: str, old: Column, values: Sequence[Column], *, length: int) -> Column:
        """Change an object that is kept, once for each distinct combination."""
        narrow = MappedRecord(
            tuple(path for path in self.targets if path[0] == name),
            keeps=True,
            dropped=tuple(path for path in self.dropped if path[0] == name),
        )
        sides = [old, *values]
        kinds = kinds_of(sides, length)
        if kinds is not None:
            sides = [side.gather(kinds[0]) for side in sides]
        rows = zip(*(side.to_values() for side in sides), strict=True)
        made = [narrow.row({name: first}, rest).get(name) for first, *rest in rows]
        column = Column.from_values(made)
        return column if kinds is None else column.gather(kinds[1])


def _object(new: Sequence[tuple[TargetPath, Column]]) -> Column:
    tree: dict[str, Branch] = {}
    for path, column in new:
        grow(tree, path, column)
    (branch,) = tree.values()
    return grown(branch)


def _changed(old: JsonValue, changes: Sequence[tuple[TargetPath, JsonValue]]) -> JsonValue:
    """Return a value with members taken away and set; an empty path is the value itself."""
    for path, value in changes:
        if not path:
            old = value
        elif isinstance(old, Mapping):
            old = _with_member(old, path, value)
        elif value is not None:
            old = {}
            put(old, path, value)
    return old


def _with_member(old: Mapping[str, JsonValue], path: TargetPath, value: JsonValue) -> Record:
    name, *rest = path
    made = dict(old)
    inner = _changed(made.pop(name, None), [(tuple(rest), value)])
    if inner is not None:
        made[name] = inner
    return made
