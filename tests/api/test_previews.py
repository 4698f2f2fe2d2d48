"""Previews over HTTP: of a stored stream, of a document in its place, of one that is not stored."""

from typing import Any

import pytest

from tests.api.test_streams import METERING, PATH
from tests.api.world import STREAM, House

ASKING: dict[str, Any] = {
    "name": "Asking",
    "nodes": [
        {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": 50}},
        {
            "id": "h",
            "name": "Ask",
            "type": "transforms/http",
            "schemaVersion": 15,
            "params": {"method": "POST", "uri": "http://127.0.0.1:9/never"},
        },
        {"id": "l", "name": "Log", "type": "writers/log", "params": {}},
    ],
    "edges": [{"from": "r", "to": "h"}, {"from": "h", "to": "l"}],
}


def _preview(house: House, path: str, **body: Any) -> list[dict[str, Any]]:
    answer = house.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["nodes"]


@pytest.mark.parametrize("reference", ["Log", "l"])
def test_one_node_is_shown_with_what_goes_in_and_out(house: House, reference: str):
    house.import_stream()
    [node] = _preview(house, f"{PATH}/Small/preview", node=reference)
    assert (node["name"], len(node["in"])) == ("Log", 3)
    [node] = _preview(house, f"{PATH}/Small/preview", node="r")
    assert len(node["out"]["out"]) == 3
    answer = house.http.post(f"{PATH}/Small/preview", json={"node": "none"})
    assert (answer.status_code, "Count" in answer.json()["hint"]) == (404, True)


def test_a_document_that_is_not_stored_is_previewed_with_mock_data(house: House):
    node = ASKING["nodes"][1]
    mock = {"useMockData": True, "mockData": '{"rate": 1.10}'}
    nodes = [ASKING["nodes"][0], node | {"params": node["params"] | mock}, ASKING["nodes"][2]]
    [asked] = _preview(house, f"{PATH}:preview", document=ASKING | {"nodes": nodes}, node="Ask")
    assert len(asked["in"]) == len(asked["out"]["out"]) == 10
    assert {str(record["httpResponse"]) for record in asked["out"]["out"]} == {"{'rate': 1.1}"}
    [told] = _preview(house, f"{PATH}:preview", document=ASKING, node="Ask")
    assert "was not sent" in told["out"]["out"][0]["httpResponse"]["preview"]
    assert house.http.get(PATH).json()["streams"] == []


def test_a_document_that_is_not_stored_has_no_meters(house: House):
    nodes = _preview(house, f"{PATH}:preview", document=METERING, seed=1)
    assert {s["reason"] for s in nodes[-1]["suspended"]} == {"no_meter_found"}


def test_a_document_in_the_place_of_a_stream_meets_its_meters_and_changes_nothing(house: House):
    house.create_type()
    key = house.http.post(PATH, json=METERING).json()["meterKeys"]["Meter"]
    meter = house.create_meter("ann", meterKey=key)
    before = house.http.get(f"/v1/inspector/{key}").json()
    rule = {"customName": "None", "ignoreCondition": True, "matchCategory": "X"}
    other = METERING["nodes"][2] | {"params": {"guidingRules": [rule]}}
    edited = METERING | {"nodes": [*METERING["nodes"][:2], other]}
    path = f"{PATH}/Metering/preview"
    assert _preview(house, path)[-1]["suspended"] == []
    assert len(_preview(house, path, document=edited)[-1]["suspended"]) == 3
    assert house.http.get(f"/v1/inspector/{key}").json() == before
    assert house.http.get(f"/v1/inspector/{key}/{meter['id']}").json()["value"] == 0
    assert house.http.get("/v1/runs").json()["runs"] == []
    assert house.http.get("/v1/corrections").json()["corrections"] == []
    assert house.http.get(f"{PATH}/Metering/export").json() == METERING


def test_a_bad_document_is_refused_with_its_problems(house: House):
    bad = STREAM | {"nodes": [{"id": "r", "type": "readers/counter", "params": {"max": -1}}]}
    answer = house.http.post(f"{PATH}:preview", json={"document": bad | {"edges": []}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/nodes/0/params/max"
    missing = house.http.post(f"{PATH}:preview", json={"node": "x"})
    assert missing.json()["errors"][0]["pointer"] == "/document"
    assert house.http.post(f"{PATH}/none/preview").status_code == 404


def test_a_document_needs_more_than_the_scope_to_run(house: House):
    house.import_stream()
    headers = house.token("runner", "run:streams")
    assert house.http.post(f"{PATH}/Small/preview", headers=headers).status_code == 200
    for path in (f"{PATH}/Small/preview", f"{PATH}:preview"):
        answer = house.http.post(path, json={"document": STREAM}, headers=headers)
        assert answer.status_code == 403
