"""The token endpoint of Kernel: OAuth 2.0, client credentials, in a Basic header and a form."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.authority import OPEN, TokenRefused
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.description import KERNEL_TOKEN_PATH
from meterhouse.api.operation import Body, Given, Resource
from meterhouse.api.resources.tokens import FORM, GRANT, basic_credentials
from meterhouse.api.schemas import COUNT, NAME, TEXT, Schema, closed, ref, whole
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text

#: What calls may be followed by; answers have it always.
CORRELATOR: Schema = {
    "name": "x-correlator",
    "in": "header",
    "required": False,
    "description": "Of the client's choice, such as a UUID; the answer has it, and the log",
    "schema": {**NAME, "maxLength": 64, "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
}
CORRELATED = {"x-correlator": "That of the request, or a new one"}
_FIELDS = ("grant_type", "scope")
SCHEMAS: dict[str, Schema] = {
    "KernelTokenRequest": closed(
        {
            "grant_type": {**TEXT, "enum": [GRANT]},
            "scope": {**TEXT, "description": "Separated by spaces; all, unless given"},
        },
        required=("grant_type",),
    ),
    "KernelToken": whole(
        {
            "access_token": TEXT,
            "token_type": {**TEXT, "enum": ["Bearer"]},
            "expires_in": COUNT,
            "scope": TEXT,
            "purpose": {**TEXT, "description": "Why the client reads personal data, or nothing"},
        }
    ),
}
resource = Resource("Kernel tokens", about="How clients of Kernel get in", schemas=SCHEMAS)


@resource.post(
    KERNEL_TOKEN_PATH,
    guard=OPEN,
    body=Body(ref("KernelTokenRequest"), types=(FORM,)),
    headers=(CORRELATOR,),
    answers={200: Given("A token", ref("KernelToken"), headers=CORRELATED)},
    refusals=(401, 429),
)
def issue_kernel_token(call: ThisCall) -> Response:
    """Get a token for a client of Kernel, whose id and secret are in a Basic header.

    A token lives for 3,599 seconds, and counts for what the client may do now.
    """
    client_id, client_secret = _credentials(call)
    client = call.request.client
    who = f"kernel {client.host if client else ''} {client_id[:200]}"
    call.request.app.state.token_limit.take(who)
    form = _form(call)
    issued = call.context.kernel.issue(client_id, client_secret, scope=form.get("scope"))
    for scope, replacement in issued.legacy:
        _report(call, client_id, scope=scope, replacement=replacement)
    return answer(issued.to_api())


def _credentials(call: Call) -> tuple[str, str]:
    given = basic_credentials(call.request)
    if not given.get("client_id") or not given.get("client_secret"):
        raise TokenRefused(
            "invalid_client",
            "The client id or the client secret is missing",
            hint="Send both in a Basic header",
        )
    return given["client_id"], given["client_secret"]


def _form(call: Call) -> Mapping[str, str]:
    pairs = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    form = {name: value for name, value in pairs if name in _FIELDS}
    if len(dict(pairs)) != len(pairs):
        raise TokenRefused("invalid_request", "A parameter is given more than once")
    if "grant_type" not in form:
        raise TokenRefused("invalid_request", "The parameter grant_type is missing")
    if form["grant_type"] != GRANT:
        # Not shown: it may be the secret in the wrong place.
        message = "The grant type is not supported"
        raise TokenRefused("unsupported_grant_type", message, hint=f"Use {GRANT}")
    return form


def _report(call: Call, client_id: str, *, scope: str, replacement: str) -> None:
    """Tell the operators of a scope of an earlier time."""
    line = {
        "time": instant_text(call.context.clock()),
        "level": "warning",
        "message": "a scope names a version",
        "client": client_id,
        "scope": scope,
        "replacement": replacement,
        "requestId": call.request_id,
    }
    call.context.log(json_text(line))
