"""Look-up tables by request: uploads, versions, pages of rows, and who may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from tests.api.world import STREAM, Client, House, running

PATH = "/v1/lookup-tables"
CSV = {"Content-Type": "text/csv"}
TITLES = "title,credits\nDune,5\nHeat,3.50\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path / "data") as house:
        yield house


def upload(
    house: House, content: str | bytes = TITLES, name: str = "titles", **how: Any
) -> httpx.Response:
    headers = CSV | how.pop("headers", {})
    return house.http.put(f"{PATH}/{name}", content=content, headers=headers, params=how)


def test_a_file_becomes_a_version_and_an_equal_one_none(house: House):
    made = upload(house, key="title", field="credits=number")
    assert (made.status_code, made.json()["number"], made.json()["new"]) == (201, 1, True)
    assert made.json()["createdBy"] == "admin"
    again = upload(house)
    assert (again.status_code, again.json()["new"]) == (200, False)
    assert upload(house, TITLES + "Jaws,1\n").json()["number"] == 2
    listed = house.http.get(PATH).json()["tables"]
    assert [(table["name"], table["latest"]["number"]) for table in listed] == [("titles", 2)]
    shown = house.http.get(f"{PATH}/{listed[0]['id']}").json()
    assert (shown["latest"]["keys"], shown["streams"]) == (["title"], [])
    versions = house.http.get(f"{PATH}/titles/versions", params={"limit": 1})
    assert [version["number"] for version in versions.json()["versions"]] == [2]
    following = house.http.get(versions.links["next"]["url"])
    assert [version["number"] for version in following.json()["versions"]] == [1]


def test_parquet_is_taken_as_it_is(house: House, tmp_path: Path):
    pl.DataFrame({"id": [7], "ok": [True]}).write_parquet(tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    made = upload(house, content, headers={"Content-Type": "application/vnd.apache.parquet"})
    assert made.json()["columns"] == [
        {"name": "id", "kind": "number"},
        {"name": "ok", "kind": "boolean"},
    ]


def test_rows_come_in_pages_of_one_version(house: House):
    upload(house, field="credits=number")
    page = house.http.get(f"{PATH}/titles/rows", params={"limit": 1, "version": 1})
    assert page.text.startswith('{"version":1,"rows":[{"title":"Dune","credits":5}]')
    rest = house.http.get(f"{PATH}/titles/rows?limit=1&cursor={page.json()['next_cursor']}")
    assert rest.json()["rows"] == [{"title": "Heat", "credits": 3.5}]
    assert rest.json()["next_cursor"] is None
    upload(house, TITLES + "Jaws,1\n")
    assert len(house.http.get(f"{PATH}/titles/rows").json()["rows"]) == 3
    cursor = page.json()["next_cursor"]
    mixed = house.http.get(f"{PATH}/titles/rows", params={"limit": 1, "cursor": cursor})
    assert (mixed.status_code, mixed.json()["code"]) == (400, "cursor_invalid")
    assert house.http.get(f"{PATH}/titles/rows", params={"version": 9}).status_code == 404


@pytest.mark.parametrize(
    ("content", "how", "status", "said"),
    [
        ("k\na\na\n", {"key": "k"}, 422, '"a" stands in line 2 and again in line 3'),
        ("", {}, 422, "it is empty"),
        ("k\na\n", {"field": "number"}, 422, "write column=type"),
        ("k\na\n", {"field": "k=float"}, 422, "use one of string, number, boolean"),
        ("k\na\n", {"headers": {"Content-Type": "text/plain"}}, 415, "text/csv"),
    ],
)
def test_what_is_wrong_is_answered_with_its_place(
    house: House, content: str, how: dict[str, Any], status: int, said: str
):
    refused = upload(house, content, **how)
    assert refused.status_code == status
    assert said in refused.text.replace('\\"', '"')
    assert str(house.directory) not in refused.text
    assert house.http.get(PATH).json()["tables"] == []


def test_a_table_that_is_new_needs_the_right_to_create(house: House):
    house.authority.tokens["updater"] = Client("u", frozenset({"update:tables"}))
    mine = {"headers": {"Authorization": "Bearer updater"}}
    refused = upload(house, **mine)
    assert (refused.status_code, "create:tables" in refused.text) == (403, True)
    upload(house)
    assert upload(house, TITLES + "Jaws,1\n", **mine).status_code == 201


def test_a_table_in_use_stays_and_another_goes(house: House):
    upload(house)
    params = {"table": "titles", "keys": [{"field": "value", "column": "title"}]}
    find = {"id": "f", "name": "Find", "type": "transforms/lookup", "params": params}
    edges = [{"from": "r", "to": "f"}, {"from": "f", "to": "l"}]
    stream = STREAM | {"nodes": [*STREAM["nodes"], find], "edges": edges}
    assert house.http.post("/v1/streams", json=stream).status_code == 201
    tag = house.http.get(f"{PATH}/titles").headers["etag"]
    refused = house.http.delete(f"{PATH}/titles", headers={"If-Match": tag})
    assert (refused.status_code, "by the stream 'Small'" in refused.json()["detail"]) == (409, True)
    previewed = house.http.post("/v1/streams/Small/preview", json={"node": "Find"}).json()
    assert len(previewed["nodes"][0]["out"]["match"]) == 3
    upload(house, name="other")
    assert house.http.delete(f"{PATH}/other").status_code == 428
    assert house.http.delete(f"{PATH}/other", headers={"If-Match": tag}).status_code == 412
    assert house.http.delete(f"{PATH}/other", headers={"If-Match": "*"}).status_code == 204
    assert house.http.get(f"{PATH}/other").status_code == 404
    done = house.http.get("/v1/activities").json()["activities"]
    kinds = [
        (entry["action"], entry["detail"]["name"]) for entry in done if "table" in entry["kind"]
    ]
    assert kinds == [("delete", "other"), ("create", "other"), ("create", "titles")]
