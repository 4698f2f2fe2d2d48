"""Pages: their union is the list, and a cursor is good for its list alone."""

from urllib.parse import quote

import httpx
import pytest

from tests.api.world import METERS, NDJSON, House

USERS = [f"user {number}" for number in range(23)]


@pytest.fixture
def full(house: House) -> House:
    house.create_type()
    lines = [f'{{"userId":"{u}","meterKey":"k","meterTypeId":"Units"}}' for u in USERS]
    answer = house.http.post("/v1/meters/bulk", content="\n".join(lines), headers=NDJSON)
    assert answer.status_code == 200
    return house


@pytest.mark.parametrize("limit", [1, 7, 22, 23, 24])
def test_pages_make_up_the_list(full: House, limit: int):
    users: list[str] = []
    token: str | None = None
    while True:
        given = {"limit": limit} | ({} if token is None else {"nextToken": token})
        page = full.http.get(METERS, params=given).json()
        assert len(page["meters"]) <= limit
        users += [meter["userId"] for meter in page["meters"]]
        token = page["nextToken"]
        if token is None:
            break
    assert users == USERS


def test_a_page_links_to_the_next_one(house: House):
    for number in range(3):
        house.import_stream(name=f"Stream {number}")
    names: list[str] = []
    answer = house.http.get("/v1/streams?limit=1")
    while True:
        names += [stream["name"] for stream in answer.json()["streams"]]
        if "next" not in answer.links:
            break
        answer = house.http.get(answer.links["next"]["url"])
    assert names == ["Stream 0", "Stream 1", "Stream 2"]


@pytest.mark.parametrize("name", ["With a space", "q?x#y", "50 %", "Zählung"])
def test_links_lead_on_whatever_a_stream_is_called(house: House, name: str):
    house.import_stream(name=name)
    first = f"/v1/streams/{quote(name)}/runs"
    started = []
    for _ in range(2):
        started.append(house.ended(house.http.post(first).headers["location"])["id"])
    page = house.http.get(first, params={"limit": 1})
    [run] = house.http.get(page.links["next"]["url"]).json()["runs"]
    assert run["id"] == started[0]


def test_meters_link_to_the_next_page_by_its_own_parameter(full: House):
    page = full.http.get(METERS, params={"limit": 22, "meterKey": "k"})
    last = full.http.get(page.links["next"]["url"])
    assert [meter["userId"] for meter in last.json()["meters"]] == USERS[22:]
    assert "next" not in last.links


def _refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


def test_a_cursor_that_was_changed_is_refused(full: House):
    token = full.http.get(METERS, params={"limit": 5}).json()["nextToken"]
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        _refused(full.http.get(METERS, params={"nextToken": changed}))
    for made_up in ("c5", "", "x", "é", token + "=", token + "A", "c" * 5000):
        _refused(full.http.get(METERS, params={"nextToken": made_up}))


def test_a_cursor_is_good_for_its_list_and_filters_alone(full: House):
    token = full.http.get(METERS, params={"limit": 5}).json()["nextToken"]
    _refused(full.http.get(METERS, params={"nextToken": token, "userId": "user 1"}))
    _refused(full.http.get("/v1/records", params={"cursor": token}))
    assert full.http.get(METERS, params={"nextToken": token, "limit": 2}).status_code == 200
