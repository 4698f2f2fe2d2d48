"""Streams whose HTTP nodes call the very server that runs them: nobody waits for anybody."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.test_streams import PATH
from tests.api.world import ADMIN, METERS, House

USERS = 40


def _creating(house: House, name: str, key: str) -> dict[str, Any]:
    """A stream that creates a meter for each of its records, several at a time."""
    script = f'await push({{userId: "{name} " + payload.value}})'
    params = {
        "method": "POST",
        "uri": f"{house.url}{METERS}",
        "headers": {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"},
        "body": f'{{"userId": "${{payload.userId}}", "meterKey": "{key}", "meterTypeId": "Units"}}',
        "errorMode": "stop",
        "enableParallelProcessing": True,
        "maxConcurrentRequests": 4,
    }
    nodes = [
        {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": USERS}},
        {"id": "s", "name": "Users", "type": "transforms/script", "params": {"transform": script}},
        {
            "id": "h",
            "name": "Create",
            "type": "transforms/http",
            "schemaVersion": 15,
            "params": params,
        },
        {"id": "l", "name": "Log", "type": "writers/log", "params": {}},
    ]
    edges = [{"from": a, "to": b} for a, b in ("rs", "sh", "hl")]
    return {"name": name, "nodes": nodes, "edges": edges}


@pytest.mark.parametrize("streams", [1, 3])
def test_streams_create_meters_through_the_server_that_runs_them(house: House, streams: int):
    house.create_type()
    names = [f"Setup {number}" for number in range(streams)]
    for name in names:
        answer = house.http.post(PATH, json=_creating(house, name, f"key of {name}"))
        assert answer.status_code == 201, answer.text
    with ThreadPoolExecutor(streams) as threads:
        begun = threads.map(lambda name: house.http.post(f"{PATH}/{name}/runs"), names)
        runs = [house.ended(answer.headers["location"]) for answer in begun]
    assert [(run["status"], run["error"]) for run in runs] == [("complete", None)] * streams
    assert [run["nodes"][2]["in"] for run in runs] == [USERS] * streams
    for name in names:
        counted = house.http.get(f"/v1/inspector/key of {name}?limit=1").json()["widgets"]
        assert counted["meters"] == USERS


def test_a_stream_that_runs_another_one_ends_before_it_is_looked_at(house: House):
    house.create_type()
    inner = _creating(house, "Inner", "inner")
    outer = _creating(house, "Outer", "outer")
    outer["nodes"][0]["params"] = {"max": 1}
    outer["nodes"][2]["params"] |= {"uri": f"{house.url}{PATH}/Inner/runs", "body": "{}"}
    for document in (inner, outer):
        assert house.http.post(PATH, json=document).status_code == 201
    run = house.ended(house.http.post(f"{PATH}/Outer/runs").headers["location"])
    assert (run["status"], run["error"]) == ("complete", None)
    [begun] = house.http.get("/v1/runs?stream=Inner").json()["runs"]
    assert house.ended(f"/v1/runs/{begun['id']}")["status"] == "complete"
    assert house.http.get("/v1/inspector/inner?limit=1").json()["widgets"]["meters"] == USERS
