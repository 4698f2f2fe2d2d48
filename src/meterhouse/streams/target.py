"""Targets of mappings: where a value goes in a record. Dotted ones make objects.

Where several values go to one target, the last one that is there counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import polars as pl

from meterhouse.core.json_text import JsonValue, Record, json_text
from meterhouse.core.reading import Reading
from meterhouse.engine.column import Column, ColumnKind, overlaid_codes

DEPTH_MAX = 20

#: A target without its dots: names from the outside in.
TargetPath = tuple[str, ...]


def read_target(text: str) -> TargetPath | None:
    """Return the path that a target names; ``None`` where it names none.

    >>> read_target("a.b"), read_target("a.")
    (('a', 'b'), None)
    """
    path = tuple(text.split("."))
    return path if all(path) and len(path) <= DEPTH_MAX else None


def refuse_overlaps(reading: Reading, paths: Sequence[TargetPath]) -> None:
    """Note targets that lie inside of others."""
    known = set(paths)
    for path in dict.fromkeys(paths):
        for depth in range(1, len(path)):
            if path[:depth] in known:
                inner, outer = ".".join(path), ".".join(path[:depth])
                reading.fail(
                    "mappings",
                    f'maps both "{outer}" and "{inner}", which lies inside of it',
                    "rename one of the targets",
                )


def put(record: Record, path: TargetPath, value: JsonValue) -> None:
    """Set a value, making the objects that it lies in."""
    for name in path[:-1]:
        record = record.setdefault(name, {})
    record[path[-1]] = value


#: What stands at one name of the target: columns of one field, or the members of an object.
Branch = list[Column] | dict[str, "Branch"]


def grow(tree: dict[str, Branch], path: TargetPath, column: Column) -> None:
    """Add a column to those that stand at a path."""
    for name in path[:-1]:
        inner = tree.setdefault(name, {})
        assert isinstance(inner, dict)
        tree = inner
    leaf = tree.setdefault(path[-1], [])
    assert isinstance(leaf, list)
    leaf.append(column)


def grown(branch: Branch) -> Column:
    """Return what stands at a name as one column."""
    if isinstance(branch, list):
        return reduce(overlaid, branch)
    return _object_column({name: grown(inner) for name, inner in sorted(branch.items())})


def overlaid(earlier: Column, later: Column) -> Column:
    """Return the later value where there is one, the earlier one elsewhere."""
    if not later.null_count():
        return later
    if earlier.coded is not None and later.coded is not None:
        return Column.of_codes(overlaid_codes(earlier.coded, later.coded))
    same = earlier.kind is later.kind and earlier.values.dtype == later.values.dtype
    kind = later.kind if same else ColumnKind.JSON
    first, second = (column.values if same else column.canonical() for column in (later, earlier))
    return Column(kind, first.zip_with(first.is_not_null(), second))


def _object_column(members: Mapping[str, Column]) -> Column:
    """Objects as canonical JSON texts; null where a record has none of the members."""
    parts = [
        (pl.lit(f",{json_text(name)}:") + pl.lit(column.canonical())).fill_null("")
        for name, column in members.items()
    ]
    joined = pl.concat_str(parts)
    text = pl.when(joined != "").then(pl.lit("{") + joined.str.slice(1) + pl.lit("}"))
    return Column(ColumnKind.JSON, pl.select(text.alias("text"))["text"])
