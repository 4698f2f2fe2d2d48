"""Which Avro schemas the columnar decoder reads rightly, as tried; it breaks down on others."""

from __future__ import annotations

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
    if logical == "decimal":
        digits, size = kind.get("precision"), kind.get("size", 0)
        fits = isinstance(digits, int) and digits <= _DECIMAL_DIGITS_MAX
        return fits and base in ("bytes", "fixed") and size <= _DECIMAL_BYTES_MAX
    return base in (*_PLAIN, "fixed") and (logical is None or logical in _LOGICAL)


def is_record(schema: Any) -> bool:
    """Whether the values of a file are records at all."""
    return isinstance(schema, dict) and schema.get("type") == "record"


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
