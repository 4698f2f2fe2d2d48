"""Every operation of the description against every way of not being allowed."""

import base64
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from meterhouse.app.applications import NewClient, delete_application, update_application
from meterhouse.core.instant import SECOND
from meterhouse.core.scope import SCOPES
from meterhouse.security import Authority
from tests.api.knocking import Doors, doors
from tests.api.test_kernel_authorization import kernel_operations

METHODS = ("get", "post", "put", "patch", "delete")
OVERRIDES = {"X-HTTP-Method-Override": "GET", "X-Method-Override": "GET", "X-HTTP-Method": "GET"}
RESOURCE = 'resource_metadata="https://metering.example/.well-known/oauth-protected-resource"'


@dataclass(frozen=True)
class Operation:
    """A guarded operation, as the description has it."""

    method: str
    path: str
    scope: str


@dataclass(frozen=True)
class House:
    door: Doors
    operations: list[Operation]

    def refusals(
        self, headers: dict[str, str], query: dict[str, str] | None = None
    ) -> Iterator[tuple[Operation, httpx.Response]]:
        how: dict[str, Any] = {"headers": headers, "params": query or {}}
        asked = [(o.method, o.path, how) for o in self.operations]
        return zip(self.operations, self.door.ask_all(asked), strict=True)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with doors(tmp_path_factory.mktemp("matrix") / "data") as door:
        yield House(door, list(_guarded(json.loads(door.app.state.description()))))


def _guarded(description: dict[str, Any]) -> Iterator[Operation]:
    for path, item in description["paths"].items():
        for method in METHODS:
            if method in item and "oauth2" in (item[method]["security"] or [{}])[0]:
                [[scope]] = [needed["oauth2"] for needed in item[method]["security"]]
                yield Operation(method.upper(), re.sub(r"\{\w+\}", "1", path), scope)


def _check(answer: httpx.Response, operation: Operation, *, status: int, given: bool) -> None:
    said = f"{operation}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code == status, said
    assert answer.headers["content-type"] == "application/problem+json", said
    problem = answer.json()
    assert problem["status"] == status, said
    assert problem["type"].endswith(problem["code"]), said
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="meterhouse"'), said
    assert RESOURCE in challenge, said
    if status == 403:
        assert f'error="insufficient_scope", scope="{operation.scope}"' in challenge, said
    else:
        assert ('error="invalid_token"' in challenge) == given, said


# ------------------------------------------------------------ tokens


def _authority(house: House) -> Authority:
    tokens = house.door.access._tokens
    assert isinstance(tokens, Authority)
    return tokens


def _token(house: House) -> str:
    return house.door.headers()["Authorization"].removeprefix("Bearer ")


def _part(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed(house: House, claims: dict[str, Any], header: dict[str, Any]) -> str:
    """Sign with the key that the server trusts."""
    good = _token(house).split(".")
    authority = _authority(house)
    key = authority._key(authority._signing_key(house.door.context.clock()))
    said = json.dumps(_part(good[1]) | claims)
    headers = {name: v for name, v in (_part(good[0]) | header).items() if v is not None}
    return jws.serialize_compact(headers, said, key, ["ES256"])


def _altered_payload(house: House) -> str:
    head, claims, signature = _token(house).split(".")
    return f"{head}.{_encoded(_part(claims) | {'sub': 'root'})}.{signature}"


def _altered_signature(house: House) -> str:
    head, claims, signature = _token(house).split(".")
    return f"{head}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def _without_algorithm(house: House) -> str:
    head, claims, _ = _token(house).split(".")
    return f"{_encoded(_part(head) | {'alg': 'none'})}.{claims}."


def _signed_with_the_public_key(house: House) -> str:
    head, claims, _ = _token(house).split(".")
    [public] = house.door.access.jwks()["keys"]
    pem = ECKey.import_key(dict(public)).as_pem(private=False)
    signing = f"{_encoded(_part(head) | {'alg': 'HS256'})}.{claims}"
    mac = hmac.digest(pem, signing.encode(), "sha256")
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _signed_by_another(house: House) -> str:
    head, claims, _ = _token(house).split(".")
    key = ECKey.generate_key("P-256")
    return jws.serialize_compact(_part(head), json.dumps(_part(claims)), key, ["ES256"])


def _of_a_deleted_application(house: House) -> str:
    client = house.door.client("Gone")
    token = house.door.headers(client)["Authorization"].removeprefix("Bearer ")
    with house.door.context.ledger() as ledger:
        delete_application(ledger, client.application.id)
    return token


def _now(house: House) -> int:
    return house.door.context.clock() // SECOND


BAD = {
    "malformed": lambda _: "x",
    "three parts of nothing": lambda _: "a.b.c",
    "expired": lambda h: _signed(h, {"iat": _now(h) - 7200, "exp": _now(h) - 1}, {}),
    "not yet valid": lambda h: _signed(h, {"iat": _now(h) + 60, "exp": _now(h) + 600}, {}),
    "of another issuer": lambda h: _signed(h, {"iss": "https://evil.example"}, {}),
    "for another audience": lambda h: _signed(h, {"aud": "https://other.example"}, {}),
    "altered payload": _altered_payload,
    "altered signature": _altered_signature,
    "no algorithm": _without_algorithm,
    "the public key as a shared one": _signed_with_the_public_key,
    "another key under our name": _signed_by_another,
    "an unknown key": lambda h: _signed(h, {}, {"kid": "0" * 32}),
    "a path for a key": lambda h: _signed(h, {}, {"kid": "../../../../dev/null"}),
    "no name of a key": lambda h: _signed(h, {}, {"kid": None}),
    "no access token": lambda h: _signed(h, {}, {"typ": "JWT"}),
    "of a deleted application": _of_a_deleted_application,
}


def test_the_matrix_has_every_operation_and_every_scope(house: House):
    guarded = [route for route in house.door.app.routes if route.guard.scope is not None]
    own = sum(len(route.methods) for route in guarded if route.guard.kernel is None)
    assert len(house.operations) == own
    kernel = sum(len(route.methods) for route in guarded if route.guard.kernel is not None)
    assert len(list(kernel_operations(json.loads(house.door.app.state.description())))) == kernel
    assert {operation.scope for operation in house.operations} <= set(SCOPES)


def test_without_a_token_nobody_gets_in(house: House):
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        for operation, answer in house.refusals(headers):
            _check(answer, operation, status=401, given=bool(headers))


@pytest.mark.parametrize("name", BAD)
def test_with_a_bad_token_nobody_gets_in(house: House, name: str):
    headers = {"Authorization": f"Bearer {BAD[name](house)}"}
    for operation, answer in house.refusals(headers):
        _check(answer, operation, status=401, given=True)


def test_a_token_elsewhere_than_in_its_header_is_none(house: House):
    token = _token(house)
    query = dict.fromkeys(("access_token", "token", "authorization"), token)
    headers = {"Cookie": f"access_token={token}", "X-Access-Token": token}
    for operation, answer in house.refusals(headers, query):
        _check(answer, operation, status=401, given=False)


def _lacking(house: House, scope: str) -> dict[str, str]:
    return house.door.headers(scope=" ".join(s for s in SCOPES if s != scope))


def test_every_operation_refuses_a_token_that_has_all_scopes_but_its_own(house: House):
    tokens = {o.scope: _lacking(house, o.scope) for o in house.operations}
    for extra in ({}, OVERRIDES):
        asked = [(o.method, o.path, {"headers": tokens[o.scope] | extra}) for o in house.operations]
        for operation, answer in zip(house.operations, house.door.ask_all(asked), strict=True):
            _check(answer, operation, status=403, given=True)


def test_every_operation_refuses_an_application_that_lost_its_scope(house: House):
    tokens: dict[str, dict[str, str]] = {}
    for scope in {operation.scope for operation in house.operations}:
        client: NewClient = house.door.client(f"Lost {scope}")
        tokens[scope] = house.door.headers(client)
        with house.door.context.ledger() as ledger:
            patch = {"scopes": [other for other in SCOPES if other != scope]}
            update_application(ledger, client.application.id, patch=patch, at=_now(house) * SECOND)
    asked = [(o.method, o.path, {"headers": tokens[o.scope]}) for o in house.operations]
    for operation, answer in zip(house.operations, house.door.ask_all(asked), strict=True):
        _check(answer, operation, status=403, given=True)


def test_every_operation_lets_in_who_has_its_scope_and_no_other(house: House):
    asked = [
        (o.method, o.path, {"headers": house.door.headers(scope=o.scope)}) for o in house.operations
    ]
    for operation, answer in zip(house.operations, house.door.ask_all(asked), strict=True):
        assert answer.status_code not in (401, 403, 405), (operation, answer.text)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "POST"])
def test_no_header_turns_a_read_into_something_else(tmp_path: Path, method: str):
    with doors(tmp_path / "data") as door:
        door.client("Victim", ["read:meters"])
        override = dict.fromkeys(OVERRIDES, method) | {"If-Match": "*"}
        headers = door.headers(scope="read:applications") | override
        answer = door.ask("GET", "/v1/applications/Victim", headers=headers)
        assert (answer.status_code, answer.json()["name"]) == (200, "Victim")
        refused = door.ask("GET", "/v1/applications/Victim?_method=" + method, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "parameter_unknown")
        assert door.ask("GET", "/v1/applications/Victim").status_code == 200
