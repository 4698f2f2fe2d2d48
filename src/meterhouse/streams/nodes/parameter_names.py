"""The names of parameters that a node type knows: its schema has them, and no other list does.

Where the schema says ``additionalProperties: false``, a name that it does not have is a problem: a
misspelt parameter would count as absent, and nobody would be told. Names that exports of others
hold and nothing here uses stand in the schema as ``deprecated``: they pass, and are not advertised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading
from meterhouse.streams.nodes.node import NodeParams, NodeType

_ALSO = ("allOf", "anyOf", "oneOf")
_SOMETIMES = ("then", "else")
_DEFS = "#/$defs/"
Schema = Mapping[str, Any]


def read_params(type_: NodeType, reading: Reading) -> NodeParams | None:
    """Read the parameters of a node, unknown names among what is wrong with them."""
    params = type_.read(reading)
    told = {problem.place for problem in reading.problems}
    root = _schema(type_)
    unknown = _unknown(reading.body, root, root, f"{type_.name} node")
    reading.problems += [problem for problem in unknown if problem.place not in told]
    return None if reading.problems else params


def schema_file(type_name: str) -> bytes:
    """Return the document that lies beside the types of ours."""
    name = f"{type_name.replace('/', '.')}.json"
    return (files("meterhouse.streams.nodes") / "schemas" / name).read_bytes()


@cache
def _schema(type_: NodeType) -> Schema:
    # Nothing is checked here: who reads a stream wants the names only.
    body = parse_json(schema_file(type_.name)) if type_.schema is None else type_.schema
    params = body.get("params") if isinstance(body, Mapping) else None
    return params if isinstance(params, Mapping) else {}


def _unknown(value: JsonValue, schema: Schema, root: Schema, what: str) -> Iterator[Problem]:
    """Yield every name inside of a value that its schema does not have."""
    layers = list(_layers(schema, root))
    if isinstance(value, Mapping):
        yield from _unknown_members(value, layers, root, what)
    elif isinstance(value, list):
        items = {"allOf": [layer["items"] for layer in layers if "items" in layer]}
        for position, item in enumerate(value):
            for problem in _unknown(item, items, root, f"item of {what}"):
                yield problem.at(f"[{position}]")


def _unknown_members(
    value: Mapping[str, Any], layers: list[Schema], root: Schema, what: str
) -> Iterator[Problem]:
    known: dict[str, list[Schema]] = {}
    others: list[Schema] = []
    for layer in layers:
        for name, part in _properties(layer).items():
            known.setdefault(name, []).append(part)
        if isinstance(rest := layer.get("additionalProperties"), Mapping):
            others.append(rest)
    if any(layer.get("additionalProperties") is False for layer in layers):
        reading = Reading(value)
        used = [name for name, parts in known.items() if not any(map(_deprecated, parts))]
        reading.only(used, what=what, read_only=known, hint="" if used else "it has no parameters")
        yield from reading.problems
    for name, inner in value.items():
        for problem in _unknown(inner, {"allOf": known.get(name, others)}, root, str(name)):
            yield problem.at(str(name))


def _deprecated(part: Schema) -> bool:
    return bool(part.get("deprecated"))


def _properties(layer: Schema) -> Mapping[str, Any]:
    found = layer.get("properties")
    return found if isinstance(found, Mapping) else {}


def _layers(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield a schema and all that may be said of the same value elsewhere in it."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(_DEFS):
        yield from _layers(root.get("$defs", {}).get(reference.removeprefix(_DEFS), {}), root)
    for key in _ALSO:
        for branch in schema.get(key, ()):
            yield from _layers(branch, root)
    for key in _SOMETIMES:
        if key in schema:
            yield from _layers(schema[key], root)
