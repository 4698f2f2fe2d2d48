"""What a node type says of itself: title, summary, kind, and its parameters as a JSON Schema.

The reader of a type stays the judge of its parameters; what is here is for whoever draws, writes
or documents a node. A member that is ``null`` counts as absent, so schemas do not name null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from meterhouse.core.json_text import JsonValue, canonical_text, json_text, parse_json
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.streams.nodes.node import READERS, TRANSFORMS, WRITERS, NodeType
from meterhouse.streams.nodes.parameter_names import schema_file

#: What a type is to whoever draws it, by how its name begins.
KINDS = {READERS: "collector", TRANSFORMS: "processor", WRITERS: "forwarder"}
_FIELDS = ("title", "summary", "kind", "params")


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """A node type as the API, the command line and the designer show it.

    ``package`` is the distribution that brings it; ``None`` where it is our own.
    """

    type: NodeType
    title: str
    summary: str
    kind: str
    params: Mapping[str, Any]
    package: str | None = None

    def to_api(self) -> dict[str, JsonValue]:
        """Return the body that the API answers with."""
        return {
            "type": self.type.name,
            "id": type_id(self.type.name),
            "versions": sorted(self.type.versions),
            "kind": self.kind,
            "title": self.title,
            "summary": self.summary,
            "package": self.package,
            "params": self.params,
        }


def type_id(name: str) -> str:
    """Return the name of a type without its slash: paths and files are named by it.

    >>> type_id("transforms/meter")
    'transforms.meter'
    """
    return name.replace("/", ".")


def read_description(
    type_: NodeType, body: object, *, package: str | None = None
) -> tuple[NodeDescription | None, list[Problem]]:
    """Read the document of a type: its description, or all that is wrong with it."""
    reading = Reading(body, known=_FIELDS, what="description of a node type")
    title, summary = reading.text("title", required=True), reading.text("summary", required=True)
    kind = next((kind for start, kind in KINDS.items() if type_.name.startswith(start)), "")
    if (given := reading.body.get("kind")) != kind:
        reading.fail("kind", missing_or_shown(given), f"a type of this name is a {kind}")
    params = reading.json_object("params")
    if fault := _schema_fault(params):
        reading.fail("params", fault, "give a JSON Schema (2020-12) with at least one example")
    if reading.problems:
        return None, reading.problems
    return NodeDescription(type_, title or "", summary or "", kind, params, package), []


def _schema_fault(params: Mapping[str, Any]) -> str | None:
    """Say why it is no schema of parameters; nothing where it is one."""
    # Here, because nobody needs it who only reads a stream.
    import jsonschema_rs

    if params.get("type") != "object":
        return f"has the type {shown(params.get('type'))}, not object"
    try:
        validator = jsonschema_rs.Draft202012Validator(json_text(params), offline=True)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        return f"is no JSON Schema: {str(error).partition(chr(10))[0]}"
    examples = params.get("examples")
    if not isinstance(examples, list) or not examples:
        return "has no examples"
    faults = (next(validator.iter_errors(example), None) for example in examples)
    fault = next(filter(None, faults), None)
    return None if fault is None else f"refuses its own example: {fault.message}"


@cache
def own_description(type_: NodeType) -> NodeDescription:
    """Return the description of a type of ours, from the file beside it."""
    body = parse_json(schema_file(type_.name))
    found, problems = read_description(type_, body)
    assert found is not None, (
        f"{type_.name}: {canonical_text([str(problem) for problem in problems])}"
    )
    return found
