"""Schemas of the API's description: small words for JSON Schema, and what all operations share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
#: A text that may not be empty.
NAME: Schema = {"type": "string", "minLength": 1}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ANYTHING: Schema = {}
INSTANT: Schema = {
    "type": "string",
    "description": "ISO 8601; without a zone it is UTC",
    "examples": ["2026-01-31T00:00:00Z"],
}
FREE_OBJECT: Schema = {"type": "object", "additionalProperties": True}
CURSOR: Schema = {"type": ["string", "null"], "description": "Of the next page, if there is one"}


def ref(name: str) -> Schema:
    """Return a reference to a schema among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """Return a schema that also lets ``null`` pass."""
    if "type" in schema and "enum" not in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*types, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema, *, items_max: int | None = None) -> Schema:
    """Return the schema of a list."""
    schema: Schema = {"type": "array", "items": items}
    return schema if items_max is None else {**schema, "maxItems": items_max}


def closed(
    properties: Mapping[str, Schema], *, required: tuple[str, ...] = (), about: str = ""
) -> Schema:
    """Return the schema of an object that has these members and no others."""
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
    if required:
        schema["required"] = list(required)
    return schema | ({"description": about} if about else {})


def whole(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an answer: all its members are there, except the optional ones."""
    required = tuple(name for name in properties if name not in optional)
    return closed(properties, required=required)


def page(name: str, items: Schema, *, cursor: str = "next_cursor") -> Schema:
    """Return the schema of one page of a list."""
    return whole({name: array(items), cursor: CURSOR})


PROBLEM: Schema = closed(
    {
        "type": {**TEXT, "format": "uri", "description": "Stable; the code is its last part"},
        "title": TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {**TEXT, "description": "Stable, for programs"},
        "detail": TEXT,
        "hint": {**TEXT, "description": "What to do about it"},
        "errors": array(ref("ProblemError")),
        "requestId": TEXT,
        "error": {**TEXT, "description": "The code of RFC 6749, at the token endpoint"},
        "error_description": TEXT,
    },
    required=("type", "title", "status", "code", "detail"),
    about="A problem document (RFC 9457)",
)
PROBLEM_ERROR: Schema = closed(
    {
        "pointer": {**TEXT, "description": "JSON Pointer (RFC 6901) into the body"},
        "parameter": {**TEXT, "description": "The parameter, where it is none of the body"},
        "detail": TEXT,
        "hint": TEXT,
    },
    required=("detail",),
)
SHARED: Mapping[str, Schema] = {"Problem": PROBLEM, "ProblemError": PROBLEM_ERROR}
