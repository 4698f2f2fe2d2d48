"""Meters whose active time is over: the store and the kernel must mean the same by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.small import CREATED, document, meter, reader, set_up
from tests.cli.command import Meterhouse

_MARCH = "2026-03-02T00:00:00Z"
_LATE = {"userId": "ann", "value": 5, "timestamp": "2026-01-10T00:00:00Z"}


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    path = tmp_path / "usage.ndjson"
    path.write_text(json.dumps(_LATE) + "\n")
    return path


def _run(meterhouse: Meterhouse) -> list[tuple[str, int]]:
    meterhouse.json("stream", "run", "Small", "--at", _MARCH)
    records = meterhouse.json("record", "list", "--kind", "golden")
    return [(record["userId"], record["value"]) for record in records]


def test_late_usage_of_a_retired_meter_leaves_in_the_same_run(
    meterhouse: Meterhouse, usage: Path
) -> None:
    set_up(meterhouse, document(reader(usage), meter()), activeTo="2026-01-20T00:00:00Z")
    assert _run(meterhouse) == [("ann", 5)]


def test_a_retired_meter_to_be_deleted_goes_at_its_reset(
    meterhouse: Meterhouse, usage: Path
) -> None:
    stream = document(reader(usage), meter())
    key = set_up(meterhouse, stream, users=(), activeTo="2026-01-20T00:00:00Z")
    body = {"userId": "ann", "meterKey": key, "meterTypeId": "Units", "deleteOnReset": True}
    meterhouse.done("meter", "create", "--file", "-", "--at", CREATED, given=json.dumps(body))
    assert _run(meterhouse) == []
    assert meterhouse.json("meter", "list") == []
    assert [c["reason"] for c in meterhouse.json("correction", "list")] == ["no_meter_found"]
