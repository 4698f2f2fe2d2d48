"""Problem documents (RFC 9457): every error of the API has one, and its status stands here alone.

``type`` and ``code`` are stable and for programs. ``errors`` lists what is wrong with a body, each
with a JSON Pointer. Nothing of the inside shows: an error that nobody expected is only named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Response

from meterhouse.api.authority import Forbidden, TokenRefused, Unauthenticated
from meterhouse.api.wording import api_hint
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import (
    ConflictError,
    DefinitionError,
    MeterhouseError,
    NotFoundError,
    Problem,
)

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:problem-type:meterhouse:"
#: A body may have as many problems as lines; beyond this many they are only counted.
ERRORS_MAX = 100
RETRY_SECONDS = "1"
_STEP = re.compile(r"\[(\d+)\]|\[('[^']*'|\"[^\"]*\")\]|([^.\[]+)")
_NODE = re.compile(r'node "(.*)" \(([^),]*)(?:, id ([^)]*))?\)(?: (.*))?')
_ITEM = re.compile(r"(?:item|line) (\d+)(?:: |$)")

#: code -> status. What is not here goes by its class.
_BY_CODE = {
    "archive_failed": 503,
    "body_too_large": 413,
    "cursor_invalid": 400,
    "dataset_storage_failed": 503,
    "disk_full": 503,
    "draining": 503,
    "idempotency_key_invalid": 400,
    "idempotency_key_reused": 422,
    "invoice_blocked": 409,
    "json_malformed": 400,
    "ledger_busy": 503,
    "link_expired": 410,
    "node_package_broken": 500,
    "media_type_unsupported": 415,
    "method_not_allowed": 405,
    "parameter_unknown": 400,
    "precondition_failed": 412,
    "precondition_required": 428,
    "rate_limited": 429,
    "request_malformed": 400,
    "revision_stale": 412,
    "ob_refused": 403,
    "scope_missing": 403,
    "scopes_not_owned": 403,
    "store_failed": 503,
    "too_many_records": 422,
    "too_many_runs": 503,
}
_BY_CLASS: tuple[tuple[type[MeterhouseError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (DefinitionError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
)
_OF_TOKENS = {"invalid_client": 401}


class ApiError(MeterhouseError):
    """A request that the API itself refuses; ``code`` says why, ``headers`` go with the answer."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.headers = dict(headers or {})


def status_of(error: MeterhouseError) -> int:
    """Return the status that an error is answered with.

    >>> status_of(NotFoundError("no")), status_of(ConflictError("no"))
    (404, 409)
    """
    if isinstance(error, TokenRefused):
        return _OF_TOKENS.get(error.error, 400)
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 422)


def problem_document(
    error: MeterhouseError, *, request_id: str = "", body: object = None, status: int | None = None
) -> dict[str, Any]:
    """Return the document of an error; ``body`` is what its places point into."""
    status = status_of(error) if status is None else status
    document: dict[str, Any] = {
        "type": _TYPE + error.code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": str(error.args[0]).split("\n", 1)[0].rstrip(":"),
    }
    if hint := api_hint(error.hint):
        document["hint"] = hint
    if isinstance(error, DefinitionError):
        document["errors"] = errors_of(error.problems, body=body)
    if isinstance(error, TokenRefused):
        document |= {"error": error.error, "error_description": str(error)}
    if request_id:
        document["requestId"] = request_id
    return document


def problem_answer(
    error: MeterhouseError,
    *,
    request_id: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    status: int | None = None,
) -> Response:
    """Return the answer to a request that failed."""
    document = problem_document(error, request_id=request_id, body=body, status=status)
    sent = dict(headers or {})
    if isinstance(error, ApiError):
        sent |= error.headers
    if document["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        sent.setdefault("Retry-After", RETRY_SECONDS)
    return Response(
        json_text(document).encode(),
        status_code=document["status"],
        headers=sent,
        media_type=MEDIA_TYPE,
    )


def errors_of(problems: Iterable[Problem], *, body: object = None) -> list[dict[str, Any]]:
    """Return the members of ``errors``: a pointer, what is wrong, and the remedy."""
    errors: list[dict[str, Any]] = []
    for problem in list(problems)[:ERRORS_MAX]:
        error = {"pointer": pointer(problem.place, body=body), "detail": problem.message}
        hint = api_hint(problem.hint)
        errors.append(error | ({"hint": hint} if hint else {}))
    return errors


def pointer(place: str, *, body: object = None) -> str:
    """Return the JSON Pointer (RFC 6901) of a problem's place in a body.

    >>> pointer("thresholds[0].name"), pointer("item 3: unit"), pointer("")
    ('/thresholds/0/name', '/2/unit', '')
    >>> pointer("a.b", body={"a.b": 1})
    '/a.b'
    >>> pointer("prices['store']", body={"prices": [{"sku": "x"}, {"sku": "store"}]})
    '/prices/1'
    """
    if isinstance(body, Mapping) and place in body:
        return "/" + _escaped(place)
    if (node := _NODE.fullmatch(place)) is not None:
        return _node_pointer(node, body)
    steps: list[str] = []
    if (item := _ITEM.match(place)) is not None:
        steps.append(str(int(item[1]) - 1))
        place = place[item.end() :]
    for index, quoted, name in _STEP.findall(place):
        steps.append(index or (_place_of(quoted[1:-1], steps, body) if quoted else _escaped(name)))
    return "".join(f"/{step}" for step in steps)


def _place_of(name: str, steps: Iterable[str], body: object) -> str:
    """Return the place of an item that is called by its name in a list of the body."""
    for step in steps:
        body = body.get(step) if isinstance(body, Mapping) else None
    for place, item in enumerate(body if isinstance(body, list) else ()):
        if isinstance(item, Mapping) and name in (item.get("sku"), item.get("name")):
            return str(place)
    return _escaped(name)


def _node_pointer(found: re.Match[str], body: object) -> str:
    """Messages about a node name it; programs are told its place in the document."""
    name, type_name, id_, inner = found.groups()
    nodes = body.get("nodes") if isinstance(body, Mapping) else None
    for position, node in enumerate(nodes if isinstance(nodes, list) else ()):
        if not isinstance(node, Mapping) or node.get("type") != type_name:
            continue
        if id_ in (None, node.get("id")) and name in (node.get("name"), node.get("id")):
            return f"/nodes/{position}{pointer(inner or '')}"
    return "/nodes"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
