"""Price books by request: versions that never change, checks, pages, and who may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse.core.json_text import json_text
from tests.api.world import Client, House, running
from tests.core.price_books import EXAMPLE, book_of, example

PATH = "/v1/price-books"
ONE = {"model": "per_unit", "price": 1}
VERSION = f"{PATH}/liceo-es/versions/2026-10-01.1"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with running(tmp_path / "data") as house:
        yield house


def send(house: House, document: Any, path: str = PATH) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return house.http.post(path, content=json_text(document), headers=headers)


def test_a_version_is_made_once_and_read_again(house: House):
    made = send(house, EXAMPLE)
    assert (made.status_code, made.json()["new"], made.headers["location"]) == (201, True, VERSION)
    assert (made.json()["createdBy"], made.json()["usedAt"]) == ("admin", None)
    again = send(house, EXAMPLE)
    assert (again.status_code, again.json()["new"]) == (200, False)
    assert again.json()["hash"] == made.json()["hash"]
    for path in (VERSION, f"{PATH}/liceo-es"):
        assert house.http.get(path).json()["document"] == EXAMPLE


def test_other_contents_of_a_version_are_a_conflict(house: House):
    send(house, EXAMPLE)
    refused = send(house, example(timezone="Etc/UTC"))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "a version never changes" in refused.json()["hint"]


def test_every_problem_has_a_pointer(house: House):
    document = book_of({"model": "volume", "tiers": [{"price": "x"}]}, currency="EURO")
    refused = send(house, document)
    assert refused.status_code == 422
    pointers = [error["pointer"] for error in refused.json()["errors"]]
    assert pointers == ["/currency", "/prices/0/tiers/0/price"]


def test_a_check_says_what_it_finds_and_stores_nothing(house: House):
    found = send(house, book_of(ONE, ONE | {"price": 0}), f"{PATH}:check")
    assert (found.status_code, found.json()["id"]) == (200, "b")
    [problem] = found.json()["problems"]
    assert problem["message"].startswith("can hold for the same usage as 'p0'")
    [warning] = found.json()["warnings"]
    assert warning["message"].startswith("costs nothing")
    assert send(house, {}, f"{PATH}:check").json()["id"] is None
    assert house.http.get(PATH).json()["priceBooks"] == []


@pytest.mark.parametrize("document", [[], [None, None], "text", 1, None])
def test_a_check_takes_what_is_no_object_too_and_says_so(house: House, document: Any):
    [problem] = send(house, document, f"{PATH}:check").json()["problems"]
    assert (problem["place"], "not a JSON object" in problem["message"]) == ("", True)
    assert send(house, document).status_code == 422


def test_a_book_may_be_named_as_the_action_is(house: House):
    send(house, book_of(ONE, id="check"))
    assert house.http.get(f"{PATH}/check").json()["id"] == "check"


def test_lists_are_by_book_and_by_customer_in_pages(house: House):
    for version in "123":
        send(house, book_of(ONE, version=version, customer="PT"))
    send(house, EXAMPLE)
    page = house.http.get(PATH, params={"customer": "PT", "limit": 2})
    assert [book["version"] for book in page.json()["priceBooks"]] == ["1", "2"]
    following = house.http.get(page.links["next"]["url"])
    assert [book["version"] for book in following.json()["priceBooks"]] == ["3"]
    [only] = house.http.get(PATH, params={"id": "liceo-es"}).json()["priceBooks"]
    assert (only["customer"], only["validFrom"], only["validTo"]) == ("ES", "2026-10-01", None)


def test_an_unused_version_is_deleted(house: House):
    send(house, EXAMPLE)
    assert house.http.delete(VERSION).status_code == 204
    assert house.http.delete(VERSION).status_code == 404
    assert house.http.get(f"{PATH}/liceo-es").status_code == 404


def test_who_may_read_may_not_write(house: House):
    send(house, EXAMPLE)
    house.authority.tokens["reader"] = Client("r", frozenset({"read:prices"}))
    headers = {"Authorization": "Bearer reader"}
    assert house.http.get(VERSION, headers=headers).status_code == 200
    refused = house.http.delete(VERSION, headers=headers)
    assert (refused.status_code, "write:prices" in refused.text) == (403, True)
