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


IMPORT = f"{PATH}:import-llm-prices"
LITELLM = {
    "gpt": {"input_cost_per_token": "2.5e-06", "litellm_provider": "openai"},
    "claude": {"input_cost_per_token": "3e-06", "litellm_provider": "anthropic"},
    "paint": {"output_cost_per_image": "0.04", "litellm_provider": "openai"},
}
HISTORY = """model,provider,effective_from,input_cost_per_token
gpt,openai,2026-01-01T00:00:00Z,5e-06
gpt,openai,2026-03-01T00:00:00Z,2.5e-06
"""
WANTED = {"format": "litellm", "id": "llm", "from": "2026-01-01"}


def imported(
    house: House, given: str, wanted: dict[str, Any], media_type: str = "application/json"
) -> httpx.Response:
    headers = {"Content-Type": media_type}
    return house.http.post(IMPORT, content=given, params=wanted, headers=headers)


def test_published_prices_become_a_version_and_a_repeated_request_changes_nothing(house: House):
    wanted = WANTED | {"markup": "1.2", "customer": "ES", "currency": "EUR"}
    made = imported(house, json_text(LITELLM), wanted)
    assert made.status_code == 200, made.text
    body = made.json()
    [about] = body["priceBooks"]
    named = (about["id"], about["version"], about["customer"], about["currency"], about["new"])
    assert named == ("llm", "2026-01-01", "ES", "EUR", True)
    assert body["notices"] == [
        "left out: no price per token, of paint",
        "left out: output_cost_per_image, of paint",
    ]
    stored = house.http.get(f"{PATH}/llm").json()["document"]
    assert [stored] == body["documents"]
    values = stored["prices"][0]["values"]
    assert {model: cells["input"] for model, cells in values.items()} == {
        "gpt": "3",
        "claude": "3.6",
    }
    [again] = imported(house, json_text(LITELLM), wanted).json()["priceBooks"]
    assert again == about | {"new": False}


def test_models_and_providers_are_chosen_and_a_preview_stores_nothing(house: House):
    for chosen in ({"models": ["g*", "x"]}, {"provider": ["openai"]}):
        wanted = WANTED | chosen | {"preview": "true"}
        body = imported(house, json_text(LITELLM), wanted).json()
        assert body["priceBooks"] == []
        assert list(body["documents"][0]["prices"][0]["values"]) == ["gpt"]
    assert house.http.get(PATH).json()["priceBooks"] == []


def test_a_history_is_a_version_for_each_day_or_one(house: House):
    wanted = {"format": "litellm-history", "id": "llm"}
    body = imported(house, HISTORY, wanted, "text/csv").json()
    assert [one["version"] for one in body["priceBooks"]] == ["2026-01-01", "2026-03-01"]
    body = imported(house, HISTORY, wanted | {"id": "b", "at": "2026-02-01"}, "text/csv").json()
    [document] = body["documents"]
    assert document["prices"][0]["values"]["gpt"]["input"] == "5"


def test_everything_that_is_wrong_with_an_import_is_told_at_once(house: House):
    wanted = {"format": "csv", "id": "", "from": "soon", "at": "1.1.2026", "markup": "-1"}
    refused = imported(house, "{}", wanted)
    assert refused.status_code == 422
    errors = {one["pointer"]: one["detail"] for one in refused.json()["errors"]}
    assert set(errors) == {"/format", "/id", "/at", "/from", "/markup"}
    assert imported(house, "{}", {"id": "llm"}).status_code == 422


@pytest.mark.parametrize(
    ("given", "more", "told"),
    [
        ("x", {}, "cannot be read"),
        ("[]", {}, "of other kinds"),
        ("\ud800", {}, "is not UTF-8"),
        ("{}", {}, "has no prices of these models"),
        (json_text(LITELLM), {"from": ""}, "says no dates"),
        (json_text(LITELLM), {"id": "a b"}, "use letters, digits"),
        (json_text(LITELLM), {"currency": "EURO"}, "no currency"),
        (json_text({"g": {"input_cost_per_token": "1e30"}}), {}, "20 digits before"),
    ],
)
def test_a_table_that_cannot_become_a_price_book_is_refused(
    house: House, given: str, more: dict[str, str], told: str
):
    headers = {"Content-Type": "application/json"}
    raw = given.encode("utf-8", "surrogatepass")
    refused = house.http.post(IMPORT, content=raw, params=WANTED | more, headers=headers)
    assert refused.status_code == 422, refused.text
    assert told in refused.text
    assert "--" not in refused.text
    assert house.http.get(PATH).json()["priceBooks"] == []


def test_an_import_needs_the_scope_to_write(house: House):
    house.authority.tokens["reader"] = Client("r", frozenset({"read:prices"}))
    how = {"Authorization": "Bearer reader", "Content-Type": "application/json"}
    refused = house.http.post(IMPORT, content="{}", params=WANTED, headers=how)
    assert refused.status_code == 403
