"""OAuth 2.0 against a real token endpoint."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from meterhouse.connectors.http import HttpClient
from meterhouse.streams.ports import HttpRequest, HttpTokenFailed, OAuth2Auth
from tests.connectors.http.server import Asked, Reply, Server


class Endpoint:
    """Gives out numbered tokens and checks them; ``valid`` are those in force."""

    def __init__(self, **more: Any) -> None:
        self.given = 0
        self.valid: set[str] = set()
        self.more = {"expires_in": 3600} | more
        self._lock = threading.Lock()

    def routes(self) -> dict[str, Any]:
        return {"/token": self.token, "*": self.resource}

    def token(self, asked: Asked) -> Reply:
        with self._lock:
            self.given += 1
            text = f"t0ken-{self.given}"
            self.valid.add(text)
        return Reply.of({"access_token": text, "token_type": "Bearer"} | self.more)

    def resource(self, asked: Asked) -> Reply:
        text = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return Reply.of({"as": text}, 200 if text in self.valid else 401)


def auth(server: Server, **more: Any) -> OAuth2Auth:
    return replace(OAuth2Auth(f"{server.url}/token", "ann's app", "s3cret&=+"), **more)


def send(client: HttpClient, server: Server, who: OAuth2Auth) -> tuple[int, bytes]:
    answer = client.send(HttpRequest("GET", f"{server.url}/x", auth=who))
    return answer.status, answer.body


def test_client_credentials_go_into_the_body(serve, calling):
    server = serve(Endpoint().routes())
    who = auth(server, audience="https://api.example/", scope="a b")
    assert send(calling(), server, who) == (200, b'{"as": "t0ken-1"}')
    asked = server.asked[0]
    assert (asked.method, asked.headers["content-type"]) == (
        "POST",
        "application/x-www-form-urlencoded",
    )
    assert "authorization" not in asked.headers
    assert asked.form == {
        "grant_type": "client_credentials",
        "audience": "https://api.example/",
        "scope": "a b",
        "client_id": "ann's app",
        "client_secret": "s3cret&=+",
    }


def test_client_credentials_may_go_into_a_header(serve, calling):
    server = serve(Endpoint().routes())
    send(calling(), server, auth(server, in_body=False))
    kind, _, pair = server.asked[0].headers["authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(pair) == b"ann%27s+app:s3cret%26%3D%2B"
    assert server.asked[0].form == {"grant_type": "client_credentials"}


def test_a_user_s_password_may_get_the_token(serve, calling):
    server = serve(Endpoint().routes())
    who = auth(server, grant="password", username="ann", password="pw")
    assert send(calling(), server, who)[0] == 200
    form = server.asked[0].form
    assert (form["grant_type"], form["username"], form["password"]) == ("password", "ann", "pw")


def test_a_token_is_fetched_once_by_many_threads_and_kept(serve, calling):
    endpoint = Endpoint()
    server = serve(endpoint.routes())
    client, who = calling(), auth(server)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: send(client, server, who), range(24)))
    assert answers == [(200, b'{"as": "t0ken-1"}')] * 24
    client.close()
    assert send(client, server, who)[0] == 200
    assert endpoint.given == 1


def test_other_credentials_get_another_token(serve, calling):
    endpoint = Endpoint()
    server = serve(endpoint.routes())
    client = calling()
    for who in (auth(server), auth(server, audience="b"), auth(server, client_secret="z")):
        send(client, server, who)
    assert endpoint.given == 3


def test_a_token_that_is_about_to_end_is_not_used(serve, calling):
    endpoint = Endpoint(expires_in=0)
    server = serve(endpoint.routes())
    client = calling()
    assert [send(client, server, auth(server))[0] for _ in range(3)] == [200] * 3
    assert endpoint.given == 3


def test_a_token_that_was_withdrawn_is_fetched_anew_once(serve, calling):
    endpoint = Endpoint()
    server = serve(endpoint.routes())
    client = calling()
    send(client, server, auth(server))
    endpoint.valid.clear()
    assert send(client, server, auth(server)) == (200, b'{"as": "t0ken-2"}')
    assert endpoint.given == 2


def test_a_token_that_never_will_do_is_fetched_once_a_request(serve, calling):
    endpoint = Endpoint()
    server = serve(endpoint.routes() | {"*": lambda _: Reply.of({}, 401)})
    client = calling()
    assert [send(client, server, auth(server))[0] for _ in range(2)] == [401, 401]
    assert endpoint.given == 2


@pytest.mark.parametrize(
    ("reply", "said", "retriable"),
    [
        (Reply.of({"error": "invalid_client"}, 401), "answered 401 (invalid_client)", False),
        (Reply.of({"error": "no s3cret&=+ here"}, 400), "answered 400", False),
        (Reply(503, b"s3cret&=+"), "answered 503", True),
        (Reply.of({}, 429), "answered 429", True),
        (Reply(200, b"s3cret&=+"), "answered 200 without an access_token", False),
        (Reply.of({"access_token": "a b"}), "answered 200 without an access_token", False),
        (Reply(302, b"", {"location": "/elsewhere"}), "answered 302", False),
    ],
)
def test_an_endpoint_that_gives_none_is_named_without_secrets(
    serve, calling, reply: Reply, said: str, retriable: bool
):
    server = serve({"/token": lambda _: reply})
    with pytest.raises(HttpTokenFailed) as caught:
        send(calling(), server, auth(server))
    assert f"The token endpoint {server.url}/token {said}" in str(caught.value)
    assert caught.value.retriable is retriable
    assert "s3cret" not in f"{caught.value} {caught.value!r} {auth(server)!r}"
    assert server.count("/x") == 0


def test_the_token_endpoint_is_guarded_too(serve, calling, canary):
    server = serve({})
    who = auth(server, token_url=f"http://127.0.0.1:{canary.port}/token")
    with pytest.raises(Exception, match="not a public address"):
        send(calling(server.host), server, who)
    assert canary.count() == 0
