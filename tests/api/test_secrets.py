"""The wallet over the API: values go in, and no answer has one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse.app.secrets import credentials_of
from tests.api.knocking import Doors, doors

PATH = "/v1/secrets"
BASIC: dict[str, Any] = {
    "name": "Shop",
    "type": "basic",
    "credentials": {"username": "u", "password": "c4nary"},
}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Doors]:
    with doors(tmp_path / "data") as door:
        yield door


def create(door: Doors, **fields: Any) -> httpx.Response:
    answer = door.ask("POST", PATH, json=BASIC | fields)
    assert answer.status_code == 201, answer.text
    return answer


def values(door: Doors, id: str) -> dict[str, str]:
    with door.context.ledger() as ledger:
        return dict(credentials_of(ledger, door.context.sealer, id).values)


def used_by(door: Doors, id: str, name: str = "Uses it") -> None:
    params = {
        "uri": "https://shop.example/",
        "authType": "basic",
        "secretsWalletEntry": {"secretId": id, "secretType": "basic"},
    }
    document = {
        "name": name,
        "nodes": [
            {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": 1}},
            {
                "id": "h",
                "name": "Ask",
                "type": "transforms/http",
                "schemaVersion": 15,
                "params": params,
            },
            {"id": "w", "name": "Log", "type": "writers/log", "params": {}},
        ],
        "edges": [{"from": "r", "to": "h"}, {"from": "h", "to": "w"}],
    }
    answer = door.ask("POST", "/v1/streams", json=document)
    assert answer.status_code == 201, answer.text


def test_what_is_created_is_read_without_its_values(door: Doors):
    made = create(door, description="of the shop")
    id = made.json()["id"]
    assert made.headers["location"] == f"{PATH}/{id}"
    assert values(door, id) == BASIC["credentials"]
    used_by(door, id)
    read = door.ask("GET", f"{PATH}/Shop")
    assert read.json()["streams"] == ["Uses it"]
    assert read.json()["description"] == "of the shop"
    listed = door.ask("GET", PATH)
    assert [item["numberOfStreams"] for item in listed.json()["secrets"]] == [1]
    for answer in (made, read, listed):
        assert "c4nary" not in answer.text
        assert "credentials" not in answer.text
    fresh = {"If-None-Match": read.headers["etag"]}
    assert door.ask("GET", f"{PATH}/Shop", headers=fresh).status_code == 304


def test_lists_are_filtered_and_paged(door: Doors):
    for number in range(3):
        create(door, name=f"Shop {number}")
    create(door, name="Token", type="bearer", credentials={"token": "t"})
    assert len(door.ask("GET", PATH, params={"type": "basic"}).json()["secrets"]) == 3
    found = door.ask("GET", PATH, params={"name": "tok"}).json()["secrets"]
    assert [item["name"] for item in found] == ["Token"]
    names: list[str] = []
    path = f"{PATH}?limit=2&type=basic"
    while path:
        page = door.ask("GET", path)
        names += [item["name"] for item in page.json()["secrets"]]
        path = page.links.get("next", {}).get("url", "")
    assert names == ["Shop 0", "Shop 1", "Shop 2"]
    assert door.ask("GET", PATH, params={"type": "none"}).status_code == 422


def test_new_credentials_are_a_new_version_and_a_new_revision(door: Doors):
    made = create(door)
    path = f"{PATH}/{made.json()['id']}"
    assert door.ask("PATCH", path, json={"name": "x"}).status_code == 428
    old = {"If-Match": made.headers["etag"]}
    changed = door.ask(
        "PATCH", path, json={"credentials": {"username": "u", "password": "n"}}, headers=old
    )
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert values(door, made.json()["id"])["password"] == "n"
    assert door.ask("PATCH", path, json={"name": "x"}, headers=old).status_code == 412
    fresh = {"If-Match": changed.headers["etag"]}
    refused = door.ask("PATCH", path, json={"type": "aws"}, headers=fresh)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/type")


def test_a_secret_that_streams_use_is_not_deleted(door: Doors):
    made = create(door)
    used_by(door, made.json()["id"])
    headers = {"If-Match": made.headers["etag"]}
    refused = door.ask("DELETE", f"{PATH}/Shop", headers=headers)
    assert refused.status_code == 409
    assert "'Uses it'" in refused.json()["detail"]
    stream = door.ask("GET", "/v1/streams/Uses it")
    headers = {"If-Match": stream.headers["etag"]}
    assert door.ask("DELETE", "/v1/streams/Uses it", headers=headers).status_code == 204
    headers = {"If-Match": made.headers["etag"]}
    assert door.ask("DELETE", f"{PATH}/Shop", headers=headers).status_code == 204


def test_a_repeat_creates_one(door: Doors):
    key = {"Idempotency-Key": "one"}
    first = door.ask("POST", PATH, json=BASIC, headers=key)
    again = door.ask("POST", PATH, json=BASIC, headers=key)
    assert (first.text, again.headers["idempotency-replayed"]) == (again.text, "true")
    other = BASIC | {"credentials": {"username": "u", "password": "other"}}
    assert door.ask("POST", PATH, json=other, headers=key).status_code == 422
    with door.context.ledger() as ledger:
        ledger._database.execute("DELETE FROM idempotency")
    crashed = door.ask("POST", PATH, json=BASIC, headers=key)
    assert crashed.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    "body",
    [
        "c4nary",
        ["c4nary"],
        {"name": {"password": "c4nary"}, "type": "basic"},
        {"name": "c4nary" * 9, "type": "basic"},
        {"name": "c4nary/", "type": "basic"},
        {"name": " c4nary", "type": "basic"},
        {"name": "x", "type": "c4nary"},
        {"name": "x", "type": ["c4nary"]},
        {"name": "x", "type": "basic", "credentials": "c4nary"},
        {"name": "x", "type": "basic", "credentials": {"password": ["c4nary"]}},
        {"name": "x", "type": "basic", "credentials": {"token": "c4nary"}},
        {"name": "x", "type": "basic", "description": ["c4nary"]},
        {"name": "x", "type": "basic", "password": "c4nary"},
    ],
)
def test_no_error_shows_what_was_sent(door: Doors, body: object):
    made = create(door)
    headers = {"If-Match": made.headers["etag"]}
    for answer in (
        door.ask("POST", PATH, json=body),
        door.ask("PATCH", f"{PATH}/Shop", json=body, headers=headers),
    ):
        assert answer.status_code == 422
        assert "c4nary" not in answer.text
