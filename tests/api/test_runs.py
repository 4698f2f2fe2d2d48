"""Runs over HTTP: filters, who began them, their logs; the usage audit."""

from typing import Any

import pytest

from tests.api.test_streams import METERING, PATH
from tests.api.world import STREAM, House


def _run(house: House, name: str = "Small", **body: Any) -> dict[str, Any]:
    return house.ended(house.http.post(f"{PATH}/{name}/runs", json=body).headers["location"])


def _ids(house: House, path: str = "/v1/runs", **query: str) -> list[str]:
    answer = house.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["runs"]]


def test_a_run_says_who_began_it_and_what_it_ran(house: House):
    house.import_stream()
    first = _run(house)
    house.http.post(f"{PATH}/Small/versions", json={"tag": "v1"})
    second = _run(house)
    assert [run["streamVersion"] for run in (first, second)] == ["Autosaved", "v1"]
    assert (first["origin"], first["startedBy"], first["scheduledFor"]) == ("manual", "admin", None)
    assert [(node["name"], node["in"], node["out"]) for node in first["nodes"]] == [
        ("Count", 3, {"out": 3}),
        ("Log", 3, {"written": 3}),
    ]


def test_runs_are_filtered(house: House):
    house.import_stream()
    house.import_stream(name="Other")
    small, other = _run(house), _run(house, "Other")
    failing = {"id": "s", "type": "transforms/script", "params": {"transform": "throw 1"}}
    edges = [{"from": "r", "to": "s"}]
    stopping = {"suspenseManagement": {"eventThreshold": 1}}
    house.import_stream(
        name="Bad",
        nodes=[STREAM["nodes"][0], {**failing, "params": failing["params"] | stopping}],
        edges=edges,
    )
    bad = _run(house, "Bad")
    every = [bad["id"], other["id"], small["id"]]
    assert _ids(house) == every
    assert _ids(house, stream="Other") == _ids(house, f"{PATH}/Other/runs") == [other["id"]]
    assert bad["status"] == "failed"
    assert _ids(house, status="failed") == [bad["id"]]
    assert _ids(house, status="running") == []
    assert _ids(house, origin="manual") == every
    assert _ids(house, origin="schedule") == _ids(house, f"{PATH}/Bad/runs", origin="group") == []
    assert _ids(house, since=other["startedAt"]) == every[:2]
    assert _ids(house, until=other["startedAt"]) == every[2:]
    page = house.http.get("/v1/runs", params={"since": small["startedAt"], "limit": 2})
    following = house.http.get(page.headers["link"].split(">")[0].strip("<"))
    assert [run["id"] for run in following.json()["runs"]] == every[2:]


@pytest.mark.parametrize(
    ("query", "status"),
    [("stream=none", 404), ("status=done", 422), ("origin=me", 422), ("since=yesterday", 422)],
)
def test_a_filter_that_means_nothing_is_refused(house: House, query: str, status: int):
    answer = house.http.get(f"/v1/runs?{query}")
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["errors"][0]["parameter"] == query.split("=")[0]


def test_a_log_comes_in_pages(house: House):
    house.import_stream()
    run = _run(house)
    path = f"/v1/runs/{run['id']}/log"
    whole = house.http.get(path).json()
    assert (len(whole["lines"]), whole["next_cursor"]) == (3, None)
    lines: list[dict[str, str]] = []
    cursor = None
    for expected in (1, 1, 1):
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = house.http.get(path, params=query).json()
        assert len(page["lines"]) == expected
        lines += page["lines"]
        cursor = page["next_cursor"]
    assert (lines, cursor) == (whole["lines"], None)


def test_the_path_of_a_stream_whose_name_is_not_ascii_is_a_link(house: House):
    house.import_stream(name="日本 1")
    for _ in range(2):
        _run(house, "日本 1")
    page = house.http.get(f"{PATH}/日本 1/runs?limit=1")
    following = house.http.get(page.headers["link"].split(">")[0].strip("<"))
    assert len(following.json()["runs"]) == 1


def test_the_usage_audit_is_listed_and_filtered(house: House):
    house.http.post(PATH, json=METERING)
    house.import_stream()
    metering, small = _run(house, "Metering"), _run(house)
    entries = house.http.get("/v1/usage-audit").json()["entries"]
    assert [entry["execution"] for entry in entries] == [small["id"], metering["id"]]
    assert (entries[1]["totalInput"], entries[1]["toCorrection"]) == (3, 3)
    assert (entries[0]["origin"], entries[0]["streamVersion"]) == ("manual", "Autosaved")

    def found(**query: str) -> list[str]:
        answer = house.http.get("/v1/usage-audit", params=query).json()
        return [entry["execution"] for entry in answer["entries"]]

    assert found(stream="Metering") == found(until=small["startedAt"]) == [metering["id"]]
    assert found(since=small["startedAt"]) == [small["id"]]
    assert house.http.get("/v1/usage-audit?stream=none").status_code == 404


def test_a_clock_of_the_future_needs_to_be_meant(house: House):
    house.import_stream()
    path = f"{PATH}/Small/runs"
    for refusing in (path, f"{PATH}/Small/reprocess"):
        refused = house.http.post(refusing, json={"at": "2099-01-01T00:00:00Z"})
        assert refused.status_code == 422
        [error] = refused.json()["errors"]
        assert error["pointer"] == "/at"
        assert "later than now" in error["detail"]
        assert "allowFutureClock" in error["hint"]
    body = {"at": "2099-01-01T00:00:00Z", "allowFutureClock": True}
    ended = house.ended(house.http.post(path, json=body).headers["location"])
    assert (ended["status"], ended["at"]) == ("complete", "2099-01-01T00:00:00.000Z")
    now = house.http.post(path)
    assert now.status_code == 409
    assert "lies before that of the last run" in now.json()["detail"]
