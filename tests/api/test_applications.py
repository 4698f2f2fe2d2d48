"""Applications over the API: what a client may give, and what it may not take away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.core.scope import SCOPES
from tests.api.knocking import Doors, doors

PATH = "/v1/applications"
KEY = {"Idempotency-Key": "one"}
SOME = ["read:meters", "create:applications", "update:applications", "read:applications"]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Doors]:
    with doors(tmp_path / "data") as door:
        yield door


def if_match(door: Doors, id: str) -> dict[str, str]:
    return {"If-Match": door.ask("GET", f"{PATH}/{id}").headers["etag"]}


def test_the_client_secret_is_shown_once_and_buys_a_token(door: Doors):
    made = door.ask("POST", PATH, json={"name": "CRM", "scopes": ["read:meters"]})
    assert made.status_code == 201
    client = made.json()
    read = door.ask("GET", made.headers["location"])
    assert (read.json()["name"], read.json()["clientId"]) == ("CRM", client["clientId"])
    listed = door.ask("GET", PATH)
    assert [item["name"] for item in listed.json()["applications"]] == ["Administrator", "CRM"]
    assert client["clientSecret"] not in read.text + listed.text
    form = {"grant_type": "client_credentials", "client_id": client["clientId"]}
    token = door.access.issue(form | {"client_secret": client["clientSecret"]})
    assert token["scope"] == "read:meters"


def test_a_repeat_under_a_key_creates_nothing_and_has_no_secret(door: Doors):
    body = {"name": "CRM", "scopes": ["read:meters"]}
    first = door.ask("POST", PATH, json=body, headers=KEY)
    again = door.ask("POST", PATH, json=body, headers=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "secret_already_shown")
    assert f"{first.headers['location']}/rotate" in again.json()["hint"]
    with door.context.ledger() as ledger:
        [(kept,)] = ledger._database.rows("SELECT body FROM idempotency")
        assert not kept
        # As after a crash before the answer: the application is found by its derived id.
        ledger._database.execute("DELETE FROM idempotency")
    crashed = door.ask("POST", PATH, json=body, headers=KEY)
    assert (crashed.status_code, crashed.json()["code"]) == (409, "secret_already_shown")
    assert len(door.ask("GET", PATH).json()["applications"]) == 2


def test_a_client_gives_no_scope_that_it_does_not_have(door: Doors):
    lesser = door.headers(door.client("Lesser", SOME))
    for scopes in (["read:meters", "delete:meters"], list(SCOPES)):
        refused = door.ask("POST", PATH, json={"name": "x", "scopes": scopes}, headers=lesser)
        assert (refused.status_code, refused.json()["code"]) == (403, "scopes_not_owned")
        assert "delete:meters" in refused.json()["detail"]
        assert "scope=" not in refused.headers["www-authenticate"]
    made = door.ask("POST", PATH, json={"name": "x", "scopes": SOME[:2]}, headers=lesser)
    assert made.status_code == 201


def test_scopes_are_named(door: Doors):
    for body in ({"name": "x"}, {"name": "x", "scopes": None}):
        refused = door.ask("POST", PATH, json=body)
        assert refused.status_code == 422
        [error] = refused.json()["errors"]
        assert (error["pointer"], error["detail"]) == ("/scopes", "is missing")
    assert len(door.ask("GET", PATH).json()["applications"]) == 1


def test_a_client_does_not_widen_itself_nor_others(door: Doors):
    lesser = door.client("Lesser", SOME)
    headers = door.headers(lesser) | if_match(door, "Lesser")
    for scopes in ([*SOME, "delete:meters"], list(SCOPES)):
        refused = door.ask("PATCH", f"{PATH}/Lesser", json={"scopes": scopes}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "scopes_not_owned")
    # What the others have already, a lesser client may let stand.
    named = door.headers(lesser) | if_match(door, "Administrator")
    renamed = door.ask("PATCH", f"{PATH}/Administrator", json={"name": "Root"}, headers=named)
    assert (renamed.status_code, len(renamed.json()["scopes"])) == (200, len(SCOPES))


def test_a_token_with_fewer_scopes_than_its_application_gives_no_more_than_it_has(door: Doors):
    headers = door.headers(scope="create:applications read:meters")
    refused = door.ask("POST", PATH, json={"name": "x", "scopes": SOME}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "scopes_not_owned")


def test_a_client_does_not_get_the_secret_of_one_that_may_more(door: Doors):
    lesser = door.headers(door.client("Lesser", SOME))
    refused = door.ask("POST", f"{PATH}/Administrator/rotate", headers=lesser)
    assert (refused.status_code, refused.json()["code"]) == (403, "scopes_not_owned")
    assert door.headers(door.first), "its client secret still works"


def test_the_last_that_looks_after_applications_stays(door: Doors):
    headers = if_match(door, "Administrator")
    fewer = {"scopes": [scope for scope in SCOPES if scope != "delete:applications"]}
    path = f"{PATH}/Administrator"
    for refused in (
        door.ask("DELETE", path, headers=headers),
        door.ask("PATCH", path, json=fewer, headers=headers),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")
    assert door.ask("PATCH", path, json={"name": "A"}, headers=headers).status_code == 200
    door.client("Other", [scope for scope in SCOPES if scope.endswith(":applications")])
    headers = if_match(door, "A")
    assert door.ask("DELETE", f"{PATH}/A", headers=headers).status_code == 204


def test_changes_need_the_present_revision(door: Doors):
    door.client("CRM", ["read:meters"])
    path = f"{PATH}/CRM"
    assert door.ask("PATCH", path, json={"name": "x"}).status_code == 428
    old = if_match(door, "CRM")
    changed = door.ask("PATCH", path, json={"scopes": ["read:runs"]}, headers=old)
    assert (changed.status_code, changed.json()["scopes"]) == (200, ["read:runs"])
    assert door.ask("DELETE", path, headers=old).status_code == 412
    fresh = {"If-None-Match": changed.headers["etag"]}
    assert door.ask("GET", path, headers=fresh).status_code == 304
    assert door.ask("DELETE", path, headers=if_match(door, "CRM")).status_code == 204
    assert door.ask("GET", path).status_code == 404


@pytest.mark.parametrize(("body", "old_works"), [({}, False), ({"oldUntil": "2999-01-01"}, True)])
def test_a_new_client_secret_ends_the_old_one_now_or_later(door: Doors, body, old_works):
    crm = door.client("CRM", ["read:meters"])
    rotated = door.ask("POST", f"{PATH}/CRM/rotate", json=body, headers=KEY)
    assert rotated.status_code == 200, rotated.text
    assert rotated.json()["clientSecret"] != crm.client_secret
    again = door.ask("POST", f"{PATH}/CRM/rotate", json=body, headers=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "secret_already_shown")
    form = {"grant_type": "client_credentials", "client_id": crm.application.client_id}
    assert door.access.issue(form | {"client_secret": rotated.json()["clientSecret"]})
    if old_works:
        assert door.headers(crm)
    else:
        with pytest.raises(Exception, match="client secret is wrong"):
            door.headers(crm)


@pytest.mark.parametrize("body", [{"oldUntil": "soon"}, {"until": 1}, []])
def test_a_rotation_that_cannot_be_read(door: Doors, body: object):
    assert door.ask("POST", f"{PATH}/Administrator/rotate", json=body).status_code == 422
