"""The application: every resource, the guard of each route, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from meterhouse.api.authority import TokenRefused, Unauthenticated
from meterhouse.api.context import Context
from meterhouse.api.description import describe
from meterhouse.api.envelope import Envelope, is_kernel
from meterhouse.api.guarding import GuardedRoute
from meterhouse.api.limits import RateLimit
from meterhouse.api.metrics import Meters
from meterhouse.api.operation import Resource
from meterhouse.api.problems import ApiError, problem_answer, status_of
from meterhouse.api.resources import RESOURCES
from meterhouse.app.applications import ScopesNotOwned
from meterhouse.app.datasets.access import KernelScopeMissing, OtherBusiness
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import DefinitionError, MeterhouseError, NotFoundError, Problem

_TITLE = "Meterhouse API"
#: The realm of what is below ``/kernel``.
KERNEL = "kernel"


def create_app(context: Context, *, resources: Sequence[Resource] = RESOURCES) -> FastAPI:
    """Return the application that answers for an installation."""
    app = FastAPI(
        title=_TITLE,
        version=_version(),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    app.state.meters = meters = Meters()
    app.state.token_limit = RateLimit(
        context.limits.token_requests, seconds=context.limits.token_seconds
    )
    app.router.route_class = GuardedRoute
    for resource in resources:
        for operation in resource.operations:
            operation.add_to(app, tag=resource.tag)
    # Dear to make, and most servers are never asked.
    app.state.description = _once(lambda: json_text(describe(app, resources)))
    app.add_exception_handler(MeterhouseError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_middleware(Envelope, context=context, meters=meters)
    return app


def _once(make: Callable[[], str]) -> Callable[[], str]:
    """Return what makes a text when it is first asked for: once, however many threads ask."""
    made, turn = cache(make), Lock()

    def text() -> str:
        with turn:
            return made()

    return text


def _version() -> str:
    try:
        return version("meterhouse")
    except PackageNotFoundError:
        return "0"


async def _refused(request: Request, error: Exception) -> Response:
    """Answer an error that the product raises on purpose."""
    assert isinstance(error, MeterhouseError)
    headers = _challenge(request, error)
    body = getattr(request.state, "parsed", None)
    return problem_answer(error, request_id=request.state.request_id, body=body, headers=headers)


def _challenge(request: Request, error: MeterhouseError) -> dict[str, str]:
    """Return the ``WWW-Authenticate`` of RFC 6750 and RFC 9728."""
    status = status_of(error)
    realm = _realm(request)
    if isinstance(error, TokenRefused) and status == 401:
        return {"WWW-Authenticate": f'Basic realm="{realm}"'}
    if status not in (401, 403):
        return {}
    public_url = request.app.state.context.public_url
    parts = [f'Bearer realm="{realm}"']
    if status == 403:
        # Who gives away more than it has, has the scope of the operation.
        scope = _scope_of(request, error)
        parts += ['error="insufficient_scope"', *([f'scope="{scope}"'] if scope else [])]
    elif isinstance(error, Unauthenticated) and "authorization" in request.headers:
        parts.append('error="invalid_token"')
    if realm == KERNEL:
        return {"WWW-Authenticate": ", ".join(parts)}
    parts.append(f'resource_metadata="{public_url}/.well-known/oauth-protected-resource"')
    return {"WWW-Authenticate": ", ".join(parts)}


def _realm(request: Request) -> str:
    return KERNEL if is_kernel(request.scope["path"]) else "meterhouse"


def _scope_of(request: Request, error: MeterhouseError) -> str | None:
    if isinstance(error, KernelScopeMissing):
        return " ".join(error.missing)
    if error.code in (ScopesNotOwned.code, OtherBusiness.code):
        return None
    route = request.scope.get("route")
    guard = route.guard if isinstance(route, GuardedRoute) else None
    return None if guard is None else guard.scope


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: an unknown path, or a method that a path does not have."""
    assert isinstance(error, HTTPException)
    request_id = request.state.request_id
    refused: MeterhouseError
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        message = f"The method {request.method} is not allowed here"
        headers = {"Allow": allowed}
        refused = ApiError("method_not_allowed", message, hint=f"Use {allowed}", headers=headers)
    elif error.status_code == 404:
        hint = "/openapi.json describes every operation"
        refused = NotFoundError("There is no such path", hint=hint, code="route_not_found")
    else:
        refused = ApiError("request_malformed", str(error.detail))
    return problem_answer(refused, request_id=request_id)


def _methods(request: Request) -> list[str]:
    """Return the methods that a path has, whatever route has them."""
    found: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


async def _wrong_parameters(request: Request, error: Exception) -> Response:
    """Answer parameters that are not as they are described."""
    assert isinstance(error, RequestValidationError)
    problems = [_parameter_problem(fault) for fault in error.errors()]
    refused = DefinitionError(problems, what="The request")
    response = problem_answer(refused, request_id=request.state.request_id)
    # A parameter is no place in the body.
    text = bytes(response.body).decode().replace('"pointer":"/', '"parameter":"')
    response.body = text.encode()
    response.headers["content-length"] = str(len(response.body))
    return response


def _parameter_problem(fault: dict[str, Any]) -> Problem:
    where, *names = fault["loc"]
    return Problem(".".join(map(str, names)) or str(where), str(fault["msg"]))
