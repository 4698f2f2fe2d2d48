"""Real usage by event time: the months of an independent count, whatever order it arrives in."""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.acceptance.small import document, meter, reader, run, set_up
from tests.cli.command import Meterhouse

_DATA = os.environ.get("METERHOUSE_TEST_DATA")
pytestmark = pytest.mark.skipif(
    _DATA is None, reason="METERHOUSE_TEST_DATA does not name a folder with real usage"
)
_ROOT = Path(_DATA or ".")
_AIDER = _ROOT / "llm_usage/aider_events_2024-08_2025-02.jsonl.gz"
_ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata")
#: Some sums of money have more digits after the point than a quantity: they come rounded.
_UNIT = Decimal("1e-18")


def _sent() -> list[dict[str, Any]]:
    with gzip.open(_AIDER, "rt") as lines:
        events = [json.loads(line, parse_float=Decimal) for line in lines]
    return [event for event in events if event["event"] == "message_send"]


def _expected(zone: str, field: str) -> dict[str, Decimal]:
    expected = json.loads((_ROOT / "expected/expected_public.json").read_text())["aider_a"]
    months = expected[f"monthly_message_send_{zone}"]
    return {month: Decimal(str(totals[field])) for month, totals in months.items()}


def _record(number: int, event: dict[str, Any], field: str | None) -> dict[str, Any]:
    value = 1 if field is None else Decimal(str(event["properties"][field]))
    if field == "cost":
        value = value.quantize(_UNIT)
    return {
        "id": number,
        "userId": event.get("user_id") or "nobody",
        "timestamp": event["time"] * 1000,
        "value": value,
    }


def _write(folder: Path, number: int, records: list[dict[str, Any]]) -> None:
    lines = [json.dumps(r, default=lambda amount: f"{amount:f}") for r in records]
    (folder / f"{number}.ndjson").write_text("\n".join(lines) + "\n")


def _months(meterhouse: Meterhouse, zone: str) -> dict[str, Decimal]:
    """What each month holds: its golden record, or the last adjustment of it."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    records = meterhouse.done("record", "list", "--all", "--json").out.splitlines()
    for record in (json.loads(line, parse_float=Decimal) for line in records):
        told[record["userId"], record["periodStart"]] = record
    # A month is told by its end: some hours before the next one in UTC.
    months: dict[str, Decimal] = defaultdict(Decimal)
    for record in told.values():
        assert record["timezone"] == zone
        months[_month(record["periodStart"])] += Decimal(str(record["value"]))
    return {month: total for month, total in months.items() if total}


def _month(start: str) -> str:
    """The month that a period is: its start is within a day of the month's in UTC."""
    year, month, day = int(start[:4]), int(start[5:7]), int(start[8:10])
    if day > 15:
        year, month = year + month // 12, month % 12 + 1
    return f"{year:04}-{month:02}"


@pytest.mark.parametrize("zone", _ZONES)
@pytest.mark.parametrize(
    ("field", "total", "grace", "seed"),
    [
        (None, "count", "PT0S", 1),
        ("prompt_tokens", "prompt_tokens", "PT0S", 2),
        ("completion_tokens", "completion_tokens", "P600D", 3),
        ("cost", "cost_usd_sum_of_decimals", "PT0S", 4),
    ],
)
def test_months_by_event_time_are_exact(
    meterhouse: Meterhouse,
    tmp_path: Path,
    zone: str,
    field: str | None,
    total: str,
    grace: str,
    seed: int,
) -> None:
    records = [_record(n, event, field) for n, event in enumerate(_sent())]
    users = tuple(sorted({record["userId"] for record in records}))
    folder = tmp_path / "in"
    folder.mkdir()
    stream = document(reader(f"{folder}/*.ndjson"), meter())
    rules = {"periodAssignment": "event", "gracePeriod": grace, "timezone": zone}
    set_up(meterhouse, stream, users=users, **rules)
    random = Random(f"{zone} {seed}")
    random.shuffle(records)
    runs = random.randint(2, 4)
    for number in range(runs):
        _write(folder, number, records[number::runs])
        counts = run(meterhouse, at=f"2026-01-{number + 2:02d}T00:00:00Z")
        assert counts["Meter"]["metered"] == len(records[number::runs])
    run(meterhouse, at="2027-06-01T00:00:00Z")

    assert _close(_months(meterhouse, zone), _expected(zone, total), records)
    adjustments = meterhouse.json("record", "list", "--all", "--kind", "adjustment")
    assert (len(adjustments) > 0) == (grace == "PT0S")


def _close(
    actual: dict[str, Decimal], expected: dict[str, Decimal], records: list[dict[str, Any]]
) -> bool:
    """Whether totals are equal, but for what rounding money to quantities may make up."""
    slack = _UNIT / 2 * len(records) if any(r["value"] != int(r["value"]) for r in records) else 0
    assert actual.keys() == expected.keys()
    return all(abs(actual[month] - expected[month]) <= slack for month in expected)
