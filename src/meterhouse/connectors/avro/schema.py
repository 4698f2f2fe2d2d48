"""Which Avro schemas the columnar decoder reads rightly, as tried; it breaks down on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = frozenset({"boolean", "int", "long", "float", "double", "bytes", "string"})
_LOGICAL = frozenset(
    {
        "date",
        "time-millis",
        "time-micros",
        "timestamp-millis",
        "timestamp-micros",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "uuid",
    }
)
_DECIMAL_DIGITS_MAX = 38
_DECIMAL_BYTES_MAX = 16


def is_columnar(schema: Any) -> bool:
    """Whether a schema is a record of simple fields that Polars decodes exactly."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return False
    fields = schema.get("fields")
    return bool(fields) and all(
        isinstance(field, dict) and _is_simple(field.get("type")) for field in fields
    )


def _is_simple(kind: Any) -> bool:
    if isinstance(kind, list):
        others = [branch for branch in kind if branch != "null"]
        # A nullable enum makes the decoder panic.
        return len(kind) == 2 and len(others) == 1 and _is_scalar(others[0], enum=False)
    return _is_scalar(kind, enum=True)


def _is_scalar(kind: Any, *, enum: bool) -> bool:
    if not isinstance(kind, dict):
        return kind in _PLAIN
    base, logical = kind.get("type"), kind.get("logicalType")
    if base == "enum":
        return enum
    if base == "string" and logical != "decimal":
        return True  # Marks of texts change nothing: datetime and iso-date of datasets, say.
    if logical == "decimal":
        digits, size = kind.get("precision"), kind.get("size", 0)
        fits = isinstance(digits, int) and digits <= _DECIMAL_DIGITS_MAX
        return fits and base in ("bytes", "fixed") and size <= _DECIMAL_BYTES_MAX
    # Of texts, logical types that nobody knows change nothing; the decoder passes them by.
    ignored = logical is None or (base == "string" and isinstance(logical, str))
    return base in (*_PLAIN, "fixed") and (ignored or logical in _LOGICAL)


def is_record(schema: Any) -> bool:
    """Whether the values of a file are records at all."""
    return isinstance(schema, dict) and schema.get("type") == "record"


def has_endless_lists(schema: Any) -> bool:
    """Whether a list may have items that take no bytes: then nothing bounds how many it has.

    For schemas that are not recursive.
    """
    parts = list(_parts(schema))
    named: dict[str, list[Any]] = {}
    for part in parts:
        if isinstance(part.get("name"), str):
            named.setdefault(part["name"].rpartition(".")[2], []).append(part)
    return any(
        part.get("type") == "array" and _may_be_empty(part.get("items"), named) for part in parts
    )


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object that a schema is made of, fields among them."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _parts(branch)
    elif isinstance(schema, dict):
        yield schema
        for inner in ("type", "items", "values", "fields"):
            yield from _parts(schema.get(inner))


def _may_be_empty(schema: Any, named: Mapping[str, list[Any]]) -> bool:
    """Whether a value may take no bytes; a union, a number, a text and a list take one at least."""
    if isinstance(schema, str):
        known = named.get(schema.rpartition(".")[2], [])
        return schema == "null" or any(_may_be_empty(part, named) for part in known)
    if not isinstance(schema, dict):
        return False
    kind = schema.get("type")
    if kind == "fixed":
        return not schema.get("size")
    if kind in ("record", "error"):
        fields = [field for field in schema.get("fields") or () if isinstance(field, dict)]
        return all(_may_be_empty(field.get("type"), named) for field in fields)
    return kind != schema.get("name") and _may_be_empty(kind, named)


def is_recursive(schema: Any, within: frozenset[str] = frozenset()) -> bool:
    """Whether a type contains itself: its values may nest without end."""
    if isinstance(schema, str):
        return schema.rpartition(".")[2] in within
    if isinstance(schema, list):
        return any(is_recursive(branch, within) for branch in schema)
    if not isinstance(schema, dict):
        return False
    name = schema.get("name")
    if schema.get("type") in ("record", "error") and isinstance(name, str):
        within |= {name.rpartition(".")[2]}
    fields = schema.get("fields")
    types = [field.get("type") for field in fields or () if isinstance(field, dict)]
    inner = [schema.get(part) for part in ("type", "items", "values")]
    return any(is_recursive(part, within) for part in [*types, *inner])
