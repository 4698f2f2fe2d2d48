"""One call of the API: who calls, what they sent, and how it is read.

Numbers in bodies are read as written. What cannot be read is refused before a use case is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.message import Message
from json import JSONDecodeError
from typing import Annotated, Any

from fastapi import Depends, Request

from meterhouse.api.authority import Forbidden, Principal
from meterhouse.api.context import Context
from meterhouse.api.cursors import Cursors
from meterhouse.api.problems import ApiError
from meterhouse.core.json_text import JsonValue, json_fault, parse_json

JSON_TYPES = ("application/json",)
PATCH_TYPES = ("application/merge-patch+json", "application/json")


@dataclass(slots=True)
class Call:
    """One call. ``body`` is empty where the operation takes none."""

    request: Request
    context: Context
    request_id: str
    principal: Principal | None
    body: bytes = b""

    def json(self) -> JsonValue:
        """Return the body, numbers as written; a missing one is malformed."""
        value = read_json(self.body)
        # Pointers of problems are looked up in it.
        self.request.state.parsed = value
        return value

    def optional_json(self) -> JsonValue:
        """Return the body, or an empty object where there is none."""
        return self.json() if self.body.strip() else {}

    def demand(self, scope: str) -> None:
        """Ask for one more scope, beside that of the operation."""
        if self.principal is None or scope not in self.principal.scopes:
            message = f"The token does not have the scope {scope}"
            raise Forbidden(message, hint="Ask for a token that has it")

    @property
    def client_id(self) -> str:
        """Who calls."""
        assert self.principal is not None, "a route that is open to all changes nothing"
        return self.principal.client_id

    def cursors(self, **filters: str | int | None) -> Cursors:
        """Return the cursors of the list that is asked for."""
        return Cursors(self.context.cursor_key, self.request.scope["path"], filters)

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self.request.headers.get(name)


def read_json(raw: bytes) -> JsonValue:
    """Read a JSON document. Raises ``ApiError`` that names line and column.

    A key may occur once in an object: of two, nobody knows which one is meant.
    """
    try:
        return parse_json(raw, keys_once=True)
    except JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        message = f"The body is not JSON: {json_fault(error)} ({place})"
        raise ApiError("json_malformed", message, hint="Send one JSON document") from error
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8: {error.reason} at byte {error.start}"
        raise ApiError("json_malformed", message, hint="Send UTF-8") from error
    except ValueError as error:
        message = f"The body is not JSON: {error}"
        raise ApiError("json_malformed", message, hint="Send one JSON document") from error


def call_of(request: Request) -> Call:
    """Return the call of a request that was let in."""
    state = request.state
    principal = getattr(state, "principal", None)
    body = getattr(state, "body", b"")
    context = request.app.state.context
    if principal is not None:
        context = context.of(principal.client_id)
    return Call(request, context, state.request_id, principal, body)


async def _call(request: Request) -> Call:
    return call_of(request)


#: What an operation takes to see its call.
ThisCall = Annotated[Call, Depends(_call)]


def check_media_type(request: Request, accepted: tuple[str, ...]) -> None:
    """Refuse a body of another media type, or in another character set than UTF-8."""
    message = Message()
    message["content-type"] = given = request.headers.get("content-type", "")
    charset = message.get_content_charset("utf-8")
    if given and message.get_content_type() in accepted and charset in ("utf-8", "us-ascii"):
        if request.headers.get("content-encoding", "identity") == "identity":
            return
        given = f"{given}, {request.headers['content-encoding']}"
    shown = given or "missing"
    raise ApiError(
        "media_type_unsupported",
        f"The Content-Type is {shown}",
        hint=f"Send {' or '.join(accepted)}, in UTF-8, not compressed",
        headers={"Accept-Post": ", ".join(accepted)},
    )


async def read_body(request: Request, *, limit: int) -> bytes:
    """Read the whole body, as long as it is not larger than ``limit``."""
    return b"".join([part async for part in body_parts(request, limit=limit)])


async def body_parts(request: Request, *, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; refuse it as soon as it is too large."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        yield part


def _too_large(limit: int) -> ApiError:
    message = f"The body has more than {limit:,} bytes"
    # The rest of it is not read: the connection is of no use any more.
    headers = {"Connection": "close"}
    return ApiError("body_too_large", message, hint="Send it in several parts", headers=headers)


#: Reads what an operation accepts; see ``operation.Body``.
BodyReader = Callable[[Request], Any]
