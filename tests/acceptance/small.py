"""A small world for acceptance tests: one meter type, a few meters, streams of a few nodes."""

import itertools
import json
from pathlib import Path
from typing import Any

from tests.cli.command import Meterhouse

STREAM = "Small"
CREATED = "2026-01-01T00:00:00Z"
JANUARY = "2026-01-20T12:00:00Z"
FEBRUARY = "2026-02-01T00:00:00Z"
MONTHLY = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}
TYPE = {"name": "Units", "category": "U", "aggregation": "sum", "resetSchedule": MONTHLY}
RULE = {"customName": "All", "ignoreCondition": True, "matchCategory": "U"}


def node(id: str, type: str, **params: Any) -> dict[str, Any]:
    """A node; its id is its name."""
    versions = {"readers/counter": 2, "transforms/deduplicate": 4, "transforms/map": 2}
    versions |= {"transforms/split": 3, "transforms/meter": 2}
    return {
        "id": id,
        "type": type,
        "schemaVersion": versions.get(type, 1),
        "name": id,
        "params": params,
    }


def reader(path: Path | str, **params: Any) -> dict[str, Any]:
    return node("Reader", "readers/file", path=str(path), **params)


def script(transform: str) -> dict[str, Any]:
    return node("Script", "transforms/script", transform=transform)


def meter(*rules: dict[str, Any], **params: Any) -> dict[str, Any]:
    return node("Meter", "transforms/meter", guidingRules=list(rules) or [RULE], **params)


def document(
    *nodes: dict[str, Any], more: tuple[dict[str, Any], ...] = (), edges: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A stream of nodes that follow one another; ``more`` nodes are joined by ``edges``."""
    pairs = [f"{a['id']} -> {b['id']}" for a, b in itertools.pairwise(nodes)]
    return {
        "name": STREAM,
        "nodes": [*nodes, *more],
        "edges": [_edge(text) for text in (*pairs, *edges)],
    }


def _edge(text: str) -> dict[str, Any]:
    source, _, target = text.partition(" -> ")
    source, _, port = source.partition(":")
    edge = {"id": text, "from": source, "to": target, "config": {}}
    return edge | ({"output": port} if port else {})


def set_up(
    meterhouse: Meterhouse,
    stream: dict[str, Any],
    *,
    users: tuple[str, ...] = ("ann", "bob"),
    **type_fields: Any,
) -> str:
    """Create the type, import the stream and create a meter for each user; the meter key."""
    types = json.dumps(TYPE | type_fields)
    meterhouse.done("meter-type", "create", "--file", "-", given=types)
    key = meterhouse.import_stream("-", given=json.dumps(stream))["Meter"]
    meters = [{"userId": user, "meterKey": key, "meterTypeId": "Units"} for user in users]
    meterhouse.done("meter", "create", "--file", "-", "--at", CREATED, given=json.dumps(meters))
    return key


def run(meterhouse: Meterhouse, *, at: str = JANUARY) -> dict[str, Any]:
    """Run the stream; its counts by name of node."""
    [ended] = meterhouse.json("stream", "run", STREAM, "--at", at, "--seed", 1)
    return {node["name"]: node for node in ended["nodes"]}


def values(meterhouse: Meterhouse, key: str) -> dict[str, Any]:
    """The value of each user's meter."""
    return {meter["userId"]: meter["value"] for meter in meterhouse.json("inspect", key)}


def suspended(meterhouse: Meterhouse) -> list[tuple[str, int]]:
    """Reason and offset of what waits in Data Correction."""
    entries = meterhouse.json("correction", "list")
    return [(entry["reason"], entry["offset"]) for entry in entries]
