"""What stands before every operation: whether the caller may, and the reading of the body.

Both are dependencies of the route, in this order: nobody sends us ten megabytes before they have
shown a token that counts. A route without a guard answers nobody.
"""

import re
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any

from fastapi import Depends, Request, Response
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute

from meterhouse.api.asking import check_parameters, parameters_of
from meterhouse.api.authority import Forbidden, Guard, Principal, admit, bearer_token
from meterhouse.api.call import check_media_type, read_body
from meterhouse.api.problems import ApiError

_MAJOR = re.compile(r"[0-9]{1,6}", re.ASCII)


class Guarding:
    """Lets in who has the scope. Runs in a thread: it asks the ledger."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def __call__(self, request: Request) -> None:
        """Refuse the request, or note whose it is."""
        principal = self._admit(request)
        request.state.principal = principal
        # The middleware, which logs, has the scope but not this object.
        request.scope["client"] = request.scope.get("client")
        request.scope["meterhouse_client"] = principal.client_id if principal else None

    def _admit(self, request: Request) -> Principal | None:
        context = request.app.state.context
        header = request.headers.get("authorization")
        return admit(self.guard, header, lambda: context.authority)


class KernelGuarding(Guarding):
    """Lets in clients of Kernel whose scopes are for the dataset of the address."""

    def _admit(self, request: Request) -> Principal | None:
        assert self.guard.kernel is not None
        token = bearer_token(request.headers.get("authorization"))
        principal = request.app.state.context.kernel.authorize(token)
        given = request.path_params
        major = given.get("major", "")
        principal.demand(
            self.guard.kernel,
            dataset=given.get("name"),
            # What is no number is refused later; until then no versioned scope grants it.
            major=int(major) if _MAJOR.fullmatch(major) else None,
        )
        return principal


class Open(Guarding):
    """Lets everybody in, without the way through a thread."""

    async def __call__(self, request: Request) -> None:  # type: ignore[bad-override]
        """Let the request pass."""
        request.state.principal = None


class Reading:
    """Reads the body of an operation that takes one; a small one where it is open to all."""

    def __init__(self, types: tuple[str, ...], *, required: bool, guard: Guard) -> None:
        self._types = types
        self._required = required
        self._open = guard.scope is None

    async def __call__(self, request: Request) -> None:
        """Keep the body for the operation."""
        limits = request.app.state.context.limits
        limit = limits.open_bytes if self._open else limits.body_bytes
        if self._required or "content-type" in request.headers:
            check_media_type(request, self._types)
        request.state.body = await read_body(request, limit=limit)
        if request.state.body.strip() and "content-type" not in request.headers:
            check_media_type(request, self._types)
        if self._required and not request.state.body.strip():
            message = "The body is missing"
            raise ApiError("json_malformed", message, hint="Send one JSON document")


def dependencies_of(guard: Guard, reading: tuple[tuple[str, ...], bool] | None) -> list[Dependency]:
    """Return what stands before an operation."""
    found = [Depends(_guarding(guard)), Depends(check_parameters)]
    if reading is not None:
        types, required = reading
        found.append(Depends(Reading(types, required=required, guard=guard)))
    return found


def _guarding(guard: Guard) -> Guarding:
    if guard.scope is None:
        return Open(guard)
    return Guarding(guard) if guard.kernel is None else KernelGuarding(guard)


class GuardedRoute(APIRoute):
    """A route that answers nobody unless it has a guard."""

    @property
    def guard(self) -> Guard | None:
        """What it asks of its callers; ``None`` where somebody forgot to say."""
        found = [d.dependency for d in self.dependencies if isinstance(d.dependency, Guarding)]
        return found[0].guard if found else None

    @cached_property
    def parameters(self) -> list[str]:
        """The names of the parameters that its address may have."""
        return parameters_of(self)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        if self.guard is not None:
            return super().get_route_handler()

        async def refuse(_: Request) -> Response:
            message = "This operation says nothing about who may use it"
            raise Forbidden(message, hint="Nobody may, until it declares a scope")

        return refuse
