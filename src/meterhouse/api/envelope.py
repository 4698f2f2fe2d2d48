"""Around every request: its id, one line in the log, and an answer whatever happens.

The line has the template of the route, never the path: ids and query values are nobody's business.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterhouse.api.context import Context
from meterhouse.api.metrics import Meters
from meterhouse.api.problems import problem_answer
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_HEADERS = ((b"x-content-type-options", b"nosniff"),)
_NO_STORE = (b"cache-control", b"no-store")
_ID, _CORRELATOR = b"x-request-id", b"x-correlator"
_KERNEL = "/kernel/"


class Envelope:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, context: Context, meters: Meters) -> None:
        self._app = app
        self._context = context
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlator = _given_id(scope, _CORRELATOR) if is_kernel(scope["path"]) else None
        request_id = _given_id(scope, _ID) or correlator or self._context.new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.monotonic()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(message, request_id)
                if is_kernel(scope["path"]):
                    said = (correlator or request_id).encode()
                    message["headers"] = [*message["headers"], (_CORRELATOR, said)]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            pass  # Nobody is there to be answered.
        except Exception as error:
            self._tell(error, request_id)
            if status == 0:
                fault = MeterhouseError("The server failed", hint="", code="internal_error")
                fault.hint = f"Tell its operators the request id {request_id}"
                response = problem_answer(fault, request_id=request_id, status=500)
                await response(scope, receive, sending)
        finally:
            self._note(scope, request_id, status=status, seconds=time.monotonic() - started)

    def _note(self, scope: Scope, request_id: str, *, status: int, seconds: float) -> None:
        template = _template(scope)
        self._meters.request(scope["method"], template, status=status, seconds=seconds)
        line: MutableMapping[str, Any] = {
            "time": instant_text(self._context.clock()),
            "level": "error" if status >= 500 else "info",
            "message": "request",
            "method": scope["method"],
            "route": template,
            "status": status or None,
            "ms": round(seconds * 1000),
            "requestId": request_id,
            "client": scope.get("meterhouse_client"),
        }
        self._context.log(json_text(line))

    def _tell(self, error: Exception, request_id: str) -> None:
        """Write what nobody expected, for operators."""
        trace = "".join(traceback.format_exception(error))
        line = {
            "time": instant_text(self._context.clock()),
            "level": "error",
            "message": "internal error",
            "requestId": request_id,
            "trace": trace,
        }
        self._context.log(json_text(line))


def is_kernel(path: str) -> bool:
    """Whether a path is one of Kernel, where each answer has the correlator of its request."""
    return path.startswith(_KERNEL)


def _given_id(scope: Scope, header: bytes) -> str | None:
    """Return the client's own id of its request, where it has a sound form."""
    found = next((value for name, value in scope["headers"] if name == header), b"")
    return found.decode("ascii") if _REQUEST_ID.fullmatch(found) else None


def _template(scope: Scope) -> str:
    """Return the path of the route with the names of its parameters."""
    route = scope.get("route")
    return getattr(route, "path_format", None) or "(none)"


def _complete(message: Message, request_id: str) -> None:
    headers = [*message.get("headers", ()), *_HEADERS, (b"x-request-id", request_id.encode())]
    if all(name.lower() != b"cache-control" for name, _ in headers):
        headers.append(_NO_STORE)
    message["headers"] = headers
