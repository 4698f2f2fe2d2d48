"""Single usage of event-time meters over HTTP."""

from typing import Any

import pytest

from tests.api.test_streams import METERING, PATH
from tests.api.world import House

USAGE = "/v1/usage"


def _metered(house: House) -> str:
    """A meter that took three records of this month; its id."""
    house.create_type(periodAssignment="event", gracePeriod="P1D")
    reader = {**METERING["nodes"][0], "params": {"max": 3}}
    meter = METERING["nodes"][2]
    meter = {**meter, "params": meter["params"] | {"identity": "count"}}
    nodes = [reader, METERING["nodes"][1], meter]
    key = house.http.post(PATH, json=METERING | {"nodes": nodes}).json()["meterKeys"]["Meter"]
    made = house.create_meter("ann", meterKey=key)
    run = house.ended(house.http.post(f"{PATH}/Metering/runs").headers["location"])
    assert run["status"] == "complete", run
    return made["id"]


def _value(house: House, id: str) -> Any:
    return house.http.get(f"/usage-metering/v1/meters/{id}").json()["value"]


def _listed(house: House, id: str) -> list[dict[str, Any]]:
    return house.http.get(USAGE, params={"meter": id}).json()["usage"]


def test_a_record_is_amended_and_voided(house: House):
    id = _metered(house)
    entries = _listed(house, id)
    assert [entry["status"] for entry in entries] == ["metered"] * 3
    name = entries[0]["identity"]
    body = {"meter": id, "identity": name, "set": {"value": 10}}
    amended = house.http.post(f"{USAGE}:amend", json=body)
    assert amended.status_code == 200, amended.text
    assert amended.json()["adjustments"] == []
    assert _value(house, id) == 10.2
    voided = house.http.post(f"{USAGE}:void", json={"meter": id, "identity": name})
    assert voided.json()["periods"][0]["value"] == _value(house, id)
    assert _value(house, id) == 0.2
    assert [e["status"] for e in _listed(house, id)] == ["amended", "metered", "metered", "void"]
    again = house.http.post(f"{USAGE}:void", json={"meter": id, "identity": name})
    assert again.status_code == 409
    verbs = [a["action"] for a in house.http.get("/v1/activities").json()["activities"][:2]]
    assert verbs == ["void", "amend"]


def test_windows_and_pages(house: House):
    id = _metered(house)
    first = house.http.get(USAGE, params={"meter": id, "limit": 2}).json()
    rest = house.http.get(USAGE, params={"meter": id, "cursor": first["next_cursor"]}).json()
    assert first["usage"] + rest["usage"] == _listed(house, id)
    windows = house.http.get(f"{USAGE}:windows", params={"meter": id, "window": "hour"}).json()
    assert sum(window["value"] for window in windows["windows"]) == _value(house, id)
    unknown = house.http.get(f"{USAGE}:windows", params={"meter": id, "groupBy": "x"})
    assert unknown.status_code == 422
    assert "which no record of the meter has" in unknown.text
    assert house.http.get(f"{USAGE}:windows?meter={id}&window=week").status_code == 422


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("void", {"identity": "a"}, 422),
        ("void", {"meter": "none", "identity": "a"}, 404),
        ("amend", {"meter": "ID", "identity": "zz", "set": {"value": 1}}, 404),
        ("amend", {"meter": "ID", "identity": "1", "set": {"value": "x"}}, 422),
        ("amend", {"meter": "ID", "identity": "1", "set": {}}, 422),
    ],
)
def test_what_cannot_be_is_refused(house: House, verb: str, body: dict[str, Any], status: int):
    id = _metered(house)
    given = {**body, "meter": id} if body.get("meter") == "ID" else body
    answer = house.http.post(f"{USAGE}:{verb}", json=given)
    assert answer.status_code == status, answer.text


def test_other_meters_keep_no_usage_and_scopes_count(house: House):
    house.create_type()
    id = house.create_meter()["id"]
    assert house.http.get(USAGE, params={"meter": id}).status_code == 409
    assert house.http.get(USAGE, params={"meter": "none"}).status_code == 404
    headers = house.token("reader", "read:meters")
    body = {"meter": id, "identity": "a"}
    assert house.http.post(f"{USAGE}:void", json=body, headers=headers).status_code == 403
