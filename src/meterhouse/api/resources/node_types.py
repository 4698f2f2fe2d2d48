"""The catalogue of node types: what each is for, and its parameters as a JSON Schema."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from meterhouse.api.answer import answer
from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Resource, needs, one
from meterhouse.api.schemas import COUNT, FREE_OBJECT, TEXT, Schema, array, nullable, ref, whole
from meterhouse.streams.nodes.catalogue import described_type, described_types

PATH = "/v1/node-types"
SCHEMAS: dict[str, Schema] = {
    "NodeType": whole(
        {
            "type": {**TEXT, "examples": ["transforms/meter"]},
            "id": {
                **TEXT,
                "description": "The type with a dot for the slash",
                "examples": ["transforms.meter"],
            },
            "versions": {**array(COUNT), "description": "The schemaVersions that are understood"},
            "kind": {"enum": ["collector", "processor", "forwarder"]},
            "title": TEXT,
            "summary": TEXT,
            "package": {
                **nullable(TEXT),
                "description": "The distribution that brings it; none where it is our own",
            },
            "params": {
                **FREE_OBJECT,
                "description": "A JSON Schema (2020-12) of the parameters, with examples. A member"
                " that is null counts as absent",
            },
        }
    ),
    "NodeTypeList": whole({"nodeTypes": array(ref("NodeType"))}),
}
resource = Resource("Node types", about="What streams are made of", schemas=SCHEMAS)


@resource.get(PATH, guard=needs("read:streams"), answers=one("Every type of nodes", "NodeTypeList"))
def list_node_types(call: ThisCall) -> Response:
    """List the types of nodes that this server has, those of installed packages too."""
    return answer({"nodeTypes": [found.to_api() for found in described_types()]})


@resource.get(
    PATH + "/{type}",
    guard=needs("read:streams"),
    answers=one("The type", "NodeType"),
    refusals=(404,),
)
def get_node_type(
    call: ThisCall,
    type: Annotated[str, Path(description="With a dot for the slash", examples=["transforms.map"])],
) -> Response:
    """Read a type of nodes."""
    return answer(described_type(type).to_api())
