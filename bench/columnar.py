"""What three nodes between file and meter cost: an expression, a filter and a look-up.

The same usage goes through two streams into meters of the same groups: once as it is, and once by
way of xmap, filter and lookup. The nodes work on columns, so they may cost at most half as much
again. Both are measured from process start to exit, the commit among it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from bench import job, meterhouse_run, provision
from bench.measure import Measured, measure, summary

#: The run with the nodes costs at most so many times the run without them.
RATIO_MAX = 1.5
_TABLE = "models"
_PLAIN, _NODES = "file → meter", "file → xmap → filter → lookup → meter"
_MAKER = "maker"


def run(
    work: Path, meters: pl.DataFrame, *, inputs: Path, rounds: int, log: Callable[[str], None]
) -> list[str]:
    """Measure both streams in turn; the lines of the report."""
    table = _table(work / "models.csv")
    prepared = {
        _PLAIN: _prepare(work / "plain", meters, inputs=inputs, graph=None, table=table),
        _NODES: _prepare(work / "nodes", meters, inputs=inputs, graph=with_nodes, table=table),
    }
    measured: dict[str, list[Measured]] = {name: [] for name in prepared}
    for number in range(rounds):
        for name, ready in prepared.items():
            data = meterhouse_run.fresh_copy(ready, work / "round")
            command = meterhouse_run.run_command(data)
            found = measure(command, meterhouse_run.environment())
            measured[name].append(found)
            log(f"round {number + 1}: {name}: {found.seconds:.2f} s, cpu {found.cpu_seconds:.2f} s")
    return [_table_of(measured), _counts(measured[_NODES][-1])]


def _table(path: Path) -> Path:
    """A look-up table of the models; each has a maker of its own, so that groups stay as many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{model},maker of {model}" for model in job.MODELS]
    path.write_text("\n".join([f"model,{_MAKER}", *rows, ""]), encoding="utf-8")
    return path


def _prepare(
    directory: Path,
    meters: pl.DataFrame,
    *,
    inputs: Path,
    graph: Callable[[dict[str, Any]], dict[str, Any]] | None,
    table: Path,
) -> meterhouse_run.Prepared:
    return meterhouse_run.prepare(
        directory, meters, inputs=str(inputs), form="parquet", change=graph, tables={_TABLE: table}
    )


def with_nodes(stream: dict[str, Any]) -> dict[str, Any]:
    """The stream of the benchmark with three nodes in place of its map."""
    nodes = {node["name"]: node for node in stream["nodes"]}
    meter = nodes[provision.METER_NODE]
    for rule in meter["params"]["guidingRules"]:
        for section in rule["groupBy"]:
            section["fields"] = [_MAKER if f == "model" else f for f in section["fields"]]
    kept = {"enabled": True, "except": ["eventId", "tokens"]}
    value = [{"field": "value", "expression": "2 * tokens"}]
    keys = [{"field": "model", "column": "model"}]
    between = [
        provision.node("transforms/xmap", 3, "Value", {"mappings": value, "keepFields": kept}, 1),
        provision.node("transforms/filter", 1, "Large", {"condition": "value > 2"}, 2),
        provision.node("transforms/lookup", 1, "Maker", {"table": _TABLE, "keys": keys}, 3),
    ]
    others = [node for name, node in nodes.items() if name != "Fields"]
    map_id = nodes["Fields"]["id"]
    edges = [edge for edge in stream["edges"] if map_id not in (edge["from"], edge["to"])]
    path = ["Usage", "Value", "Large", "Maker", provision.METER_NODE]
    edges += [provision.edge(a, b) for a, b in itertools.pairwise(path)]
    return stream | {"nodes": [*others, *between], "edges": edges}


def _table_of(measured: dict[str, list[Measured]]) -> str:
    plain = summary(measured[_PLAIN])
    lines = [
        "| stream | seconds | fastest | cpu s | peak MB | to the first | cpu to the first |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in measured.items():
        found = summary(runs)
        lines.append(
            f"| {name} | {found.seconds:.2f} | {found.fastest:.2f} | {found.cpu_seconds:.2f} "
            f"| {found.peak_mb:,.0f} | {found.seconds / plain.seconds:.2f} × "
            f"| {found.cpu_seconds / plain.cpu_seconds:.2f} × |"
        )
    ratio = summary(measured[_NODES]).seconds / plain.seconds
    verdict = "kept" if ratio <= RATIO_MAX else "missed"
    return "\n".join([*lines, "", f"The goal is at most {RATIO_MAX} ×: {verdict}."])


def _counts(found: Measured) -> str:
    """What became of the records, as the run itself says."""
    nodes: Sequence[dict[str, Any]] = json.loads(found.output.splitlines()[-1])["nodes"]
    by_name = {node["name"]: node for node in nodes}
    meter, large = by_name[provision.METER_NODE], by_name["Large"]
    return (
        f"Of {large['in']:,} records {large['filtered']:,} were filtered; the meter counted "
        f"{meter['metered']:,} and suspended {meter['suspended']:,}."
    )
