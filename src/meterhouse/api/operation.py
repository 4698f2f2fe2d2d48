"""Declaring operations: method, path, who may, what goes in and what comes out.

A resource is one file: it makes a ``Resource``, declares its schemas and decorates plain functions.
The description in OpenAPI is made of the same declarations, so that it cannot lag behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from inspect import cleandoc, getdoc
from typing import Any, TypeVar

from fastapi import FastAPI

from meterhouse.api.answer import JSON
from meterhouse.api.authority import Guard
from meterhouse.api.call import JSON_TYPES, PATCH_TYPES
from meterhouse.api.guarding import dependencies_of
from meterhouse.api.problems import MEDIA_TYPE
from meterhouse.api.schemas import NAME, TEXT, Schema, ref

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
SECURITY = "oauth2"
#: Every operation may be answered so.
_ALWAYS = (400, 422, 500, 503)
_WITH_GUARD = (401, 403)
_WITH_BODY = (413, 415)
_MEANINGS = {
    400: "What was sent cannot be read",
    401: "No token, or none that counts",
    403: "The token does not have the scope",
    404: "There is no such thing",
    409: "It contradicts what exists",
    412: "It has changed since it was read",
    413: "The body is too large",
    415: "The body is of another media type",
    422: "What was sent is wrong; `errors` lists every place",
    428: "If-Match is missing",
    429: "Too many requests; see Retry-After",
    500: "A fault of the server",
    503: "The ledger is busy, its disk is full, or the server is stopping; see Retry-After",
}


@dataclass(frozen=True, slots=True)
class Body:
    """What an operation takes. A streamed one is read by the operation itself."""

    schema: Schema
    types: tuple[str, ...] = JSON_TYPES
    required: bool = True
    streamed: bool = False
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """A good answer."""

    about: str
    schema: Schema | None = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API."""

    method: str
    path: str
    guard: Guard
    endpoint: Callable[..., Any]
    answers: Mapping[int, Given]
    refusals: tuple[int, ...] = ()
    body: Body | None = None
    headers: tuple[Schema, ...] = ()
    links: Mapping[str, Any] = field(default_factory=dict)

    def add_to(self, app: FastAPI, *, tag: str) -> None:
        """Let an application answer it."""
        summary, _, more = (getdoc(self.endpoint) or "").partition("\n")
        app.add_api_route(
            self.path,
            self.endpoint,
            methods=[self.method],
            status_code=next(iter(self.answers)),
            response_model=None,
            response_description=next(iter(self.answers.values())).about,
            dependencies=dependencies_of(self.guard, self._read()),
            operation_id=self.endpoint.__name__.rstrip("_"),
            summary=summary.rstrip("."),
            description=cleandoc(more) or None,
            tags=[tag],
            openapi_extra=self._description(),
        )

    def _read(self) -> tuple[tuple[str, ...], bool] | None:
        """Return which media types the body may have, and whether there must be one."""
        if self.body is None or self.body.streamed:
            return None
        return self.body.types, self.body.required

    def _description(self) -> dict[str, Any]:
        described: dict[str, Any] = {"responses": self._responses()}
        described["security"] = [] if self.guard.scope is None else [{SECURITY: [self.guard.scope]}]
        if self.headers:
            described["parameters"] = [dict(header) for header in self.headers]
        if self.body is not None:
            content: dict[str, Any] = {"schema": self.body.schema}
            if self.body.examples:
                content["examples"] = {
                    name: {"value": value} for name, value in self.body.examples.items()
                }
            types = dict.fromkeys(self.body.types, content)
            described["requestBody"] = {"required": self.body.required, "content": types}
        return described

    def _responses(self) -> dict[str, Any]:
        responses = {str(status): _good(given) for status, given in self.answers.items()}
        if self.links:
            responses[str(next(iter(self.answers)))]["links"] = dict(self.links)
        refused = {*_ALWAYS, *self.refusals}
        refused |= set(_WITH_GUARD) if self.guard.scope is not None else set()
        refused |= set(_WITH_BODY) if self.body is not None else set()
        return responses | {str(status): _refusal(status) for status in sorted(refused)}


def _good(given: Given) -> dict[str, Any]:
    response: dict[str, Any] = {"description": given.about}
    if given.schema is not None:
        response["content"] = {given.media_type: {"schema": given.schema}}
    if given.headers:
        response["headers"] = {
            name: {"description": about, "schema": TEXT} for name, about in given.headers.items()
        }
    return response


def _refusal(status: int) -> dict[str, Any]:
    about = _MEANINGS.get(status) or HTTPStatus(status).phrase
    return {"description": about, "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}


class Resource:
    """The operations on one noun of the API, and the schemas that they speak of."""

    def __init__(
        self, tag: str, *, about: str, schemas: Mapping[str, Schema] | None = None
    ) -> None:
        self.tag = tag
        self.about = about
        self.schemas = dict(schemas or {})
        self.operations: list[Operation] = []

    def get(self, path: str, **how: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare a reading operation."""
        return self._declare("GET", path, how)

    def post(self, path: str, **how: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that creates or does something."""
        return self._declare("POST", path, how)

    def put(self, path: str, **how: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that replaces."""
        return self._declare("PUT", path, how)

    def patch(self, path: str, **how: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that changes by a merge patch (RFC 7396)."""
        return self._declare("PATCH", path, how)

    def delete(self, path: str, **how: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare an operation that deletes."""
        return self._declare("DELETE", path, how)

    def _declare(
        self, method: str, path: str, how: Mapping[str, Any]
    ) -> Callable[[Endpoint], Endpoint]:
        def declare(endpoint: Endpoint) -> Endpoint:
            self.operations.append(Operation(method, path, endpoint=endpoint, **how))
            return endpoint

        return declare


def needs(scope: str) -> Guard:
    """Return the guard of an operation that needs a scope."""
    return Guard(scope)


def merge_patch(schema: Schema) -> Body:
    """Return the body of a merge patch."""
    return Body(schema, types=PATCH_TYPES)


def one(about: str, schema: str, **more: Any) -> dict[int, Given]:
    """Return the answers of an operation that gives one thing."""
    return {200: Given(about, ref(schema), **more)}


def one_page(about: str, schema: str) -> dict[int, Given]:
    """Return the answers of an operation that gives one page of a list."""
    return one(about, schema, headers={"Link": "The next page"})


def one_unless_known(about: str, schema: str, **more: Any) -> dict[int, Given]:
    """Return the same, where a client may say what it has (``IF_NONE_MATCH``)."""
    return one(about, schema, **more) | {304: Given("The client has it")}


#: The headers that several operations take.
IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the definition as it was read, or *",
    "schema": {**NAME, "examples": ['"8f14e45fceea167a5a36dedd4bea2543"']},
}
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what the client has",
    "schema": TEXT,
}
IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Of the client's choice, new for each request; a repeat gets the first answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
