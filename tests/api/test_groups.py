"""Groups of streams and schedules over HTTP."""

from typing import Any

import pytest

from tests.api.test_streams import PATH
from tests.api.world import House

GROUPS = "/v1/groups"
BUSY = {"transform": "let n = 0; while (n < 3e6) n++; await push({n})"}


def _streams(house: House, *names: str) -> None:
    for name in names:
        house.import_stream(name=name)


def _group(house: House, name: str = "Nightly", *streams: str) -> tuple[str, str]:
    answer = house.http.post(GROUPS, json={"name": name, "streams": [*streams]})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"], answer.headers["etag"]


def test_a_group_is_made_read_changed_and_undone(house: House):
    _streams(house, "A", "B", "C")
    path, etag = _group(house, "Nightly", "A", "B")
    read = house.http.get(f"{GROUPS}/Nightly")
    assert (read.json()["streams"], read.headers["etag"]) == (["A", "B"], etag)
    unchanged = house.http.get(path, headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    assert house.http.get(GROUPS).json() == {"groups": [read.json()], "next_cursor": None}
    # What was read may be sent back.
    body = read.json() | {"streams": ["C", "A"]}
    assert house.http.put(path, json=body).status_code == 428
    changed = house.http.put(path, json=body, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["streams"]) == (200, ["C", "A"])
    assert house.http.put(path, json=body, headers={"If-Match": etag}).status_code == 412
    assert house.http.delete(path, headers={"If-Match": etag}).status_code == 412
    now = changed.headers["etag"]
    renamed = house.http.put(path, json=body | {"name": "Daily"}, headers={"If-Match": now})
    assert renamed.json()["name"] == "Daily"
    assert house.http.delete(path, headers={"If-Match": "*"}).status_code == 204
    assert house.http.get(path).status_code == 404
    assert len(house.http.get(PATH).json()["streams"]) == 3


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"streams": []}, "/streams"),
        ({"streams": ["A", 7]}, "/streams/1"),
        ({"streams": ["A", "A"]}, "/streams"),
        ({"members": ["A"]}, "/members"),
    ],
)
def test_a_bad_group_names_the_place(house: House, changes: dict[str, Any], pointer: str):
    _streams(house, "A")
    answer = house.http.post(GROUPS, json={"name": "G", "streams": ["A"]} | changes)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_what_cannot_join_a_group_is_a_conflict(house: House):
    _streams(house, "A", "B", "C")
    _group(house, "First", "A")
    path, _ = _group(house, "Second", "B")
    headers = {"If-Match": "*"}
    body = {"name": "Second", "streams": ["B", "A"]}
    assert house.http.put(path, json=body, headers=headers).status_code == 409
    assert house.http.get(path).json()["streams"] == ["B"], "all or nothing"
    taken = {"name": "First", "streams": ["B"]}
    assert house.http.put(path, json=taken, headers=headers).status_code == 409
    assert house.http.post(GROUPS, json={"name": "X", "streams": ["none"]}).status_code == 404
    house.http.put(f"{PATH}/C/schedule", json={"interval": "hours", "every": 1})
    assert house.http.post(GROUPS, json={"name": "X", "streams": ["C"]}).status_code == 409


def test_a_repeated_request_makes_one_group_and_one_run(house: House):
    _streams(house, "A")
    body, headers = {"name": "G", "streams": ["A"]}, {"Idempotency-Key": "one"}
    made = [house.http.post(GROUPS, json=body, headers=headers) for _ in range(2)]
    assert made[0].json() == made[1].json()
    headers = {"Idempotency-Key": "two"}
    begun = [house.http.post(f"{GROUPS}/G/runs", headers=headers) for _ in range(2)]
    assert begun[0].json()["id"] == begun[1].json()["id"]
    house.ended(begun[0].headers["location"])
    assert len(house.http.get("/v1/runs").json()["runs"]) == 1


def test_the_streams_of_a_group_run_one_after_another(house: House):
    _streams(house, "A", "B")
    _group(house, "Nightly", "B", "A")
    answer = house.http.post(f"{GROUPS}/Nightly/runs")
    assert (answer.status_code, answer.json()["runs"]) == (202, [])
    run = house.ended(answer.headers["location"])
    assert (run["status"], run["startedBy"], run["error"]) == ("complete", "admin", None)
    members = run["runs"]
    assert [member["stream"] for member in members] == ["B", "A"]
    assert {(m["origin"], m["groupRun"], m["startedBy"]) for m in members} == {
        ("group", run["id"], "admin")
    }
    assert members[0]["endedAt"] <= members[1]["startedAt"]
    assert house.http.get("/v1/runs?origin=group").json()["runs"] == members[::-1]
    assert house.http.post(f"{GROUPS}/Nightly/stop").status_code == 409
    assert house.http.post(f"/v1/group-runs/{run['id']}/stop").status_code == 409
    assert house.http.get("/v1/group-runs/none").status_code == 404


@pytest.mark.parametrize("by", ["group", "run"])
def test_a_group_is_stopped_while_it_runs(house: House, by: str):
    nodes = [
        {"id": "r", "type": "readers/counter", "params": {"max": 100_000}},
        {"id": "s", "type": "transforms/script", "params": BUSY},
        {"id": "l", "type": "writers/log", "params": {}},
    ]
    house.import_stream(
        name="Busy", nodes=nodes, edges=[{"from": "r", "to": "s"}, {"from": "s", "to": "l"}]
    )
    _streams(house, "After")
    path, _ = _group(house, "G", "Busy", "After")
    run = house.http.post(f"{path}/runs").headers["location"]
    assert house.http.post(f"{path}/runs").status_code == 409
    assert house.http.delete(path, headers={"If-Match": "*"}).status_code == 409
    stop = f"{path}/stop" if by == "group" else f"{run}/stop"
    assert house.http.post(stop).status_code == 202
    ended = house.ended(run)
    assert (ended["status"], "stopped by request" in ended["error"]) == ("failed", True)
    assert [member["stream"] for member in ended["runs"]] in ([], ["Busy"])


@pytest.mark.parametrize("of", ["stream", "group"])
def test_a_schedule_is_set_read_changed_and_removed(house: House, of: str):
    _streams(house, "A")
    if of == "group":
        _group(house, "G", "A")
    path = f"{PATH}/A/schedule" if of == "stream" else f"{GROUPS}/G/schedule"
    assert house.http.get(path).status_code == 404
    first = house.http.put(path, json={"interval": "minutes", "every": 15})
    assert first.status_code == 201
    schedule, etag = first.json(), first.headers["etag"]
    assert schedule[of] == ("A" if of == "stream" else "G")
    assert schedule["nextRunAt"] > schedule["createdAt"]
    assert house.http.get(path).json() == schedule
    assert house.http.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert house.http.get("/v1/schedules").json()["schedules"] == [schedule]
    body = schedule | {"enabled": False}
    assert house.http.put(path, json=body).json()["code"] == "precondition_required"
    stale = house.http.put(path, json=body, headers={"If-Match": '"x"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_stale")
    second = house.http.put(path, json=body, headers={"If-Match": etag})
    assert (second.status_code, second.json()["nextRunAt"]) == (200, None)
    assert house.http.delete(path).status_code == 428
    assert house.http.delete(path, headers={"If-Match": etag}).status_code == 412
    now = second.headers["etag"]
    assert house.http.delete(path, headers={"If-Match": now}).status_code == 204
    assert house.http.delete(path, headers={"If-Match": now}).status_code == 404
    assert house.http.put(path, json=body, headers={"If-Match": now}).status_code == 404


def test_the_first_schedule_needs_the_scope_to_create_one(house: House):
    _streams(house, "A")
    headers = house.token("changer", "update:schedules")
    body = {"interval": "hours", "every": 1}
    assert house.http.put(f"{PATH}/A/schedule", json=body, headers=headers).status_code == 403
    assert house.http.put(f"{PATH}/A/schedule", json=body).status_code == 201
    headers |= {"If-Match": "*"}
    assert house.http.put(f"{PATH}/A/schedule", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/interval"),
        ({"interval": "minutes", "every": 7}, "/every"),
        ({"interval": "day", "times": ["08:07"]}, "/times/0"),
        ({"interval": "hours", "every": 1, "timezone": "Mars"}, "/timezone"),
        ({"interval": "hours", "every": 1, "enabled": "yes"}, "/enabled"),
        ([], ""),
    ],
)
def test_a_bad_schedule_names_the_place(house: House, body: Any, pointer: str):
    _streams(house, "A")
    answer = house.http.put(f"{PATH}/A/schedule", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_stream_in_a_group_has_no_schedule_of_its_own(house: House):
    _streams(house, "A")
    _group(house, "G", "A")
    answer = house.http.put(f"{PATH}/A/schedule", json={"interval": "hours", "every": 1})
    assert answer.status_code == 409
