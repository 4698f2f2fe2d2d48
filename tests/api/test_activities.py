"""Everything that writes leaves an entry in the log of activities, by whoever did it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.world import METERS, NDJSON, STREAM, TYPE, TYPES, House, running

PATH = "/v1/activities"
SECRET = {"name": "Shop", "type": "bearer", "credentials": {"token": "t"}}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path / "data") as house:
        yield house


def entries(house: House, **filters: Any) -> list[tuple[str, str]]:
    found = house.http.get(PATH, params=filters).json()["activities"]
    return [(entry["action"], entry["kind"]) for entry in found][::-1]


def changed(house: House, path: str, *, patch: Any = None) -> None:
    headers = {"If-Match": "*"}
    if patch is not None:
        assert house.http.patch(path, json=patch, headers=headers).status_code in (200, 204)
    assert house.http.delete(path, headers=headers).status_code == 204


def test_what_is_created_changed_and_deleted_is_written_down(house: House):
    id = house.create_type()["id"]
    meter = house.create_meter()["id"]
    changed(house, f"{METERS}/{meter}", patch={"customFields": {"a": 1}})
    changed(house, f"{TYPES}/{id}", patch={"unit": "x"})
    house.http.post("/v1/secrets", json=SECRET)
    changed(house, "/v1/secrets/Shop", patch={"description": "x"})
    house.http.post("/v1/applications", json={"name": "CRM", "scopes": ["read:meters"]})
    changed(house, "/v1/applications/CRM", patch={"name": "CRM", "scopes": []})
    kinds = ("meter type", "meter", "secret", "application")
    done = entries(house)
    for kind in kinds:
        assert [action for action, of in done if of == kind] == ["create", "update", "delete"]
    [created, *_] = house.http.get(PATH, params={"object": id}).json()["activities"][::-1]
    assert created["actor"] == "admin"
    assert created["detail"] == {"name": TYPE["name"]}


def test_many_meters_are_one_entry_with_their_count(house: House):
    house.create_type()
    lines = "".join(
        f'{{"userId":"u{n}","meterKey":"k","meterTypeId":"Units"}}\n' for n in range(20)
    )
    for _ in range(2):
        assert house.http.post("/v1/meters/bulk", content=lines, headers=NDJSON).status_code == 200
    found = house.http.get(PATH).json()["activities"]
    assert [(e["kind"], e["detail"]) for e in found if e["kind"] == "meter"] == [
        ("meter", {"count": 20})
    ]


def test_runs_and_stops_are_written_down_by_who_asked(house: House):
    imported = house.import_stream().json()
    headers = house.token("runner", "run:streams", "read:runs")
    run = house.http.post("/v1/streams/Small/runs", headers=headers)
    house.ended(run.headers["location"])
    [entry] = house.http.get(PATH, params={"actor": "runner"}).json()["activities"]
    assert (entry["action"], entry["kind"], entry["objectId"]) == ("run", "stream", imported["id"])
    assert entry["detail"] == {"name": "Small", "run": run.json()["id"]}
    refused = house.http.post(f"{run.headers['location']}/stop")
    assert refused.status_code == 409
    assert ("stop", "run") not in entries(house)
    with house.context.of("stopper").ledger() as ledger:
        ledger._database.execute("UPDATE run SET status = 'running', ended_at = NULL")
        assert ledger.request_stop(run.json()["id"], at=house.context.clock())
    assert entries(house, actor="stopper") == [("stop", "run")]


def test_what_was_refused_left_nothing(house: House):
    house.create_type()
    assert house.http.post(TYPES, json=TYPE).status_code == 409
    assert house.http.post("/v1/streams", json=STREAM | {"nodes": []}).status_code == 422
    assert entries(house) == [("create", "meter type")]


def test_a_change_and_its_entry_are_one_transaction(house: House):
    house.create_type()
    with house.context.ledger() as ledger:
        ledger._database.execute("ALTER TABLE activity RENAME TO elsewhere")
    assert house.http.post(TYPES, json=TYPE | {"name": "B", "category": "B"}).status_code == 500
    with house.context.ledger() as ledger:
        ledger._database.execute("ALTER TABLE elsewhere RENAME TO activity")
    assert [t["name"] for t in house.http.get(TYPES).json()["meterTypes"]] == [TYPE["name"]]


def test_the_log_is_paged_and_filtered(house: House):
    for name in ("A", "B", "C"):
        house.create_type(name=name, category=name)
    seen: list[str] = []
    path = f"{PATH}?actor=admin&limit=2"
    while path:
        page = house.http.get(path)
        seen += [entry["detail"]["name"] for entry in page.json()["activities"]]
        path = page.links.get("next", {}).get("url", "")
    assert seen == ["C", "B", "A"]
    assert entries(house, actor="nobody") == []


def test_it_needs_the_scope_of_audits(house: House):
    headers = house.token("reader", "read:runs")
    assert house.http.get(PATH, headers=headers).status_code == 403


def test_what_is_deleted_is_kept_in_the_log(house: House):
    house.create_type()
    meter = house.create_meter("ann", meterKey="k")
    secret = {"name": "S", "type": "bearer", "credentials": {"token": "quite secret"}}
    answer = house.http.post("/v1/secrets", json=secret)
    assert answer.status_code == 201, answer.text
    stream = house.import_stream().json()
    schedule = {"interval": "hours", "every": 1}
    path = f"/v1/streams/{stream['id']}/schedule"
    assert house.http.put(path, json=schedule).status_code == 201
    for gone in (path, f"/v1/streams/{stream['id']}", f"/v1/secrets/{answer.json()['id']}"):
        assert house.http.delete(gone, headers={"If-Match": "*"}).status_code == 204
    house.http.delete(f"{METERS}/{meter['id']}")

    found = house.http.get("/v1/activities").json()["activities"]
    told = {entry["kind"]: entry["detail"] for entry in found if entry["action"] == "delete"}
    assert told == {
        "meter": {
            "user": "ann",
            "meterType": "Units",
            "meterKey": "k",
            "value": 0,
            "records": 0,
        },
        "secret": {"name": "S", "type": "bearer"},
        "stream": {"name": "Small"},
        "schedule": {"of": "Small"},
    }
