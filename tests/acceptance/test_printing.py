"""The printing example: its totals are known to the sheet."""

import json
from typing import Any

import pytest

from tests.cli.command import Meterhouse

STREAM = "Printing as a service"
TOTALS = {"101": 24, "102": 31, "103": 28, "104": 45, "105": 52}


@pytest.fixture
def key(meterhouse: Meterhouse) -> str:
    return meterhouse.set_up("printing")


def run(meterhouse: Meterhouse, *, at: str = "2026-01-15T10:00:00Z") -> dict[str, Any]:
    [ended] = meterhouse.json("stream", "run", STREAM, "--at", at, "--seed", 1)
    return {node["name"]: node for node in ended["nodes"]}


def test_one_run_meters_180_sheets(meterhouse: Meterhouse, key: str):
    nodes = run(meterhouse)
    assert nodes["Simulate printers"]["out"] == {"out": 12}
    assert nodes["Validate"]["suspended"] == 1
    assert nodes["Deduplicate events"]["duplicates"] == 2
    assert nodes["Meter"]["metered"] == 9
    assert {m["userId"]: m["value"] for m in meterhouse.json("inspect", key)} == TOTALS


def test_ink_is_ordered_and_service_is_called(meterhouse: Meterhouse, key: str):
    run(meterhouse)
    assert logged(meterhouse, "Order ink") == [104]
    assert logged(meterhouse, "Call service") == [102, 105]


def logged(meterhouse: Meterhouse, node: str) -> list[int]:
    run_id = meterhouse.json("run", "list", "--limit", 1)[0]["id"]
    lines = meterhouse.json("run", "show", run_id, "--log")
    return [json.loads(line["text"])["printerId"] for line in lines if line["node"] == node]


def test_billing_gets_the_fields_that_it_asked_for(meterhouse: Meterhouse, key: str):
    run(meterhouse)
    nodes = run(meterhouse, at="2026-02-01T00:00:00Z")
    assert nodes["To billing"]["in"] == 5
    run_id = meterhouse.json("run", "list", "--limit", 1)[0]["id"]
    lines = meterhouse.json("run", "show", run_id, "--log")
    [first] = [x for x in lines if x["node"] == "To billing" and '"printerId":"101"' in x["text"]]
    assert json.loads(first["text"]) == {
        "printerId": "101",
        "sheets": 24,
        "periodStart": "2026-01-01T00:00:00.000Z",
        "periodEnd": "2026-02-01T00:00:00.000Z",
        "brand": "Acme",
        "type": "Ink",
        "model": "MPS-Plus",
        "customer": "Guz Inc",
        "department": "Research",
    }


def test_thresholds_fire_once_each_when_the_meters_are_filled(meterhouse: Meterhouse):
    """400 orders instead of 10 take every printer past 9,000 and 10,000 sheets."""
    folder = meterhouse.examples / "printing"
    stream = json.loads((folder / "stream.json").read_text("utf-8"))
    stream["nodes"][0]["params"]["max"] = 400
    meterhouse.done("meter-type", "create", "--file", folder / "meter-types.json")
    key = meterhouse.import_stream("-", given=json.dumps(stream))["Meter"]
    meterhouse.create_meters(folder / "meters.ndjson", key=key, at="2026-01-01T00:00:00Z")

    nodes = run(meterhouse)

    assert nodes["Which action"]["out"] == {"Email": 5, "Deactivate": 5}
    assert (nodes["Email maintenance"]["in"], nodes["Deactivate printer"]["in"]) == (5, 5)
    records = meterhouse.json("record", "list", "--kind", "threshold")
    reached = [(r["userId"], r["thresholdReached"]["name"]) for r in records]
    assert sorted(reached) == [
        (str(printer), name)
        for printer in range(101, 106)
        for name in ("DEACTIVATE_PRINTER", "EMAIL_MAINTENANCE")
    ]
    for record in records:
        limit = {"EMAIL_MAINTENANCE": 9000, "DEACTIVATE_PRINTER": 10000}
        assert record["value"] >= limit[record["thresholdReached"]["name"]]
    assert meterhouse.json("inspect", key)[0]["customFields"]["brand"] == "Acme"
