"""Stream documents and meters for tests, made with few words."""

import itertools
from decimal import Decimal
from typing import Any

from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import Record
from meterhouse.engine.source import State
from meterhouse.streams.graph import StreamGraph, load_graph
from meterhouse.streams.record import RunResult
from meterhouse.streams.run import execute
from meterhouse.streams.world import RunFacts, Services
from tests.streams.meters import KEY, a_meter
from tests.streams.twins import Files, Scripts, Snapshot, Spools

AT = parse_instant("2026-01-15T12:00:00Z")


VERSIONS = {
    "readers/counter": 2,
    "transforms/deduplicate": 4,
    "transforms/map": 2,
    "transforms/xmap": 3,
    "transforms/split": 3,
    "transforms/meter": 2,
}


def node(id: str, type: str, name: str | None = None, **params: Any) -> Record:
    version = VERSIONS.get(type, 1)
    head = {"id": id, "type": type, "schemaVersion": version, "name": name or id}
    return {**head, "params": params, "x": 1, "y": 2}


def edge(path: str) -> Record:
    """``a:port -> b`` or ``a -> b``."""
    source, target = (part.strip() for part in path.split("->"))
    source, _, port = source.partition(":")
    made = {"id": path, "from": source, "to": target, "config": {}}
    return made | ({"output": port} if port else {})


def document(nodes: list[Record], *edges: str, name: str = "Test stream") -> Record:
    return {"name": name, "nodes": nodes, "edges": [edge(path) for path in edges]}


def chain(*nodes: Record) -> Record:
    """A document whose nodes follow one another."""
    pairs = itertools.pairwise(nodes)
    return document(list(nodes), *(f"{a['id']} -> {b['id']}" for a, b in pairs))


def reader(**params: Any) -> Record:
    return node("in", "readers/file", path="*", **params)


def noop(id: str = "end") -> Record:
    return node(id, "writers/noop")


def meter_node(id: str = "meter", **params: Any) -> Record:
    rule = {"customName": "All", "ignoreCondition": True, "matchCategory": "api"}
    return node(id, "transforms/meter", **{"guidingRules": [rule], "flushType": "TIMEOUT"} | params)


def facts(**changes: Any) -> RunFacts:
    given = {"id": "run-1", "at": AT, "seed": 7, "meter_keys": {"meter": KEY}}
    return RunFacts(**given | changes)


def run(
    graph: Record | StreamGraph,
    records: list | Files = (),
    *,
    snapshot: Snapshot | None = None,
    scripts: Scripts | None = None,
    spools: Spools | None = None,
    columnar: bool = False,
    services: Services | None = None,
    **changes: Any,
) -> RunResult:
    files = (
        records if isinstance(records, Files) else Files({"a": list(records)}, columnar=columnar)
    )
    services = services or Services(files, spools or Spools(), scripts)
    graph = graph if isinstance(graph, StreamGraph) else load_graph(graph)
    return execute(graph, facts(**changes), snapshot=snapshot or Snapshot(), services=services)


def counts(result: RunResult, id: str) -> dict[str, Any]:
    found = next(count for count in result.nodes if count.id == id)
    api = found.to_api()
    api["out"] = {port: count for port, count in api["out"].items() if count}
    return {key: api[key] for key in api if key not in ("id", "name", "type") and api[key]}


def passed(
    node_under_test: Record, records: list[Record], *ports: str, columnar: bool = False, **more: Any
) -> tuple[dict[str, list[Record]], RunResult]:
    """Run records through one node; what left by each port, and the result."""
    ports = ports or ("out",)
    id_ = node_under_test["id"]
    writers = [node(f"to {port}", "writers/file", path=f"{port}.ndjson") for port in ports]
    plain = ports == ("out",)
    edges = [f"{id_}{'' if plain else ':' + port} -> to {port}" for port in ports]
    spools = Spools()
    stream = document([reader(), node_under_test, *writers], f"in -> {id_}", *edges)
    result = run(stream, records, spools=spools, columnar=columnar, **more)
    written = {port: spools.opened.get(f"to {port}") for port in ports}
    return {port: spool.records if spool else [] for port, spool in written.items()}, result


def state(*user_ids: str, category: str = "api", **changes: Any) -> State:
    """A state with one meter a user, created at the start of 2026."""
    return State.from_meters(
        a_meter(no, user_id, category=category, **changes) for no, user_id in enumerate(user_ids, 1)
    )


def dec(text: str) -> Decimal:
    return Decimal(text)
