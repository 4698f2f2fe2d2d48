"""Every error is a problem document, and says what to do without showing what is inside."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import meterhouse
from meterhouse.api import Limits, create_app
from meterhouse.api.guarding import GuardedRoute
from meterhouse.api.problems import pointer
from meterhouse.api.wording import api_hint
from tests.api.world import METERS, STREAM, TOKEN, TYPE, TYPES, House, running

JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:problem-type:meterhouse:{code}"
    assert document["requestId"] == answer.headers["x-request-id"]
    return document


@pytest.mark.parametrize("content", ["{", '{"a":}', "nan", "[" * 101 + "]" * 101, "\ufeff"])
def test_a_body_that_is_no_json(house: House, content: str):
    problem(house.http.post(TYPES, content=content, headers=JSON), 400, "json_malformed")


def test_a_body_that_is_no_utf_8(house: House):
    document = problem(
        house.http.post(TYPES, content=b'{"name":"\xff"}', headers=JSON), 400, "json_malformed"
    )
    assert "byte 9" in document["detail"]


def test_a_malformed_body_says_where(house: House):
    answer = house.http.post(TYPES, content='{\n "name": x}', headers=JSON)
    assert "line 2, column 10" in answer.json()["detail"]


def test_a_missing_body(house: House):
    problem(house.http.post(TYPES, headers=JSON), 400, "json_malformed")


def test_an_unknown_path(house: House):
    problem(house.http.get("/v2/meters"), 404, "route_not_found")


def test_an_unknown_thing(house: House):
    document = problem(house.http.get(f"{METERS}/none"), 404, "not_found")
    assert "'none'" in document["detail"]


def test_a_method_that_a_path_does_not_have(house: House):
    answer = house.http.put(f"{METERS}/1", json={})
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


def test_what_exists_already(house: House):
    house.create_type()
    problem(house.http.post(TYPES, json=TYPE), 409, "conflict")
    house.create_meter()
    body = {"userId": "ann", "meterKey": "k", "meterTypeId": "Units"}
    document = problem(house.http.post(METERS, json=body), 409, "conflict")
    assert document["detail"] == (
        "Nothing was created: the meter of user 'ann', meter type 'Units', key k exists"
    )


def test_a_meter_type_that_has_meters(house: House):
    type_ = house.create_type()
    house.create_meter()
    problem(house.http.delete(f"{TYPES}/{type_['id']}"), 409, "conflict")


def test_a_body_that_is_too_large(tmp_path: Path):
    with running(tmp_path / "data", limits=Limits(body_bytes=1000)) as house:
        content = b"{" + b" " * 2000 + b"}"
        problem(house.http.post(TYPES, content=content, headers=JSON), 413, "body_too_large")
        parts = iter([b"{", b" " * 2000, b"}"])
        problem(house.http.post(TYPES, content=parts, headers=JSON), 413, "body_too_large")
        house.create_type()


def test_who_has_no_token_yet_sends_little(house: House):
    body = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b" * 65_536}
    problem(house.http.post(TOKEN, json=body), 413, "body_too_large")
    problem(house.http.post(TOKEN, data=body), 413, "body_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
def test_another_media_type(house: House, headers: dict[str, str]):
    problem(house.http.post(TYPES, content=b"{}", headers=headers), 415, "media_type_unsupported")


def test_a_definition_lists_every_problem_with_its_place(house: House):
    body = TYPE | {"name": "", "thresholds": [{"name": "a"}, {"name": "b", "absoluteValue": -1}]}
    document = problem(house.http.post(TYPES, json=body), 422, "definition_invalid")
    pointers = [error["pointer"] for error in document["errors"]]
    assert pointers == ["/name", "/thresholds/0", "/thresholds/1/absoluteValue"]


def test_a_stream_names_the_place_of_a_node(house: House):
    nodes = [{"id": "a", "type": "readers/counter", "params": {"max": "x"}}]
    answer = house.http.post("/v1/streams", json={"name": "s", "nodes": nodes})
    document = problem(answer, 422, "definition_invalid")
    assert document["errors"][0]["pointer"] == "/nodes/0/params/max"


def test_a_parameter_that_is_wrong(house: House):
    document = problem(house.http.get(METERS + "?limit=0"), 422, "definition_invalid")
    assert [error["parameter"] for error in document["errors"]] == ["limit"]


def test_too_many_token_requests(tmp_path: Path):
    limits = Limits(token_requests=3, token_seconds=3000)
    body = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
    with running(tmp_path / "data", limits=limits) as house:
        for _ in range(3):
            assert house.http.post(TOKEN, json=body).status_code == 401
        answer = house.http.post(TOKEN, json=body)
        problem(answer, 429, "rate_limited")
        assert 0 < int(answer.headers["retry-after"]) <= 1000
        assert house.http.post(TOKEN, json=body | {"client_id": "c"}).status_code == 401


def test_a_fault_of_ours_shows_nothing_of_the_inside(house: House):
    house.create_type()
    with house.context.ledger() as ledger, ledger._database.write():
        ledger._database.execute("UPDATE meter_type SET reset_schedule = 'private'")
    document = problem(house.http.get(TYPES), 500, "internal_error")
    assert set(document) == {"type", "title", "status", "code", "detail", "hint", "requestId"}
    assert "private" not in str(document)
    [trace] = [line for line in house.log if "internal error" in line]
    assert document["requestId"] in trace


def test_a_disk_without_room_is_no_server_to_send_requests_to(tmp_path: Path):
    with running(tmp_path / "data", limits=Limits(free_bytes_min=2**62)) as house:
        answer = house.http.get("/readyz")
        problem(answer, 503, "disk_full")
        assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("", ""),
        ("a.b[3].c", "/a/b/3/c"),
        ("line 7: thresholds[0]", "/6/thresholds/0"),
        ("item 2", "/1"),
        ("a/b~c", "/a~1b~0c"),
    ],
)
def test_places_become_pointers(place: str, expected: str):
    assert pointer(place) == expected


def test_a_parameter_that_there_is_not_is_refused_under_v1(house: House):
    document = problem(house.http.get("/v1/runs?stauts=failed"), 400, "parameter_unknown")
    assert (document["detail"], document["hint"]) == (
        'This operation has no parameter "stauts"',
        "Did you mean status?",
    )
    document = problem(house.http.get("/v1/runs/x?why=1"), 400, "parameter_unknown")
    assert document["hint"] == "It has no parameters"
    document = problem(house.http.post("/v1/streams?x=1", json={}), 400, "parameter_unknown")
    assert "conflict, name" in document["hint"]


def test_the_original_s_paths_let_unknown_parameters_pass(house: House):
    assert house.http.get(f"{METERS}?sort=up").status_code == 200


def test_who_may_not_ask_is_told_that_first(house: House):
    headers = {"Authorization": "Bearer none"}
    problem(house.http.get("/v1/runs?x=1", headers=headers), 401, "unauthenticated")


@pytest.mark.parametrize("path", [f"{METERS}?userId=%ff", "/v1/runs?stream=%C3"])
def test_parameters_that_are_no_utf_8_are_refused(house: House, path: str):
    problem(house.http.get(path), 400, "request_malformed")


def test_every_described_parameter_is_known(house: House):
    described = house.http.get("/openapi.json").json()
    for route in create_app(house.context).routes:
        if isinstance(route, GuardedRoute):
            [method] = route.methods
            operation = described["paths"][route.path][method.lower()]
            given = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
            assert sorted(route.parameters) == sorted(one["name"] for one in given)


def test_hints_speak_of_operations(house: House):
    assert house.http.get("/v1/runs/none").json()["hint"] == "`GET /v1/runs` shows all runs"
    hint = house.http.get("/v1/streams/none").json()["hint"]
    assert hint == "`GET /v1/streams` shows those that exist"
    house.import_stream()
    again = house.http.post("/v1/streams", json=STREAM)
    assert again.json()["hint"] == "Import it under another name (`name`)"
    house.ended(house.http.post("/v1/streams/Small/runs").headers["location"])
    early = house.http.post("/v1/streams/Small/runs", json={"at": "2001-01-01T00:00:00Z"})
    assert early.json()["hint"] == "Give a later instant as `at`"


def test_no_hint_of_the_code_reaches_a_client_as_a_command():
    pattern = re.compile(r'hint\s*=\s*f?"((?:[^"\\]|\\.)*)"')
    found = [
        hint
        for room in ("app", "store", "core", "streams", "security", "connectors", "api")
        for file in (Path(meterhouse.__file__).parent / room).rglob("*.py")
        for hint in pattern.findall(file.read_text("utf-8"))
    ]
    assert len(found) > 200
    said = [api_hint(hint) for hint in found]
    assert not [
        hint for hint in said if "`meterhouse" in hint or re.search(r"(?<![\w-])--[a-z]", hint)
    ]
    assert sum(map(bool, said)) > 0.9 * len(said)
