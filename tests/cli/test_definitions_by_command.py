"""Meter types, meters and streams by command: created, listed, shown, changed, deleted."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import CREATED, TYPE, document, meter, node
from tests.cli.command import Meterhouse

COUNTER = node("Count", "readers/counter", max=2)


@pytest.fixture
def meter_type(meterhouse: Meterhouse) -> dict[str, Any]:
    given = json.dumps(TYPE | {"externalRef": "u", "capacity": 100.50})
    [created] = meterhouse.json("meter-type", "create", "--file", "-", given=given)
    return created


@pytest.fixture
def a_meter(meterhouse: Meterhouse, meter_type: dict[str, Any]) -> dict[str, Any]:
    given = json.dumps({"userId": 7, "meterKey": "k", "externalRef": "u", "customFields": {"a": 1}})
    [created] = meterhouse.json("meter", "create", "--file", "-", "--at", CREATED, given=given)
    return created


# ------------------------------------------------------------ meter types


@pytest.mark.parametrize("reference", ["Units", "u"])
def test_a_meter_type_is_shown_as_it_was_created(
    meterhouse: Meterhouse, meter_type: dict[str, Any], reference: str
):
    assert meterhouse.json("meter-type", "show", reference) == [meter_type]
    assert json.loads(meterhouse.done("meter-type", "show", reference).out) == meter_type
    assert meter_type["numberOfMeters"] == 0


def test_numbers_are_written_plainly(meterhouse: Meterhouse, meter_type: dict[str, Any]):
    assert '"capacity":100.5,' in meterhouse.done("meter-type", "show", "u", "--json").out


def test_a_meter_type_is_changed_by_a_merge_patch(
    meterhouse: Meterhouse, meter_type: dict[str, Any]
):
    patch = '{"unit": "calls", "capacity": null}'
    [changed] = meterhouse.json("meter-type", "update", "Units", "--file", "-", given=patch)
    expected = meter_type | {"unit": "calls", "updatedAt": changed["updatedAt"]}
    del expected["capacity"]
    assert changed == expected


def test_a_patch_is_one_object(meterhouse: Meterhouse, meter_type: dict[str, Any]):
    said = meterhouse.refused("meter-type", "update", "Units", "--file", "-", given="[]")
    assert "holds 0 objects (give exactly one)" in said


def test_a_meter_type_is_deleted(meterhouse: Meterhouse, meter_type: dict[str, Any]):
    [deleted] = meterhouse.json("meter-type", "delete", "u")
    assert deleted == {"id": meter_type["id"], "name": "Units"}
    assert meterhouse.json("meter-type", "list") == []


# ------------------------------------------------------------ meters


def test_created_meters_are_shown_in_the_order_of_their_file(
    meterhouse: Meterhouse, meter_type: dict[str, Any]
):
    users = [f"user {n}" for n in range(5)]
    bodies = [{"userId": user, "meterKey": "k", "externalRef": "u"} for user in users]
    given = "".join(json.dumps(body) + "\n" for body in bodies)
    created = meterhouse.json("meter", "create", "--file", "-", given=given)
    assert [meter["userId"] for meter in created] == users
    assert created == meterhouse.json("meter", "list")


def test_a_meter_is_shown_as_it_was_created(meterhouse: Meterhouse, a_meter: dict[str, Any]):
    assert meterhouse.json("meter", "show", a_meter["id"]) == [a_meter]
    assert json.loads(meterhouse.done("meter", "show", a_meter["id"]).out) == a_meter
    assert (a_meter["userId"], a_meter["value"], a_meter["capacity"]) == ("7", 0, 100.5)
    assert a_meter["createdAt"] == a_meter["periodStart"] == "2026-01-01T00:00:00.000Z"


def test_meters_are_listed_by_user_type_and_key(meterhouse: Meterhouse, a_meter: dict[str, Any]):
    for options in (["--user", "7"], ["--meter-type", "u"], ["--meter-key", "k"]):
        assert meterhouse.json("meter", "list", *options) == [a_meter]
    assert meterhouse.json("meter", "list", "--user", "8") == []
    line = meterhouse.done("meter", "list").out.splitlines()[1]
    assert line.split() == ["7", "Units", "0", "2026-02-01T00:00:00.000Z", "k", a_meter["id"]]


def test_a_meter_is_changed_by_a_merge_patch(meterhouse: Meterhouse, a_meter: dict[str, Any]):
    patch = '{"deleteOnReset": true, "customFields": {"a": null, "b": 2}}'
    [changed] = meterhouse.json("meter", "update", a_meter["id"], "--file", "-", given=patch)
    assert changed == a_meter | {
        "deleteOnReset": True,
        "customFields": {"b": 2},
        "updatedAt": changed["updatedAt"],
    }
    said = meterhouse.refused("meter", "update", a_meter["id"], "--file", "-", given='{"unit":"x"}')
    assert "unit" in said


def test_a_meter_is_deleted(meterhouse: Meterhouse, a_meter: dict[str, Any]):
    assert meterhouse.json("meter", "delete", a_meter["id"]) == [{"id": a_meter["id"]}]
    assert meterhouse.json("meter", "list") == []


def test_a_key_that_no_stream_has_is_remarked(meterhouse: Meterhouse, meter_type: dict[str, Any]):
    key = meterhouse.import_stream("-", given=json.dumps(document(COUNTER, meter())))["Meter"]
    bodies = [{"userId": "ann", "meterKey": k, "externalRef": "u"} for k in (key, "other")]
    ended = meterhouse.done("meter", "create", "--file", "-", given=json.dumps(bodies))
    assert ended.out == "created 2 meters\n"
    assert ended.err == "note: no stream has a meter node with the key 'other' yet\n"


# ------------------------------------------------------------ streams


def test_streams_are_listed_with_their_keys_and_deleted(meterhouse: Meterhouse):
    given = json.dumps(document(COUNTER, meter()))
    ended = meterhouse.done("stream", "import", "-", given=given)
    [listed] = meterhouse.json("stream", "list")
    assert list(listed) == ["id", "name", "meterKeys", "createdAt", "updatedAt"]
    assert listed["meterKeys"]["Meter"] in ended.out
    assert f"Meter: {listed['meterKeys']['Meter']}" in meterhouse.done("stream", "list").out
    assert meterhouse.json("stream", "delete", "Small") == [{"id": listed["id"], "name": "Small"}]
    assert meterhouse.json("stream", "list") == []


def test_a_preview_shows_each_node_and_changes_nothing(
    meterhouse: Meterhouse, meter_type: dict[str, Any]
):
    given = json.dumps(document(COUNTER, meter()))
    key = meterhouse.import_stream("-", given=given)["Meter"]
    bodies = json.dumps({"userId": "ann", "meterKey": key, "externalRef": "u"})
    meterhouse.done("meter", "create", "--file", "-", "--at", CREATED, given=bodies)
    words = ("stream", "preview", "Small", "--at", "2026-02-01T00:00:00Z")
    [count, metered] = meterhouse.json(*words)
    assert (count["name"], count["out"]) == ("Count", {"out": [{"value": 1}, {"value": 2}]})
    assert [item["reason"] for item in metered["suspended"]] == ["user_id_missing"] * 2
    assert [record["userId"] for record in metered["out"]["reset"]] == ["ann"]
    shown = meterhouse.done(*words).out
    assert shown.startswith(
        'Count (readers/counter)\n  out:\n    {"value": 1}\n    {"value": 2}\n'
        'Meter (transforms/meter)\n  in:\n    {"value": 1}\n'
    )
    assert "  out, reset:\n" in shown
    assert "  suspended, user_id_missing: " in shown
    assert meterhouse.json("run", "list") == []
    assert meterhouse.json("record", "list") == []


def test_the_meters_of_a_deleted_stream_stay_and_are_told(meterhouse: Meterhouse):
    key = small.set_up(meterhouse, document(COUNTER, meter()))
    refused = meterhouse.refused("stream", "delete", "Small")
    assert "Stream 'Small' has 2 meters, and they would belong to no stream" in refused
    assert "--allow-node-removal" in refused
    said = meterhouse.done("stream", "delete", "Small", "--allow-node-removal").err
    assert said == (
        f"2 meters keep the meter key {key}: `meterhouse meter list --meter-key {key}` shows their "
        "ids, `meterhouse meter delete ID` deletes one\n"
    )
    assert len(meterhouse.json("meter", "list", "--meter-key", key)) == 2


# ------------------------------------------------------------ what ids may be shortened to


def test_the_beginning_of_an_id_will_do(meterhouse: Meterhouse):
    key = small.set_up(meterhouse, document(COUNTER, meter()), users=("ann",))
    [listed] = meterhouse.json("meter", "list")
    [type_] = meterhouse.json("meter-type", "list")
    start = listed["id"][:8]
    assert meterhouse.json("meter", "show", start) == [listed]
    assert meterhouse.json("meter-type", "show", type_["id"][:8]) == [type_]
    for reference in (key[:8], "Small"):
        assert [r["userId"] for r in meterhouse.json("inspect", reference)] == ["ann"]
    meterhouse.done("meter", "update", start, "--file", "-", given='{"deleteOnReset": true}')
    assert meterhouse.json("meter", "delete", start) == [{"id": listed["id"]}]


def test_a_short_or_ambiguous_beginning_is_refused(meterhouse: Meterhouse):
    small.set_up(meterhouse, document(COUNTER, meter()))
    [one, _] = meterhouse.json("meter", "list")
    assert "There is no meter" in meterhouse.refused("meter", "show", one["id"][:5])
    keys = [{"userId": "x", "meterKey": f"tenant-{n}", "meterTypeId": "Units"} for n in (1, 2)]
    meterhouse.done("meter", "create", "--file", "-", given=json.dumps(keys))
    said = meterhouse.refused("inspect", "tenant-")
    assert said.startswith("error: Several meter key ids begin with 'tenant-'")
    assert len(meterhouse.json("inspect", "tenant-1")) == 1


def test_a_stream_with_several_meter_nodes_does_not_stand_for_one(meterhouse: Meterhouse):
    other = meter() | {"id": "Other", "name": "Other"}
    stream = document(COUNTER, meter(), more=(other,), edges=("Count -> Other",))
    meterhouse.import_stream("-", given=json.dumps(stream))
    assert "'Small' has 2 meter nodes" in meterhouse.refused("inspect", "Small")


# ------------------------------------------------------------ how faults are told


def test_meters_that_exist_have_a_line_each_with_the_name_of_their_type(meterhouse: Meterhouse):
    key = small.set_up(meterhouse, document(COUNTER, meter()))
    bodies = [{"userId": u, "meterKey": key, "meterTypeId": "Units"} for u in ("ann", "bob")]
    said = meterhouse.refused("meter", "create", "--file", "-", given=json.dumps(bodies))
    assert said.splitlines() == [
        "error: Nothing was created: 2 meters are not new:",
        f"  - the meter of user 'ann', meter type 'Units', key {key} exists",
        f"  - the meter of user 'bob', meter type 'Units', key {key} exists",
        "  hint: A user has one meter of a type at a meter key",
    ]


@pytest.mark.parametrize("place", ["externalRef", "meterTypeId"])
def test_an_unknown_type_is_reported_where_it_is_named(meterhouse: Meterhouse, place: str):
    given = json.dumps({"userId": "ann", "meterKey": "k", place: "gone"})
    said = meterhouse.refused("meter", "create", "--file", "-", given=given)
    assert f"  - {place}: 'gone' is no meter type" in said


def test_a_new_meter_cannot_have_a_value_and_an_exported_one_may(
    meterhouse: Meterhouse, a_meter: dict[str, Any]
):
    new = {"userId": "eve", "meterKey": "k", "externalRef": "u", "value": 5}
    said = meterhouse.refused("meter", "create", "--file", "-", given=json.dumps(new))
    assert "  - value: cannot be set (leave it out" in said
    exported = a_meter | {"meterKey": "another", "externalRef": "u"}
    meterhouse.done("meter", "create", "--file", "-", given=json.dumps(exported))


def test_a_file_that_is_no_json_is_named(meterhouse: Meterhouse, tmp_path: Path):
    file = tmp_path / "types.json"
    file.write_text('{"name": "Calls')
    assert meterhouse.refused("meter-type", "create", "--file", file) == (
        f"error: {file} has 1 problem:\n"
        "  - line 1, column 10: is not JSON: Unterminated string (give one JSON object, a list of "
        "objects, or one object per line)\n"
    )
