"""Requests that must not repeat: the header ``Idempotency-Key``.

A key belongs to a client. The ids that its request creates are derived from both, so that a repeat
after a crash, when nothing was answered yet, finds what the first call did.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Response

from meterhouse.api.call import Call
from meterhouse.api.problems import ApiError
from meterhouse.app.idempotency import UNANSWERED, KeyedRequest, StoredAnswer, derived_ids
from meterhouse.core.problem import (
    ConflictError,
    DefinitionError,
    MeterhouseError,
    NotFoundError,
)

_KEY = re.compile(r"[!-~]{1,255}")
#: What of an answer is said again.
_KEPT_HEADERS = ("content-type", "location", "etag", "meterhouse-note")
#: Errors that say that nothing was done.
_REFUSALS = (ApiError, ConflictError, DefinitionError, NotFoundError)


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids that a request creates, and whether an earlier call may have created them.

    ``again``: an earlier call with the same key and body had begun, and was not answered. Where
    what a request makes has no id of the key, only that tells a repeat from another request.
    """

    new_id: Callable[[], str]
    repeatable: bool
    again: bool = False

    def __call__(self) -> str:
        """Return the next id."""
        return self.new_id()


class AlreadyShown(ConflictError):
    """The request was carried out before, and its answer had a secret, which nobody keeps."""

    code = "secret_already_shown"

    def __init__(self, location: str) -> None:
        message = "This request was carried out before: its client secret was shown then"
        hint = f"Where it is lost, POST {location.partition('?')[0]}/rotate makes a new one"
        super().__init__(message, hint=hint)


def once(
    call: Call,
    effect: Callable[[Ids], Response],
    *,
    shown_once: bool = False,
    in_steps: bool = False,
) -> Response:
    """Answer a request once: a repeat under the same key gets the same answer.

    Only what succeeded is kept. What was refused did nothing, and may be repeated. An answer that
    is shown once has a secret: it is kept without its body, and a repeat is told so. What is done
    ``in_steps`` may be refused after the first of them: a repeat goes on.
    """
    given = call.header("idempotency-key")
    if given is None:
        return effect(Ids(call.context.new_id, repeatable=False))
    context = call.context
    request = KeyedRequest(call.client_id, _checked(given), _fingerprint(call))
    with context.ledger() as ledger:
        stored = ledger.begin_request(
            request, context.lease, alive=context.living(), at=context.clock()
        )
    again = stored is UNANSWERED
    if stored is not None and not again:
        if shown_once:
            raise AlreadyShown(stored.headers.get("location", ""))
        return _replayed(stored)
    try:
        response = effect(Ids(derived_ids(request), repeatable=True, again=again))
    except BaseException as error:
        _give_back(call, request, done=in_steps or not isinstance(error, _REFUSALS))
        raise
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    body = b"" if shown_once else bytes(response.body)
    kept = StoredAnswer(response.status_code, headers, body)
    try:
        with context.ledger() as ledger:
            ledger.finish_request(request, kept)
    except MeterhouseError:
        # It is done all the same: a repeat finds by the ids what this call did.
        _give_back(call, request, done=True)
    return response


def _give_back(call: Call, request: KeyedRequest, *, done: bool) -> None:
    """Let a repeat try again, as far as the ledger lets us say so; ``done``: something may be."""
    try:
        with call.context.ledger() as ledger:
            if done:
                ledger.leave_request(request)
            else:
                ledger.abandon_request(request)
    except MeterhouseError:
        pass  # The error that led here is the news; old keys are swept.


def _checked(key: str) -> str:
    if _KEY.fullmatch(key) is None:
        message = "The Idempotency-Key has characters that it may not have, or too many"
        hint = "Use 1 to 255 visible ASCII characters, such as a UUID"
        raise ApiError("idempotency_key_invalid", message, hint=hint)
    return key


def _fingerprint(call: Call) -> bytes:
    """Tell a request from another one under the same key.

    It is a keyed hash: a body may have a password that could be guessed by a plain one.
    """
    url = call.request.url
    body = hashlib.sha256(call.body).hexdigest()
    return call.context.client_secrets.hash(
        f"{call.request.method}\n{url.path}\n{url.query}\n{body}"
    )


def _replayed(stored: StoredAnswer) -> Response:
    headers = {**stored.headers, "Idempotency-Replayed": "true"}
    return Response(stored.body, status_code=stored.status, headers=headers)
