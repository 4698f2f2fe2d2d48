"""Meters that keep no single usage: late usage is adjusted, single records cannot change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, reader
from tests.cli.command import Meterhouse

TYPE = {
    "name": "Calls",
    "category": small.RULE["matchCategory"],
    "aggregation": "sum",
    "resetSchedule": {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"},
    "periodAssignment": "event",
    "gracePeriod": "P2D",
    "keepUsage": False,
}


def usage(path: Path, *, at: str, count: int) -> None:
    row = {"userId": "ann", "value": 2, "timestamp": at}
    path.write_text(
        "".join(json.dumps(row | {"id": f"{path.name} {n}"}) + "\n" for n in range(count))
    )


@pytest.mark.parametrize("count", [3, 3_000], ids=["rows", "columns"])
def test_late_usage_is_adjusted_and_nothing_is_kept_of_single_records(tmp_path: Path, count: int):
    house = Meterhouse(tmp_path / "data")
    house.done("meter-type", "create", "--file", "-", given=json.dumps(TYPE))
    stream = document(reader(tmp_path / "*.ndjson"), meter(small.RULE))
    [imported] = house.json("stream", "import", "-", given=json.dumps(stream))
    [key] = imported["meterKeys"].values()
    new = {"userId": "ann", "meterKey": key, "meterTypeId": "Calls"}
    [made] = house.json(
        "meter", "create", "--file", "-", "--at", "2026-01-01T00:00:00Z", given=json.dumps(new)
    )
    for name, day in (("a", "2026-01-10"), ("b", "2026-02-05")):
        usage(tmp_path / f"{name}.ndjson", at="2026-01-05T00:00:00Z", count=count)
        house.done("stream", "run", imported["name"], "--at", f"{day}T00:00:00Z")
    records = house.json("record", "list", "--all")
    assert [(r["value"], r.get("previousValue")) for r in records] == [
        (2 * count, None),
        (4 * count, 2 * count),
    ]
    for words in (("list",), ("void", "x"), ("amend", "x", "--set", "value=1")):
        said = house.refused("usage", words[0], made["id"], *words[1:])
        assert "keeps no single usage" in said
        assert "keepUsage" in said
    said = house.refused(
        "meter-type", "update", "Calls", "--file", "-", given=json.dumps({"keepUsage": True})
    )
    assert "keepUsage cannot change" in said
