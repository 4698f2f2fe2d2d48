"""Event-time meters from end to end: late usage, adjustments, single records changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.small import STREAM, document, meter, node, reader, run, set_up
from tests.cli.command import Meterhouse

_RULE = {
    "customName": "All",
    "ignoreCondition": True,
    "matchCategory": "U",
    "groupBy": [{"fields": ["model"]}],
    "otherOperations": [{"field": "call", "operation": "carry-last"}],
}
_EVENT: dict[str, Any] = {"periodAssignment": "event", "timezone": "Europe/Berlin"}
_MARCH = "2026-03-10T12:00:00Z"


def _usage(id: str, timestamp: str, value: object = 1, **more: Any) -> dict[str, Any]:
    record = {"userId": "ann", "id": id, "timestamp": timestamp, "value": value}
    return record | {"model": "m", "call": id} | more


def _file(folder: Path, name: str, *records: dict[str, Any]) -> None:
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def _set_up(meterhouse: Meterhouse, folder: Path, **given: Any) -> str:
    out = node("Out", "writers/file", path=str(folder.parent / "out/{run}.ndjson"))
    stream = document(reader(f"{folder}/*.ndjson"), meter(_RULE), out)
    return set_up(meterhouse, stream, users=("ann",), **(_EVENT | given))


def _left(folder: Path) -> list[dict[str, Any]]:
    """What went downstream, all runs together."""
    files = sorted((folder.parent / "out").glob("*.ndjson"), key=lambda path: path.stat().st_mtime)
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def _records(meterhouse: Meterhouse, kind: str) -> list[dict[str, Any]]:
    return meterhouse.json("record", "list", "--kind", kind)


def _periods(records: list[dict[str, Any]]) -> list[tuple[str, object]]:
    return [(record["periodStart"], record["value"]) for record in records]


def test_late_usage_adjusts_the_month_that_has_left(meterhouse: Meterhouse, folder: Path) -> None:
    _set_up(meterhouse, folder)
    _file(folder, "1.ndjson", _usage("a", "2026-01-31T22:59:58Z", 5))
    run(meterhouse, at="2026-01-31T22:59:59Z")
    # 23:00 UTC is February in Berlin.
    _file(
        folder,
        "2.ndjson",
        _usage("b", "2026-01-31T22:30:00Z", 2),
        _usage("c", "2026-01-31T23:00:00Z", 7),
    )
    counts = run(meterhouse, at="2026-02-03T00:00:00Z")

    golden, adjusted = _records(meterhouse, "golden"), _records(meterhouse, "adjustment")
    january = "2026-01-01T00:00:00.000Z"
    assert _periods(golden) == [(january, 5)]
    assert _periods(adjusted) == [(january, 7)]
    assert adjusted[0]["adjusts"] == golden[0]["recordId"]
    assert (adjusted[0]["adjustment"], adjusted[0]["previousValue"]) == (1, 5)
    assert counts["Meter"]["out"]["reset"] == 2
    assert _left(folder) == [*golden, *adjusted]
    [shown] = meterhouse.json("meter", "list")
    assert (shown["periodStart"], shown["value"]) == ("2026-01-31T23:00:00.000Z", 7)


def test_a_grace_period_keeps_a_month_open(meterhouse: Meterhouse, folder: Path) -> None:
    _set_up(meterhouse, folder, gracePeriod="P3D")
    _file(folder, "1.ndjson", _usage("a", "2026-01-31T12:00:00Z", 5))
    run(meterhouse, at="2026-02-02T00:00:00Z")
    assert _records(meterhouse, "golden") == []
    _file(folder, "2.ndjson", _usage("b", "2026-01-31T12:00:00Z", 2))
    run(meterhouse, at="2026-02-03T22:00:00Z")
    run(meterhouse, at="2026-02-03T23:00:00Z")
    assert _periods(_records(meterhouse, "golden")) == [("2026-01-01T00:00:00.000Z", 7)]
    assert _records(meterhouse, "adjustment") == []


def test_months_before_the_creation_of_a_meter_leave_too(
    meterhouse: Meterhouse, folder: Path
) -> None:
    _set_up(meterhouse, folder)
    _file(
        folder,
        "1.ndjson",
        _usage("a", "2025-06-05T12:00:00Z", 5),
        _usage("b", "2025-04-05T12:00:00Z", 2),
    )
    run(meterhouse, at="2026-01-02T00:00:00Z")
    assert _periods(_records(meterhouse, "golden")) == [
        ("2025-03-31T22:00:00.000Z", 2),
        ("2025-05-31T22:00:00.000Z", 5),
    ]


def _three(meterhouse: Meterhouse, folder: Path) -> str:
    """Two records in January, which has left, and one in March, which is open."""
    _set_up(meterhouse, folder)
    _file(
        folder,
        "1.ndjson",
        _usage("a", "2026-01-10T12:00:00Z", 5),
        _usage("b", "2026-01-11T12:00:00Z", 2, model="n"),
    )
    run(meterhouse, at="2026-01-20T12:00:00Z")
    _file(folder, "2.ndjson", _usage("c", "2026-03-01T12:00:00Z", 1))
    run(meterhouse, at=_MARCH)
    [shown] = meterhouse.json("meter", "list")
    return str(shown["id"])


def test_voiding_a_record_of_a_closed_month_adjusts_it(
    meterhouse: Meterhouse, folder: Path
) -> None:
    id = _three(meterhouse, folder)
    [done] = meterhouse.json("usage", "void", id, "b")
    [adjusted] = _records(meterhouse, "adjustment")
    assert done["adjustments"] == [adjusted]
    assert (adjusted["value"], adjusted["previousValue"]) == (5, 7)
    assert [g["fields"] for g in adjusted["groupBreakdowns"][0]["groups"]] == [{"model": "m"}]
    assert adjusted["carryLast"] == {"call": "a"}
    # It goes downstream with the next run, once.
    before = len(_left(folder))
    run(meterhouse, at="2026-03-11T00:00:00Z")
    run(meterhouse, at="2026-03-12T00:00:00Z")
    assert _left(folder)[before:] == [adjusted]
    # Late usage of that month goes on from there.
    _file(folder, "3.ndjson", _usage("d", "2026-01-12T12:00:00Z", 10))
    run(meterhouse, at="2026-03-13T00:00:00Z")
    last = _records(meterhouse, "adjustment")[-1]
    assert (last["adjustment"], last["value"], last["previousValue"]) == (2, 15, 5)


def test_amending_a_record_of_an_open_month_changes_its_state(
    meterhouse: Meterhouse, folder: Path
) -> None:
    id = _three(meterhouse, folder)
    meterhouse.done("usage", "amend", id, "c", "--set", "value=0.25")
    [shown] = meterhouse.json("meter", "list")
    assert shown["value"] == 0.25
    assert _records(meterhouse, "adjustment") == []
    entries = meterhouse.json("usage", "list", id, "--identity", "c")
    assert [(e["value"], e["status"]) for e in entries] == [(1, "amended"), (0.25, "metered")]
    assert entries[0]["replacedBy"]["value"] == 0.25
    said = meterhouse.json("activity", "list")[0]
    assert (said["action"], said["kind"]) == ("amend", "usage")


def test_an_amended_timestamp_moves_the_record(meterhouse: Meterhouse, folder: Path) -> None:
    id = _three(meterhouse, folder)
    meterhouse.done(
        "usage", "amend", id, "b", "--set", 'timestamp="2026-03-02T00:00:00Z"', "--set", 'model="m"'
    )
    [adjusted] = _records(meterhouse, "adjustment")
    assert (adjusted["periodStart"], adjusted["value"]) == ("2026-01-01T00:00:00.000Z", 5)
    [shown] = meterhouse.json("meter", "list")
    assert (shown["periodStart"], shown["value"]) == ("2026-02-28T23:00:00.000Z", 3)
    assert [g["value"] for g in shown["groupBreakdowns"][0]["groups"]] == [3]


def test_moving_a_record_before_the_creation_opens_that_month(
    meterhouse: Meterhouse, folder: Path
) -> None:
    id = _three(meterhouse, folder)
    meterhouse.done("usage", "amend", id, "c", "--set", 'timestamp="2025-07-02T00:00:00Z"')
    run(meterhouse, at="2026-03-11T00:00:00Z")
    assert ("2025-06-30T22:00:00.000Z", 1) in _periods(_records(meterhouse, "golden"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("void", "nothing"), "took no record 'nothing'"),
        (("amend", "a"), "changes nothing"),
        (("amend", "a", "--set", 'value="x"'), "value: is 'x'"),
        (("amend", "a", "--set", 'value="1e-19"'), "18 digits"),
        (("amend", "a", "--set", 'timestamp="2099-01-01T00:00:00Z"'), "in the future"),
        (("amend", "a", "--set", 'timestamp="soon"'), "timestamp: is 'soon'"),
        (("amend", "a", "--set", 'userId="bob"'), "userId: cannot change"),
        (("amend", "a", "--set", "region=1"), "its rule folds model, call"),
    ],
)
def test_what_cannot_be_changed_is_said(
    meterhouse: Meterhouse, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    id = _three(meterhouse, folder)
    action, identity, *rest = arguments
    failed = meterhouse.refused("usage", action, id, identity, *rest)
    assert message.replace("'", '"') in failed.replace("'", '"')
    [shown] = meterhouse.json("meter", "list")
    assert shown["value"] == 1
    assert _records(meterhouse, "adjustment") == []


def test_a_record_is_void_once(meterhouse: Meterhouse, folder: Path) -> None:
    id = _three(meterhouse, folder)
    meterhouse.done("usage", "void", id, "a")
    assert "is void since" in meterhouse.refused("usage", "void", id, "a")


def test_windows_add_up_to_the_period(meterhouse: Meterhouse, folder: Path) -> None:
    key = _set_up(meterhouse, folder)
    # The hour 2 does not exist in Berlin on 29 March 2026.
    moments = [
        f"2026-03-{day:02d}T{hour:02d}:30:00Z" for day in range(27, 31) for hour in (0, 1, 23)
    ]
    records = [_usage(f"u{n}", m, n + 1) for n, m in enumerate(moments)]
    for number, record in enumerate(records):
        record["model"] = "mn"[number % 2]
    _file(folder, "1.ndjson", *records)
    run(meterhouse, at="2026-03-31T12:00:00Z")
    [shown] = meterhouse.json("meter", "list")
    for window in ("hour", "day", "month"):
        asked = ("usage", "query", key, "--user", "ann", "--window", window)
        totals = meterhouse.json(*asked)
        assert sum(total["value"] for total in totals) == shown["value"] == sum(range(1, 13))
        assert sum(total["records"] for total in totals) == len(records)
        grouped = meterhouse.json(*asked, "--group-by", "model")
        by_model = {"m": 0, "n": 0}
        for total in grouped:
            by_model[total["fields"]["model"]] += total["value"]
        groups = shown["groupBreakdowns"][0]["groups"]
        assert by_model == {g["fields"]["model"]: g["value"] for g in groups}
    refused = meterhouse.refused("usage", "query", key, "--user", "ann", "--group-by", "modell")
    assert "keep the fields call, model" in refused
    days = meterhouse.json("usage", "query", key, "--user", "ann", "--from", "2026-03-28T23:00:00Z")
    assert days[0]["windowStart"] == "2026-03-28T23:00:00.000Z"
    assert days[0]["windowEnd"] == "2026-03-29T22:00:00.000Z"


def test_records_without_identity_are_named_by_their_place(
    meterhouse: Meterhouse, folder: Path
) -> None:
    key = _set_up(meterhouse, folder)
    nameless = _usage("", "2026-01-10T12:00:00Z")
    _file(folder, "1.ndjson", nameless, nameless)
    run(meterhouse, at="2026-01-20T12:00:00Z")
    entries = meterhouse.json("usage", "list", key, "--user", "ann")
    assert [e["identity"] for e in entries] == [f"{folder}/1.ndjson:{n}" for n in (0, 1)]


def test_equal_identities_are_not_guessed_at(meterhouse: Meterhouse, folder: Path) -> None:
    _set_up(meterhouse, folder)
    same = _usage("a", "2026-01-10T12:00:00Z")
    _file(folder, "1.ndjson", same, same)
    run(meterhouse, at="2026-01-20T12:00:00Z")
    [shown] = meterhouse.json("meter", "list")
    assert "took 2 records" in meterhouse.refused("usage", "void", shown["id"], "a")


def test_meters_by_processing_time_keep_no_usage(meterhouse: Meterhouse, folder: Path) -> None:
    key = _set_up(meterhouse, folder, periodAssignment="processing")
    assert "keeps no single usage" in meterhouse.refused("usage", "list", key, "--user", "ann")


def test_how_periods_are_assigned_stays_while_meters_exist(
    meterhouse: Meterhouse, folder: Path
) -> None:
    _set_up(meterhouse, folder, gracePeriod="PT1H")
    for patch, name in (
        ({"periodAssignment": "processing", "gracePeriod": None}, "periodAssignment"),
        ({"gracePeriod": "P1D"}, "gracePeriod"),
        ({"timezone": "Asia/Kolkata"}, "timezone"),
    ):
        failed = meterhouse.refused(
            "meter-type", "update", "Units", "--file", "-", given=json.dumps(patch)
        )
        assert f"its {name} cannot change" in failed
    [shown] = meterhouse.json("meter-type", "list")
    assert (shown["periodAssignment"], shown["gracePeriod"]) == ("event", "PT1H")


def test_flushing_each_run_is_refused(meterhouse: Meterhouse, folder: Path) -> None:
    stream = document(reader(f"{folder}/*.ndjson"), meter(_RULE, flushType="END_OF_STREAM"))
    set_up(meterhouse, stream, users=("ann",), **_EVENT)
    _file(folder, "1.ndjson", _usage("a", "2026-01-10T12:00:00Z"))
    ended = meterhouse("stream", "run", STREAM, "--at", "2026-01-20T12:00:00Z")
    assert ended.code == 1
    assert "follow the timestamps" in ended.err
    assert "TIMEOUT" in ended.err
