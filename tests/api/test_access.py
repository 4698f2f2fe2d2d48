"""Who gets in: real applications, real tokens, over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhouse import bootstrap_server
from meterhouse.api import Access, Address, Context, Server, create_app
from meterhouse.app.applications import NewClient, delete_application, update_application
from meterhouse.core.scope import SCOPES
from tests.api.world import METERS, TOKEN, House

GRANT = {"grant_type": "client_credentials"}


@dataclass
class Door:
    """A server with its own authority, and its first client."""

    url: str
    context: Context
    first: NewClient

    def ask(self, **more: Any) -> httpx.Response:
        client = self.first.application.client_id
        form = GRANT | {"client_id": client, "client_secret": self.first.client_secret} | more
        return httpx.post(self.url + TOKEN, data=form)

    def token(self, **more: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.ask(**more).json()['access_token']}"}

    def get(self, path: str, headers: dict[str, str]) -> tuple[int, str | None]:
        answer = httpx.get(self.url + path, headers=headers)
        return answer.status_code, answer.json().get("code")


@contextmanager
def serving(directory: Path) -> Iterator[tuple[str, Context]]:
    listening = Address("127.0.0.1", 0).listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    ready = threading.Event()
    with bootstrap_server.open_context(
        directory, public_url="https://metering.example/", own_urls=[url], log=lambda _: None
    ) as context:
        server = Server(create_app(context), runs=context.runs, ready=ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        assert ready.wait(30)
        yield url, context
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with serving(tmp_path / "data") as (url, context):
        assert isinstance(context.authority, Access)
        first = context.authority.first_client()
        assert first is not None
        assert context.authority.first_client() is None
        yield Door(url, context, first)


def test_the_first_client_may_do_everything(door: Door):
    token = door.ask().json()
    assert set(token["scope"].split()) == set(SCOPES)
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert door.get(METERS, door.token()) == (200, None)


def test_a_client_may_ask_for_less_than_it_has(door: Door):
    headers = door.token(scope="read:meters")
    assert door.get(METERS, headers) == (200, None)
    assert door.get("/v1/runs", headers) == (403, "scope_missing")


@pytest.mark.parametrize("name", ["audience", "resource"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_token_is_for_this_server_whatever_it_is_called(door: Door, name: str, end: str):
    for url in ("https://metering.example", door.url):
        assert door.get(METERS, door.token(**{name: url + end})) == (200, None)


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"scope": "read:meters do:anything"}, 400, "invalid_scope"),
        ({"audience": "https://elsewhere.example"}, 400, "invalid_target"),
        ({"resource": "https://elsewhere.example"}, 400, "invalid_target"),
        (
            {"audience": "https://metering.example", "resource": "https://elsewhere.example"},
            400,
            "invalid_target",
        ),
    ],
)
def test_what_is_asked_for_in_vain(door: Door, more: dict[str, str], status: int, error: str):
    answer = door.ask(**more)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert door.first.client_secret not in answer.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token_missing"),
        ({"Authorization": "Bearer x"}, "token_malformed"),
        ({"Authorization": "Basic YTpi"}, "token_missing"),
    ],
)
def test_a_refusal_says_why(door: Door, headers: dict[str, str], code: str):
    assert door.get(METERS, headers) == (401, code)


def test_a_token_counts_for_what_its_application_may_do_now(door: Door):
    headers = door.token()
    with door.context.ledger() as ledger:
        patch = {"scopes": ["read:meters"]}
        id = door.first.application.id
        update_application(ledger, id, patch=patch, at=door.context.clock())
        assert door.get("/v1/runs", headers) == (403, "scope_missing")
        assert door.get(METERS, headers) == (200, None)
        delete_application(ledger, id)
        assert door.get(METERS, headers) == (401, "client_gone")


def test_there_are_public_keys_before_the_first_token(door: Door):
    document = httpx.get(f"{door.url}/.well-known/jwks.json").json()
    [key] = document["keys"]
    assert (key["alg"], key["use"]) == ("ES256", "sig")
    assert "d" not in key
    server = httpx.get(f"{door.url}/.well-known/oauth-authorization-server").json()
    assert server["issuer"] == "https://metering.example"


def test_a_later_start_makes_no_second_client(tmp_path: Path):
    for known in (False, True):
        with serving(tmp_path / "data") as (_, context):
            assert isinstance(context.authority, Access)
            assert (context.authority.first_client() is None) == known


def test_an_empty_token_request_is_an_error_of_oauth(house: House):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for how in ({"headers": form}, {"headers": {"Content-Type": "application/json"}}, {}):
        answer = house.http.post(TOKEN, **how)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert "grant_type is missing" in answer.json()["error_description"]
