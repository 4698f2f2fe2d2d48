"""A server for the tests: a real one on a free port, with tokens that a test can read."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from meterhouse import bootstrap_server
from meterhouse.api import (
    Address,
    Context,
    Forbidden,
    Limits,
    Scheduler,
    Server,
    TokenRefused,
    Unauthenticated,
    create_app,
)
from meterhouse.core import scope
from meterhouse.core.json_text import parse_json

SCOPES = frozenset(scope.SCOPES)
ADMIN = "admin-token"
MONTHLY = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}
TYPE = {"name": "Units", "category": "U", "aggregation": "sum", "resetSchedule": MONTHLY}
STREAM: dict[str, Any] = {
    "name": "Small",
    "nodes": [
        {"id": "r", "name": "Count", "type": "readers/counter", "params": {"max": 3}},
        {"id": "l", "name": "Log", "type": "writers/log", "params": {}},
    ],
    "edges": [{"from": "r", "to": "l"}],
}
NDJSON = {"Content-Type": "application/x-ndjson"}
TYPES = "/usage-metering/v1/meter-types"
METERS = "/usage-metering/v1/meters"
TOKEN = "/authentication/v1/oauth/token"
#: Reading the certificates of all authorities takes longer than most requests.
_TLS = ssl.create_default_context()


@dataclass(frozen=True)
class Client:
    client_id: str
    scopes: frozenset[str]


@dataclass
class TokenList:
    """An authority that knows its tokens by heart, and one client with a secret."""

    tokens: dict[str, Client] = field(default_factory=lambda: {ADMIN: Client("admin", SCOPES)})
    secret: str = "s3cret"
    audience: str | None = None

    def authorize(self, token: str | None, scope: str) -> Client:
        if token is None:
            raise Unauthenticated("A token is needed", code="token_missing")
        client = self.tokens.get(token)
        if client is None:
            raise Unauthenticated("The token is not one of ours")
        if scope not in client.scopes:
            raise Forbidden(f"The token does not have the scope {scope}", code="scope_missing")
        return client

    def issue(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        if (form["client_id"], form["client_secret"]) != ("admin", self.secret):
            raise TokenRefused("invalid_client", "The client id or the client secret is wrong")
        if self.audience is not None and form.get("audience") not in (None, self.audience):
            raise TokenRefused("invalid_target", "The audience is not this service")
        return {
            "access_token": ADMIN,
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": " ".join(sorted(SCOPES)),
        }

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": []}

    def metadata(self) -> Mapping[str, Any]:
        return {}


@dataclass
class House:
    """A running server and a client of it."""

    url: str
    http: httpx.Client
    context: Context
    authority: TokenList
    log: list[str]
    directory: Path

    def create_type(self, **fields: Any) -> dict[str, Any]:
        answer = self.http.post(TYPES, json=TYPE | fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def create_meter(self, user: str = "ann", **fields: Any) -> dict[str, Any]:
        body = {"userId": user, "meterKey": "k", "meterTypeId": "Units", **fields}
        answer = self.http.post(METERS, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def token(self, name: str, *scopes: str) -> dict[str, str]:
        """Let a client in that has some scopes; its headers."""
        self.authority.tokens[name] = Client(name, frozenset(scopes))
        return {"Authorization": f"Bearer {name}"}

    def import_stream(self, **changes: Any) -> httpx.Response:
        answer = self.http.post("/v1/streams", json=STREAM | changes)
        assert answer.status_code == 201, answer.text
        return answer

    def ended(self, path: str) -> dict[str, Any]:
        """Wait for the end of a run."""
        assert self.context.runs.wait(path.rpartition("/")[2], seconds=60)
        return self.http.get(path).json()

    def request_line(self, request_id: str) -> dict[str, Any]:
        """The line of the log that is of a request; it is written after the answer."""
        while True:
            lines = [parse_json(line) for line in list(self.log)]
            found = [line for line in lines if line.get("requestId") == request_id]
            if found:
                return found[0]
            time.sleep(0.01)


@contextmanager
def running(
    directory: Path, *, limits: Limits | None = None, scheduled: bool = False
) -> Iterator[House]:
    """Run a server on a data directory, in a thread."""
    authority = TokenList()
    log: list[str] = []
    listening = Address("127.0.0.1", 0).listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    ready = threading.Event()
    with bootstrap_server.open_context(
        directory, public_url=url, authority=authority, limits=limits, log=log.append
    ) as context:
        scheduler = Scheduler(context, tick_seconds=0.02)
        if scheduled:
            scheduler.start()
        server = Server(create_app(context), runs=context.runs, ready=ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        assert ready.wait(30)
        headers = {"Authorization": f"Bearer {ADMIN}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60, verify=_TLS) as http:
            yield House(url, http, context, authority, log, directory)
        server.should_exit = True
        thread.join()
        if scheduled:
            scheduler.stop()
        context.runs.stop(grace_seconds=0 if scheduled else 30)
        listening.close()
