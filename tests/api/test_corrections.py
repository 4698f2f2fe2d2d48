"""Data Correction over HTTP: filters, corrections, queues, and runs of what is queued."""

from typing import Any

import httpx
import pytest

from tests.api.test_streams import METERING, PATH
from tests.api.world import House

CORRECTIONS = "/v1/corrections"


def _suspended(house: House, name: str = "Metering", *, count: int = 3) -> dict[str, Any]:
    reader = {**METERING["nodes"][0], "params": {"max": count}}
    patient = {"suspenseManagement": {"eventThreshold": 1_000_000}}
    meter = METERING["nodes"][2]
    meter = {**meter, "params": meter["params"] | patient}
    nodes = [reader, METERING["nodes"][1], meter]
    made = house.http.post(PATH, json=METERING | {"name": name, "nodes": nodes}).json()
    run = house.ended(house.http.post(f"{PATH}/{name}/runs").headers["location"])
    return {"run": run, "key": made["meterKeys"]["Meter"]}


def _ids(house: House, **query: str) -> list[int]:
    answer = house.http.get(CORRECTIONS, params=query)
    assert answer.status_code == 200, answer.text
    return [entry["id"] for entry in answer.json()["corrections"]]


def _post(house: House, verb: str, **body: Any) -> httpx.Response:
    return house.http.post(f"{CORRECTIONS}:{verb}", json=body)


def test_they_are_filtered_and_summed_up(house: House):
    first, second = _suspended(house), _suspended(house, "Second", count=2)
    every = _ids(house)
    assert len(every) == 5
    assert _ids(house, stream="Second") == _ids(house, run=second["run"]["id"]) == every[3:]
    assert _ids(house, node="Meter", reason="no_meter_found") == every
    assert _ids(house, node="Other") == _ids(house, reason="script_error") == []
    _post(house, "requeue", ids=every[:1])
    assert _ids(house, state="queued") == every[:1]
    assert _ids(house, state="open", stream="Metering") == every[1:3]
    assert _ids(house, until=first["run"]["startedAt"]) == []
    assert _ids(house, since=first["run"]["startedAt"]) == every
    assert _ids(house, text="ANN") == every
    assert _ids(house, text="bob") == []
    counted = house.http.get(f"{CORRECTIONS}:summary", params={"stream": "Second"}).json()
    assert [(line["stream"], line["count"]) for line in counted["summary"]] == [("Second", 2)]
    assert len(house.http.get(f"{CORRECTIONS}:summary").json()["summary"]) == 2
    for query in ("stream=none", "run=none"):
        assert house.http.get(f"{CORRECTIONS}?{query}").status_code == 404
    assert house.http.get(f"{CORRECTIONS}:summary?stream=none").status_code == 404


def test_many_are_corrected_by_values_and_expressions(house: House):
    _suspended(house)
    body = {"values": {"region": "EU"}, "expressions": {"value": "value * 10"}}
    done = _post(house, "correct", filter={"stream": "Metering"}, **body)
    assert (done.status_code, done.json()) == (200, {"count": 3})
    entries = house.http.get(CORRECTIONS).json()["corrections"]
    assert [(e["record"]["region"], e["record"]["value"]) for e in entries] == [("EU", 1)] * 3
    first = entries[0]["id"]
    one = _post(house, "correct", ids=[first], values={"region": None})
    assert one.json() == {"count": 1}
    fixed = house.http.post(f"{CORRECTIONS}/{first}/fix", json={"expressions": {"value": "1 + 1"}})
    assert (fixed.json()["record"]["value"], fixed.json()["record"]["region"]) == (2, None)
    fixed = house.http.post(f"{CORRECTIONS}/{first}/fix", json={"unset": ["region"]})
    assert "region" not in fixed.json()["record"]


def test_a_fault_of_an_expression_changes_nothing(house: House):
    _suspended(house)
    before = house.http.get(CORRECTIONS).json()
    answer = _post(house, "correct", filter={}, expressions={"value": "number(userId)"})
    assert (answer.status_code, "record" in answer.json()["detail"]) == (409, True)
    assert house.http.get(CORRECTIONS).json() == before


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("delete", {}, "/ids"),
        ("delete", {"ids": []}, "/ids"),
        ("delete", {"ids": [1], "filter": {}}, "/ids"),
        ("delete", {"ids": None}, "/ids"),
        ("delete", {"ids": None, "filter": {}}, "/ids"),
        ("delete", {"filter": None}, "/filter"),
        ("delete", {"ids": [1.5]}, "/ids/0"),
        ("delete", {"ids": list(range(100_001))}, "/ids"),
        ("requeue", {"filter": []}, "/filter"),
        ("requeue", {"filter": {"reason": "bad"}}, "/filter/reason"),
        ("requeue", {"filter": {"state": "gone"}}, "/filter/state"),
        ("requeue", {"filter": {"since": "soon"}}, "/filter/since"),
        ("requeue", {"filter": {"stream": ""}}, "/filter/stream"),
        ("requeue", {"filter": {"nodes": "x"}}, "/filter/nodes"),
        ("correct", {"filter": {}}, "/values"),
        ("correct", {"filter": {}, "expressions": {"value": "1 +"}}, "/expressions/value"),
        ("correct", {"filter": {}, "expressions": {"value": 1}}, "/expressions/value"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    house: House, verb: str, body: dict[str, Any], pointer: str
):
    answer = _post(house, verb, **body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_what_a_filter_leaves_is_deleted_and_who_did_it_is_written_down(house: House):
    _suspended(house)
    ids = _ids(house)
    assert _post(house, "delete", filter={"state": "queued"}).json() == {"count": 0}
    assert _post(house, "delete", ids=ids[:1]).json() == {"count": 1}
    assert _post(house, "correct", filter={}, values={"x": 1}).json() == {"count": 2}
    assert _post(house, "delete", filter={"text": "ann"}).json() == {"count": 2}
    assert _ids(house) == []
    with house.context.ledger() as ledger:
        every = ledger.activities(actor="admin").items
    activities = [a for a in every if "records" in (a.detail or {})]
    told = {(a.actor, a.action, a.detail["records"]) for a in activities}
    assert {("admin", "correct", 2), ("admin", "delete", 1), ("admin", "delete", 2)} <= told
    [by_filter] = [a for a in activities if a.detail["records"] == 2 and a.action == "delete"]
    assert by_filter.detail["filter"] == {"text": "ann"}


def test_queued_records_are_reprocessed_in_a_run_of_their_own(house: House):
    house.create_type()
    key = _suspended(house)["key"]
    path = f"{PATH}/Metering/reprocess"
    assert house.http.post(path).json()["code"] == "nothing_queued"
    house.create_meter("ann", meterKey=key)
    assert _post(house, "requeue", filter={"reason": "no_meter_found"}).json() == {"count": 3}
    headers = {"Idempotency-Key": "again"}
    answers = [house.http.post(path, json={"seed": 5}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    run = house.ended(answers[0].headers["location"])
    assert (run["status"], run["origin"], run["startedBy"]) == ("complete", "correction", "admin")
    assert (run["seed"], run["nodes"][0]["out"]["out"], run["nodes"][-1]["metered"]) == (5, 0, 3)
    assert _ids(house) == []
    assert len(house.http.get("/v1/runs?origin=correction").json()["runs"]) == 1
    assert house.http.post(f"{PATH}/none/reprocess").status_code == 404


def test_an_action_that_would_take_too_many_says_how_many(house: House):
    run = _suspended(house, count=100_001)["run"]
    assert (run["status"], run["nodes"][-1]["suspended"]) == ("complete", 100_001), run
    for verb, more in (("delete", {}), ("requeue", {}), ("correct", {"values": {"x": 1}})):
        answer = _post(house, verb, filter={"stream": "Metering"}, **more)
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_records")
        assert "100,001 records" in answer.json()["detail"]
    [counted] = house.http.get(f"{CORRECTIONS}:summary").json()["summary"]
    assert counted["count"] == 100_001
    last = _ids(house, limit="1")[0]
    assert _post(house, "delete", ids=[last]).json() == {"count": 1}
    assert _post(house, "delete", filter={"stream": "Metering"}).json() == {"count": 100_000}
