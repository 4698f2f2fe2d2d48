"""The Botbot example from raw usage to golden records, with a correction on the way."""

import json
from typing import Any

import pytest

from tests.cli.command import Meterhouse

STREAM = "Botbot AI assist"
JANUARY, FEBRUARY = "2026-01-20T12:00:00Z", "2026-02-01T00:00:00Z"


def run(meterhouse: Meterhouse, *, at: str, seed: int = 42) -> dict[str, Any]:
    [ended] = meterhouse.json("stream", "run", STREAM, "--at", at, "--seed", seed)
    assert ended["status"] == "complete"
    return {node["name"]: node for node in ended["nodes"]}


@pytest.fixture
def key(meterhouse: Meterhouse) -> str:
    return meterhouse.set_up("botbot")


def test_six_types_and_twelve_meters(meterhouse: Meterhouse, key: str):
    types = meterhouse.json("meter-type", "list")
    assert [t["numberOfMeters"] for t in types] == [2] * 6
    assert len(meterhouse.json("inspect", key)) == 12


def test_every_record_of_a_run_is_accounted_for(meterhouse: Meterhouse, key: str):
    nodes = run(meterhouse, at=JANUARY)
    assert nodes["Simulate sessions"]["out"] == {"out": 100}
    assert nodes["Deduplicate"] | {"id": 0} == {
        "id": 0,
        "name": "Deduplicate",
        "type": "transforms/deduplicate",
        "in": 100,
        "out": {"unique": 91},
        "filtered": 0,
        "duplicates": 9,
        "suspended": 0,
        "metered": 0,
    }
    metered, suspended = nodes["Meter"]["metered"], nodes["Validate"]["suspended"]
    assert (metered + suspended, metered) == (91, 71)
    assert len(meterhouse.json("correction", "list")) == suspended


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_seed_gives_about_the_same(meterhouse: Meterhouse, key: str, seed: int):
    nodes = run(meterhouse, at=JANUARY, seed=seed)
    assert 80 <= nodes["Deduplicate"]["out"]["unique"] <= 99
    assert 10 <= nodes["Validate"]["suspended"] <= 38


def test_the_same_seed_gives_the_same_figures(meterhouse: Meterhouse, key: str):
    assert meterhouse.json("stream", "preview", STREAM, "--at", JANUARY, "--seed", 7) == (
        meterhouse.json("stream", "preview", STREAM, "--at", JANUARY, "--seed", 7)
    )


def test_a_golden_record_leaves_for_each_meter_when_the_month_has_ended(
    meterhouse: Meterhouse, key: str
):
    run(meterhouse, at=JANUARY)
    before = {meter["id"]: meter["value"] for meter in meterhouse.json("inspect", key)}
    nodes = run(meterhouse, at=FEBRUARY, seed=43)
    golden = meterhouse.json("record", "list", "--kind", "golden")
    assert nodes["Meter"]["out"] == {"reset": 12, "threshold": 0}
    assert {record["id"]: record["value"] for record in golden} == before
    assert {(r["periodStart"], r["periodEnd"]) for r in golden} == {
        ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z")
    }
    in_february = sum(meter["value"] for meter in meterhouse.json("inspect", key))
    assert in_february > 0


def test_golden_records_show_groups_and_carries(meterhouse: Meterhouse, key: str):
    run(meterhouse, at=JANUARY)
    run(meterhouse, at=FEBRUARY, seed=43)
    for record in meterhouse.json("record", "list", "--kind", "golden"):
        assert list(record)[-1] == "recordId"
        assert [breakdown["name"] for breakdown in record["groupBreakdowns"]] == [
            "region",
            "status",
        ]
        for breakdown in record["groupBreakdowns"]:
            assert sum(group["value"] for group in breakdown["groups"]) == record["value"]
        assert set(record["carryLast"]) == {"caseNumber", "customerEmail", "sessionId", "status"}


def test_a_corrected_record_is_metered_in_the_next_run(meterhouse: Meterhouse, key: str):
    run(meterhouse, at=JANUARY)
    entry = meterhouse.json("correction", "list", "--limit", 1)[0]
    assert (entry["reason"], entry["record"]["region"]) == ("schema_invalid", "unknown")
    [fixed] = meterhouse.json("correction", "fix", entry["id"], "--set", 'region="EMEA"')
    assert fixed["record"] == entry["record"] | {"region": "EMEA"}
    [queued] = meterhouse.json("correction", "requeue", entry["id"])
    assert queued == {"id": entry["id"], "state": "queued"}

    nodes = run(meterhouse, at="2026-01-21T12:00:00Z", seed=43)

    assert nodes["Validate"]["in"] == nodes["Deduplicate"]["out"]["unique"] + 1
    assert "There is no record" in meterhouse.refused("correction", "show", entry["id"])


def test_an_inspected_meter_is_the_record_that_would_be_sent_now(meterhouse: Meterhouse, key: str):
    run(meterhouse, at=JANUARY)
    [now] = meterhouse.json(
        "inspect", key, "--user", "Cloud AI", "--meter-type", "botbot-l1-claude3-sonnet"
    )
    run(meterhouse, at=FEBRUARY, seed=43)
    golden = {r["id"]: r for r in meterhouse.json("record", "list", "--kind", "golden")}
    sent = golden[now["id"]]
    assert json.dumps(sent | {"recordId": None}) == json.dumps(now | {"recordId": None})


def test_an_export_gives_back_what_was_imported(meterhouse: Meterhouse, key: str):
    given = json.loads((meterhouse.examples / "botbot" / "stream.json").read_text("utf-8"))
    for options in ([], ["--json"]):
        assert json.loads(meterhouse.done("stream", "export", STREAM, *options).out) == given


def test_a_second_import_needs_another_name(meterhouse: Meterhouse, key: str):
    file = meterhouse.examples / "botbot" / "stream.json"
    said = meterhouse.refused("stream", "import", file)
    assert "Botbot AI assist" in said
    assert "--name" in said
    again = meterhouse.import_stream(file, "--name", "Another")
    assert again["Meter"] != key
    assert json.loads(meterhouse.done("stream", "export", "Another").out)["name"] == "Another"
