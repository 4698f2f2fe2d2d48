"""Resolving columns to a reader's schema, by Avro's rules, where both schemas are simple.

What is not sure to come out as Avro's own resolution has it is left to the library, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from meterhouse.connectors.avro.schema import is_columnar

#: Defaults of these are in a schema what they are in a record.
_SCALARS = {"string": str, "boolean": bool, "int": int, "long": int}
Resolution = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class _Field:
    """Where the values of a field come from: a column, or a default that is not null."""

    name: str
    column: int | None
    default: Any = None
    #: of an enum whose writer knows more: the symbols that the reader knows
    symbols: Sequence[str] | None = None

    def values(self, frame: pl.DataFrame) -> pl.Series:
        if self.column is None:
            return pl.Series(self.name, [self.default]).new_from_index(0, frame.height)
        values = frame.to_series(self.column)
        if self.symbols is None:
            return values.alias(self.name)
        texts = values.cast(pl.String)
        others = pl.Series([self.default]).new_from_index(0, frame.height)
        return texts.zip_with(texts.is_in(self.symbols), others).alias(self.name)


def resolution(writer: Any, reader: Mapping[str, Any]) -> Resolution | None:
    """Return what resolves columns; ``None`` where the library must, or must refuse."""
    if not (is_columnar(writer) and is_columnar(reader)) or _short(writer) != _short(reader):
        return None
    places = {field["name"]: number for number, field in enumerate(writer["fields"])}
    made: list[_Field] = []
    for field in reader["fields"]:
        number = next((places[name] for name in _names(field) if name in places), None)
        if number is None:
            found = _absent(field)
        else:
            found = _present(field, writer["fields"][number], number)
        if found is None:
            return None
        made.append(found)
    wanted = [field for field in made if field.column is not None or field.default is not None]
    if not wanted or len({field.column for field in wanted if field.column is not None}) < sum(
        field.column is not None for field in wanted
    ):
        return None
    return lambda frame: pl.DataFrame([field.values(frame) for field in wanted])


def _names(field: Mapping[str, Any]) -> list[str]:
    aliases = field.get("aliases") or []
    return [field["name"], *aliases]


def _absent(field: Mapping[str, Any]) -> _Field | None:
    """Fields that are null are not in a record at all."""
    if "default" not in field:
        return None
    default = field["default"]
    first = field["type"][0] if isinstance(field["type"], list) else field["type"]
    if default is None:
        return _Field(field["name"], None) if first == "null" else None
    kind = first.get("type") if isinstance(first, Mapping) else first
    if isinstance(first, Mapping) and kind != "string":
        return None  # A number that is marked may be an instant.
    return _Field(field["name"], None, default) if _is_scalar(default, kind) else None


def _is_scalar(value: Any, kind: Any) -> bool:
    wanted = _SCALARS.get(kind)
    return wanted is not None and type(value) is wanted


def _present(field: Mapping[str, Any], written: Mapping[str, Any], number: int) -> _Field | None:
    ours, theirs = _bare(field["type"]), _bare(written["type"])
    if _is_nullable(written["type"]) and not _is_nullable(field["type"]):
        return None
    if isinstance(ours, Mapping) and ours.get("type") == "enum":
        return _enum(field["name"], ours, theirs, number)
    return _Field(field["name"], number) if _kind(ours) == _kind(theirs) else None


def _enum(name: str, ours: Mapping[str, Any], theirs: Any, number: int) -> _Field | None:
    if not isinstance(theirs, Mapping) or theirs.get("type") != "enum":
        return None
    if _short(ours) != _short(theirs):
        return None
    if set(theirs["symbols"]) <= set(ours["symbols"]):
        return _Field(name, number)
    default = ours.get("default")
    return None if default is None else _Field(name, number, default, tuple(ours["symbols"]))


def _kind(type_: Any) -> Any:
    """Return what must be equal of two types: marks of texts change nothing."""
    if not isinstance(type_, Mapping):
        return type_
    parts = ("type", "logicalType", "precision", "scale", "size")
    found = {part: type_[part] for part in parts if part in type_}
    return found["type"] if found["type"] == "string" or len(found) == 1 else found


def _bare(type_: Any) -> Any:
    if isinstance(type_, list):
        return next(branch for branch in type_ if branch != "null")
    return type_


def _is_nullable(type_: Any) -> bool:
    return isinstance(type_, list) and "null" in type_


def _short(schema: Mapping[str, Any]) -> str:
    return str(schema.get("name")).rpartition(".")[2]
