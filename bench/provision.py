"""What the product needs before it can run the job: meter types, stream documents, meters.

Bodies are those of the API; the stream is in the export format of streams. Ids of meter types and
the meter key exist only after creation and import, so `write_meters` takes them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from bench import job

METER_NODE = "Meter"

_NAMESPACE = uuid.UUID("5b0c3d52-6f0e-5d0b-9d5e-3f1f5a3c7a10")
_KEPT = ("userId", "timestamp", "model", "level", "app", "region", "session", "stream")


def _id(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def meter_types() -> list[dict[str, Any]]:
    """One sum meter type per category, monthly in UTC, with one threshold."""
    return [
        {
            "name": f"Tokens {category.name}",
            "description": "Benchmark",
            "externalRef": f"bench-{category.name}",
            "unit": "token",
            "category": category.name,
            "aggregation": {"type": "sum"},
            "resetSchedule": {
                "minute": "0",
                "hour": "0",
                "day": "1",
                "month": "*",
                "weekday": "*",
            },
            "timezone": "Etc/UTC",
            "thresholds": [{"name": "limit", "absoluteValue": category.limit}],
        }
        for category in job.CATEGORIES
    ]


def _rule(rule: job.Rule) -> dict[str, Any]:
    carries = [{"field": name, "operation": "carry-first"} for name in job.CARRY_FIRST]
    carries += [{"field": name, "operation": "carry-last"} for name in job.CARRY_LAST]
    return {
        "customName": rule.category,
        "ignoreCondition": not rule.conditions,
        "conditionRelation": rule.relation,
        "conditions": [
            {"customName": "", "field": field, "value": value} for field, value in rule.conditions
        ],
        "matchCategory": rule.category,
        "groupBy": [{"fields": list(section)} for section in job.SECTIONS],
        "otherOperations": carries,
    }


def node(kind: str, version: int, name: str, params: dict[str, Any], place: int) -> dict[str, Any]:
    """One node; its id is made of its name."""
    return {
        "id": _id(name),
        "type": kind,
        "schemaVersion": version,
        "name": name,
        "params": params,
        "x": 200 * place,
        "y": 0,
    }


def edge(source: str, target: str, output: str | None = None) -> dict[str, Any]:
    """An edge between two nodes, by their names."""
    port = {} if output is None else {"output": output}
    ends = {"from": _id(source), "to": _id(target)}
    return {"id": _id(f"{source} -> {target}"), **ends, **port, "config": {}}


def stream(name: str, path: str, form: str) -> dict[str, Any]:
    """The graph: file, map, meter, and nothing done with what comes out."""
    mappings = [{field: field} for field in _KEPT] + [{"value": "tokens"}]
    meter = {
        "flushType": "TIMEOUT",
        "guidingRules": [_rule(rule) for rule in job.RULES],
        "multiOutput": {
            "fixed": {
                "reset": {"id": _id("port reset")},
                "threshold": {"id": _id("port threshold")},
            }
        },
        "suspenseManagement": {
            "enabled": True,
            "abortOnDisabled": False,
            "eventThreshold": 10_000_000,
            "onThresholdExceeded": "ABORT",
            "resetOnValidEvent": True,
        },
    }
    return {
        "name": name,
        "nodes": [
            node("readers/file", 1, "Usage", {"path": path, "format": form}, 0),
            node("transforms/map", 2, "Fields", {"mappings": mappings}, 1),
            node("transforms/meter", 2, METER_NODE, meter, 2),
            node("writers/noop", 1, "Golden", {}, 3),
            node("writers/noop", 1, "Crossed", {}, 4),
        ],
        "edges": [
            edge("Usage", "Fields"),
            edge("Fields", METER_NODE),
            edge(METER_NODE, "Golden", _id("port reset")),
            edge(METER_NODE, "Crossed", _id("port threshold")),
        ],
        "nodeGroups": [],
    }


def write_json(path: Path, value: object) -> Path:
    """Write one JSON document."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return path


def write_meters(
    path: Path, meters: pl.DataFrame, *, meter_key: str, type_ids: Mapping[str, str]
) -> Path:
    """Write one API body a line; `type_ids` is the meter type's id by category."""
    bodies = meters.select(
        "userId",
        meterKey=pl.lit(meter_key),
        meterTypeId=pl.col("category").replace_strict(dict(type_ids)),
    )
    bodies.write_ndjson(path)
    return path
