"""Streams and runs over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.api.world import METERS, STREAM, House

PATH = "/v1/streams"
METERING: dict[str, Any] = {
    "name": "Metering",
    "nodes": [
        {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": 3}},
        {
            "id": "s",
            "name": "Script",
            "type": "transforms/script",
            "params": {"transform": 'await push({userId: "ann", value: 0.1, n: payload.n})'},
        },
        {
            "id": "m",
            "name": "Meter",
            "type": "transforms/meter",
            "params": {
                "guidingRules": [
                    {"customName": "All", "ignoreCondition": True, "matchCategory": "U"}
                ]
            },
        },
    ],
    "edges": [{"from": "r", "to": "s"}, {"from": "s", "to": "m"}],
}


def test_a_stream_is_imported_read_and_exported(house: House):
    answer = house.import_stream(note=7)
    stream = answer.json()
    assert stream["outcome"] == "created"
    assert answer.headers["location"] == f"{PATH}/{stream['id']}"
    read = house.http.get(answer.headers["location"])
    assert read.json()["document"] == STREAM | {"note": 7}
    assert read.headers["etag"] == answer.headers["etag"] == f'"{stream["revision"]}"'
    assert house.http.get(f"{PATH}/{stream['id']}/export").json() == STREAM | {"note": 7}
    assert house.http.get(f"{PATH}/Small").json() == read.json()
    unchanged = house.http.get(f"{PATH}/Small", headers={"If-None-Match": read.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize(
    ("strategy", "status", "outcome", "names"),
    [
        ("replace", 200, "replaced", ["Small"]),
        ("new", 201, "created", ["Small", "Small (2)"]),
    ],
)
def test_an_import_under_a_name_that_is_taken(
    house: House, strategy: str, status: int, outcome: str, names: list[str]
):
    first = house.import_stream().json()
    assert house.http.post(PATH, json=STREAM).status_code == 409
    answer = house.http.post(f"{PATH}?conflict={strategy}", json=STREAM | {"note": 1})
    assert (answer.status_code, answer.json()["outcome"]) == (status, outcome)
    assert (answer.json()["id"] == first["id"]) == (outcome != "created")
    assert [s["name"] for s in house.http.get(PATH).json()["streams"]] == names


def test_replacing_by_an_import_needs_its_own_scope(house: House):
    house.import_stream()
    headers = house.token("importer", "create:streams")
    answer = house.http.post(f"{PATH}?conflict=replace", json=STREAM, headers=headers)
    assert answer.status_code == 403


def test_a_replaced_stream_keeps_the_keys_of_its_nodes(house: House):
    first = house.http.post(PATH, json=METERING)
    tag = first.headers["etag"]
    changed = METERING | {"name": "Renamed"}
    path = first.headers["location"]
    answer = house.http.put(path, json=changed, headers={"If-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["meterKeys"] == first.json()["meterKeys"]
    assert answer.headers["etag"] != tag


def test_a_change_needs_the_tag_that_was_read(house: House):
    first = house.import_stream()
    path, tag = first.headers["location"], first.headers["etag"]
    for method, body in (("PUT", STREAM), ("DELETE", None)):
        answer = house.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
        for wrong in ('"other"', f"W/{tag}", tag.strip('"'), f'{tag}, "x"'):
            answer = house.http.request(method, path, json=body, headers={"If-Match": wrong})
            assert (answer.status_code, answer.json()["code"]) == (412, "revision_stale")
    assert house.http.delete(path, headers={"If-Match": tag}).status_code == 204
    assert house.http.delete(path, headers={"If-Match": tag}).status_code == 404


def test_one_of_many_writers_wins(house: House):
    first = house.import_stream()
    path, writers = first.headers["location"], 16
    tag = first.headers["etag"]
    for turn in range(3):
        together = Barrier(writers)

        def write(number: int, tag: str = tag, turn: int = turn, together: Barrier = together):
            together.wait()
            body = STREAM | {"note": f"{turn}.{number}"}
            return house.http.put(path, json=body, headers={"If-Match": tag})

        with ThreadPoolExecutor(writers) as threads:
            answers = list(threads.map(write, range(writers)))
        [winner] = [answer for answer in answers if answer.status_code == 200]
        assert sorted(a.status_code for a in answers) == [200] + [412] * (writers - 1)
        tag = house.http.get(path).headers["etag"]
        assert tag == winner.headers["etag"]


def test_a_document_is_validated_without_being_kept(house: House):
    assert house.http.post(f"{PATH}:validate", json=STREAM).json() == {
        "valid": True,
        "errors": [],
        "obstacles": [],
    }
    answer = house.http.post(f"{PATH}:validate", json={"name": "x"}).json()
    assert (answer["valid"], answer["errors"][0]["pointer"]) == (False, "/nodes")
    script = {"id": "s", "type": "transforms/script", "params": {"transform": "let a = = 1"}}
    nodes = [{"id": "in", "type": "readers/counter", "params": {"max": 1}}, script]
    edges = [{"from": "in", "to": "s"}]
    body = {"name": "x", "nodes": nodes, "edges": edges}
    answer = house.http.post(f"{PATH}:validate", json=body).json()
    pointers = [error["pointer"] for error in answer["errors"]]
    assert (answer["valid"], pointers) == (False, ["/nodes/1/params/transform"])
    assert house.http.get(PATH).json()["streams"] == []


def test_scripts_that_are_none_or_empty_are_warned_of_and_kept(house: House):
    def step(id: str, type: str, **params: object) -> dict:
        return {"id": id, "type": type, "params": params}

    nodes = [
        step("in", "readers/counter", max=1),
        step("bad", "transforms/script", transform="push(payload)\nlet a = = 1"),
        step("none", "transforms/script", transform=" "),
        step("sum", "transforms/script_aggregate", groupByRules=[{"fields": ["a"]}]),
    ]
    edges = [{"from": "in", "to": id} for id in ("bad", "none", "sum")]
    body = {"name": "Odd", "nodes": nodes, "edges": edges}
    created = house.http.post(PATH, json=body)
    assert created.status_code == 201
    warnings = created.json()["warnings"]
    assert [warning["pointer"] for warning in warnings] == [
        "/nodes/1/params/transform",
        "/nodes/2/params",
        "/nodes/3/params",
    ]
    assert warnings[0]["detail"].endswith("    let a = = 1\n            ^")
    assert 'node "sum" is empty: no record leaves it' in warnings[2]["detail"]
    path, tag = created.headers["location"], created.headers["etag"]
    replaced = house.http.put(path, json=body | {"note": "2"}, headers={"If-Match": tag})
    assert (replaced.status_code, replaced.json()["warnings"]) == (200, warnings)
    assert house.import_stream().json()["warnings"] == []


def test_a_run_goes_on_after_the_answer_and_can_be_watched(house: House):
    house.create_type()
    key = house.http.post(PATH, json=METERING).json()["meterKeys"]["Meter"]
    house.create_meter("ann", meterKey=key)
    answer = house.http.post(f"{PATH}/Metering/runs", json={"seed": 7})
    assert answer.status_code == 202
    run = house.ended(answer.headers["location"])
    assert (run["status"], run["seed"], run["error"]) == ("complete", 7, None)
    counts = {node["name"]: (node["in"], node["metered"]) for node in run["nodes"]}
    assert counts["Meter"] == (3, 3)
    for path in ("/v1/runs", f"{PATH}/Metering/runs"):
        assert house.http.get(path).json() == {"runs": [run], "next_cursor": None}
    inspected = house.http.get(f"/v1/inspector/{key}")
    assert '"value":0.3,' in inspected.text
    [meter] = inspected.json()["meters"]
    view = house.http.get(f"/v1/inspector/{key}/{meter['id']}")
    assert view.json() == meter
    assert house.http.get("/v1/inspector/none").status_code == 404


def test_golden_records_are_listed_as_they_left(house: House):
    house.create_type()
    key = house.http.post(PATH, json=METERING).json()["meterKeys"]["Meter"]
    house.create_meter("ann", meterKey=key)
    first = house.ended(house.http.post(f"{PATH}/Metering/runs").headers["location"])
    body = {"at": "2100-01-01T00:00:00Z", "allowFutureClock": True}
    last = house.ended(house.http.post(f"{PATH}/Metering/runs", json=body).headers["location"])
    [record] = house.http.get("/v1/records", params={"run": last["id"]}).json()["records"]
    assert (record["userId"], record["value"]) == ("ann", 0.3)
    assert record["recordId"]
    assert house.http.get("/v1/records?kind=threshold").json()["records"] == []
    assert house.http.get("/v1/records?kind=golden").json()["records"] == [record]
    assert house.http.get("/v1/records", params={"run": "none"}).status_code == 404
    assert first["status"] == last["status"] == "complete"


def test_a_run_that_is_refused_says_so_at_once(house: House):
    house.import_stream()
    house.ended(house.http.post(f"{PATH}/Small/runs").headers["location"])
    answer = house.http.post(f"{PATH}/Small/runs", json={"at": "2001-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert house.http.post(f"{PATH}/None/runs").status_code == 404
    assert house.http.post(f"{PATH}/Small/runs", json={"seed": -1}).status_code == 422


def test_a_preview_changes_nothing(house: House):
    house.import_stream()
    nodes = house.http.post(f"{PATH}/Small/preview").json()["nodes"]
    assert [node["name"] for node in nodes] == ["Count", "Log"]
    assert len(nodes[1]["in"]) == 3
    assert house.http.get("/v1/runs").json()["runs"] == []


def test_suspended_records_are_seen_fixed_and_queued(house: House):
    key = house.http.post(PATH, json=METERING).json()["meterKeys"]["Meter"]
    run = house.ended(house.http.post(f"{PATH}/Metering/runs").headers["location"])
    assert run["nodes"][-1]["suspended"] == 3
    page = house.http.get("/v1/corrections", params={"stream": "Metering", "limit": 2}).json()
    assert [entry["reason"] for entry in page["corrections"]] == ["no_meter_found"] * 2
    assert page["next_cursor"]
    [counted] = house.http.get("/v1/corrections:summary").json()["summary"]
    assert (counted["count"], counted["node"]) == (3, "Meter")
    first = page["corrections"][0]
    path = f"/v1/corrections/{first['id']}"
    fixed = house.http.post(f"{path}/fix", json={"values": {"userId": "bob", "value": 1.5}}).json()
    assert fixed["record"] == first["record"] | {"userId": "bob", "value": 1.5}
    assert house.http.get(path).json() == fixed
    house.create_type()
    house.create_meter("bob", meterKey=key)
    queued = house.http.post("/v1/corrections:requeue", json={"ids": [first["id"]]})
    assert queued.json() == {"count": 1}
    others = [entry["id"] for entry in house.http.get("/v1/corrections").json()["corrections"]]
    others.remove(first["id"])
    assert house.http.delete(f"/v1/corrections/{others[0]}").status_code == 204
    body = {"ids": others}
    assert house.http.post("/v1/corrections:delete", json=body).status_code == 404
    assert house.http.post("/v1/corrections:delete", json={"ids": others[1:]}).json()["count"] == 1
    house.ended(house.http.post(f"{PATH}/Metering/runs").headers["location"])
    values = [m["value"] for m in house.http.get(f"/v1/inspector/{key}").json()["meters"]]
    assert values == [1.5]


def test_the_log_of_a_run_names_its_nodes(house: House):
    house.import_stream()
    run = house.http.post(f"{PATH}/Small/runs").headers["location"]
    house.ended(run)
    lines = house.http.get(f"{run}/log").json()["lines"]
    assert {line["node"] for line in lines} == {"Log"}
    assert len(lines) == 3


def test_a_run_is_stopped(house: House):
    script = {"transform": "let n = 0; while (n < 3e6) n++; await push({n})"}
    nodes = [
        {"id": "r", "type": "readers/counter", "params": {"max": 100_000}},
        {"id": "s", "type": "transforms/script", "params": script},
        {"id": "l", "type": "writers/log", "params": {}},
    ]
    house.import_stream(nodes=nodes, edges=[{"from": "r", "to": "s"}, {"from": "s", "to": "l"}])
    run = house.http.post(f"{PATH}/Small/runs").headers["location"]
    assert house.http.post(f"{PATH}/Small/runs").status_code == 409
    assert house.http.post(f"{run}/stop").status_code == 202
    ended = house.ended(run)
    assert (ended["status"], "stopped by request" in ended["error"]) == ("failed", True)
    assert house.http.post(f"{run}/stop").status_code == 409
    assert house.http.post("/v1/runs/none/stop").status_code == 404


def test_a_stream_with_meters_is_deleted_only_if_that_is_meant(house: House):
    house.create_type()
    body = house.http.post(PATH, json=METERING).json()
    key = body["meterKeys"]["Meter"]
    meter = house.create_meter("ann", meterKey=key)
    path, headers = f"{PATH}/{body['id']}", {"If-Match": "*"}
    refused = house.http.delete(path, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "node_removal")
    assert "has 1 meter, and it would belong to no stream" in refused.json()["detail"]
    other = house.http.post(PATH, json=METERING | {"name": "Empty"}).json()
    assert house.http.delete(f"{PATH}/{other['id']}", headers=headers).status_code == 204
    allowed = house.http.delete(path, headers=headers, params={"allowNodeRemoval": True})
    assert allowed.status_code == 204
    assert house.http.get(f"{METERS}/{meter['id']}").status_code == 200
