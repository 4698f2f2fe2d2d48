"""Every route says who may use it, and the description says the same."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute

from meterhouse.api import create_app
from meterhouse.api.guarding import GuardedRoute
from meterhouse.api.operation import Operation, Resource
from meterhouse.api.resources import RESOURCES
from tests.api.reference import PAGE, page
from tests.api.world import SCOPES, House

OPEN = {
    "/authentication/v1/oauth/token",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/healthz",
    "/readyz",
    # The token in its address is what lets in.
    "/v1/downloads/{token}",
}
OPERATIONS = [operation for resource in RESOURCES for operation in resource.operations]
GUARDED = [operation for operation in OPERATIONS if operation.guard.scope is not None]


def test_every_route_has_a_guard(house: House):
    routes = create_app(house.context).routes
    assert all(isinstance(route, GuardedRoute) and route.guard is not None for route in routes)
    assert {r.path for r in routes if isinstance(r, APIRoute)} == {o.path for o in OPERATIONS}


def test_only_these_are_open_to_all():
    assert {operation.path for operation in OPERATIONS if operation.guard.scope is None} == OPEN


def test_every_scope_of_a_guard_is_one_that_there_is():
    assert {operation.guard.scope for operation in GUARDED} <= SCOPES


def test_a_route_without_a_guard_answers_nobody(house: House):
    app = create_app(house.context)
    app.add_api_route("/forgotten", lambda: {"secret": 1})
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": house.http.headers["authorization"]}

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/forgotten", headers=headers)

    import asyncio

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def _filled(path: str) -> str:
    return path.format(
        id="1", meter_key="k", version="1", type="t", format="f", line="1", token="t", name="n"
    )


def _ask(nobody: httpx.Client, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    return nobody.request(operation.method, _filled(operation.path), headers=headers)


@pytest.fixture
def nobody(house: House) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=house.url) as client:
        yield client


def test_every_guarded_operation_refuses_who_has_no_token(nobody: httpx.Client):
    for operation in GUARDED:
        for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic YTpi"}):
            answer = _ask(nobody, operation, headers)
            assert answer.status_code == 401, operation.path
            assert answer.headers["www-authenticate"].startswith("Bearer ")
            assert answer.headers["content-type"] == "application/problem+json"


def test_every_guarded_operation_refuses_who_lacks_its_scope(house: House, nobody: httpx.Client):
    for operation in GUARDED:
        headers = house.token("other", *(SCOPES - {operation.guard.scope}))
        answer = _ask(nobody, operation, headers)
        assert answer.status_code == 403, operation.path
        challenge = answer.headers["www-authenticate"]
        assert f'error="insufficient_scope", scope="{operation.guard.scope}"' in challenge


def test_every_operation_names_its_scope_in_the_description(house: House):
    paths = house.http.get("/openapi.json").json()["paths"]
    for operation in OPERATIONS:
        described = paths[operation.path][operation.method.lower()]
        scope = operation.guard.scope
        assert described["security"] == ([] if scope is None else [{"oauth2": [scope]}])
        assert {"400", "422", "500", "503"} <= set(described["responses"])


def test_a_wrong_method_is_told_which_ones_the_description_has(house: House):
    paths = house.http.get("/openapi.json").json()["paths"]
    for path, item in paths.items():
        answer = house.http.request("TRACE", _filled(path))
        assert answer.status_code == 405, path
        assert answer.headers["allow"].lower().split(", ") == sorted(item), path


def test_the_description_in_docs_is_that_of_the_server():
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.api.reference`"


def test_operation_ids_are_unique(house: House):
    paths = house.http.get("/openapi.json").json()["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)


def test_a_resource_is_one_declaration(house: House):
    resource = Resource("Teapots", about="Short and stout")

    @resource.get("/v1/teapots", guard=GUARDED[0].guard, answers={200: OPERATIONS[0].answers[200]})
    def list_teapots() -> None:
        """List teapots."""

    assert [r.path for r in create_app(house.context, resources=[resource]).routes] == [
        "/v1/teapots"
    ]


#: Those that want something: credentials, or the token of a link (see test_invoice_files.py).
ASKING = {"/authentication/v1/oauth/token", "/v1/downloads/{token}"}


@pytest.mark.parametrize("path", sorted(OPEN - ASKING))
def test_what_is_open_answers_everybody(house: House, path: str):
    assert httpx.get(house.url + path).status_code == 200
