"""Columns stay columns: from a Parquet file to the meter no node looks at records one by one."""

from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest

from meterhouse.engine import batch as batch_module
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.nodes import xmap as xmap_module
from tests.acceptance import small
from tests.acceptance.small import document, meter, node, reader
from tests.cli.command import Meterhouse

RECORDS = 3_000
MODELS = ("small", "large", "other")


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    path = tmp_path / "usage.parquet"
    number = pl.int_range(RECORDS, eager=True)
    pl.DataFrame(
        {
            "user": pl.Series(["ann", "bob"])[number % 2],
            "tokens": number % 10,
            "model": pl.Series(MODELS)[number % 3],
            "at": pl.repeat("2026-01-10T00:00:00Z", RECORDS, eager=True),
        }
    ).write_parquet(path)
    return path


def stream(usage: Path) -> dict[str, Any]:
    mappings = [
        {"field": "userId", "expression": "user"},
        {"field": "value", "expression": "tokens * 1.5"},
        {"field": "timestamp", "expression": "at"},
        {"field": "tier", "expression": 'upper(model) + (tokens > 5 ? "+" : "")'},
    ]
    xmap = node("Value", "transforms/xmap", mappings=mappings, keepFields={"enabled": True})
    keys = [{"field": "model", "column": "model"}]
    rule = small.RULE | {"groupBy": [{"fields": ["maker"]}, {"fields": ["tier"]}]}
    return document(
        reader(usage),
        xmap | {"schemaVersion": 3},
        node("Some", "transforms/filter", condition='value > 0 and model != "unknown"'),
        node("Maker", "transforms/lookup", table="models", keys=keys),
        meter(rule),
    )


@pytest.fixture
def meterhouse(tmp_path: Path) -> Meterhouse:
    house = Meterhouse(tmp_path / "data")
    table = tmp_path / "models.csv"
    table.write_text("model,maker\n" + "".join(f"{m},maker of {m}\n" for m in MODELS[:2]))
    house.done("table", "upload", "models", "--file", table, "--key", "model")
    return house


def alarm(what: str) -> Any:
    def ring(*_: object, **__: object) -> NoReturn:
        raise AssertionError(f"{what}: columns were turned into records")

    return ring


def test_no_node_on_the_way_to_the_meter_makes_rows(
    meterhouse: Meterhouse, usage: Path, monkeypatch: pytest.MonkeyPatch
):
    key = small.set_up(meterhouse, stream(usage))
    monkeypatch.setattr(UsageBatch, "rows", alarm("rows()"))
    monkeypatch.setattr(UsageBatch, "origins", alarm("origins()"))
    monkeypatch.setattr(UsageBatch, "from_rows", alarm("from_rows()"))
    monkeypatch.setattr(batch_module, "_to_rows", alarm("_to_rows()"))
    monkeypatch.setattr(xmap_module, "value_of", alarm("an expression for one record"))

    nodes = small.run(meterhouse)

    assert nodes["Some"]["filtered"] == RECORDS // 10
    assert nodes["Meter"]["metered"] == RECORDS - RECORDS // 10
    found = meterhouse.json("inspect", key)
    expected = [expected_of(user) for user in (0, 1)]
    assert [Decimal(str(m["value"])) for m in found] == [
        sum(groups.values()) for groups in expected
    ]
    for shown, groups in zip(found, expected, strict=True):
        by_tier = {g["fields"]["tier"]: g["value"] for g in shown["groupBreakdowns"][1]["groups"]}
        assert {tier: Decimal(str(value)) for tier, value in by_tier.items()} == groups
        makers = {g["fields"]["maker"] for g in shown["groupBreakdowns"][0]["groups"]}
        assert makers == {"maker of small", "maker of large", None}


def expected_of(user: int) -> dict[str, Decimal]:
    """What the meter of a user has, by tier."""
    sums: dict[str, Decimal] = {}
    for number in range(user, RECORDS, 2):
        tokens = number % 10
        tier = MODELS[number % 3].upper() + ("+" if tokens > 5 else "")
        if tokens:
            sums[tier] = sums.get(tier, Decimal(0)) + tokens * Decimal("1.5")
    return sums


def test_the_alarm_rings_where_a_node_needs_records(
    meterhouse: Meterhouse, usage: Path, monkeypatch: pytest.MonkeyPatch
):
    body = stream(usage)
    script = small.script("await push(payload)")
    body["nodes"].insert(1, script)
    body["edges"] = [edge for edge in body["edges"] if edge["from"] != "Reader"]
    for source, target in (("Reader", "Script"), ("Script", "Value")):
        body["edges"].append({"id": target, "from": source, "to": target, "config": {}})
    small.set_up(meterhouse, body)
    monkeypatch.setattr(UsageBatch, "rows", alarm("rows()"))
    with pytest.raises(AssertionError, match="columns were turned into records"):
        meterhouse("stream", "run", small.STREAM, "--at", small.JANUARY)


@pytest.mark.parametrize("type_", ["xmap", "filter"])
def test_a_suspended_record_is_whole_though_nothing_further_on_looks_at_it(
    type_: str, tmp_path: Path
):
    path = tmp_path / "usage.parquet"
    rows = {"user": ["ann", "bob"], "tokens": ["5", "many"], "note": ["a", "b"]}
    pl.DataFrame(rows).write_parquet(path)
    mappings = [
        {"field": "userId", "expression": "user"},
        {"field": "value", "expression": "tokens * 1.5" if type_ == "xmap" else "tokens"},
    ]
    xmap = node("Value", "transforms/xmap", mappings=mappings) | {"schemaVersion": 3}
    first = [node("Some", "transforms/filter", condition="tokens > 1")] * (type_ == "filter")
    house = Meterhouse(tmp_path / "data")
    small.set_up(house, document(reader(path), *first, xmap, meter()))
    assert house("stream", "run", small.STREAM, "--at", small.JANUARY).code == 0
    [entry] = house.json("correction", "list")
    assert entry["record"] == {"user": "bob", "tokens": "many", "note": "b"}
