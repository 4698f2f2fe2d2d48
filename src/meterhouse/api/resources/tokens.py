"""The token endpoint: OAuth 2.0, client credentials (RFC 6749, 4.4).

Bodies may be JSON or a form, credentials in the body or in a Basic header.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request, Response

from meterhouse.api.answer import answer
from meterhouse.api.authority import OPEN, TokenRefused
from meterhouse.api.call import Call, ThisCall, read_json
from meterhouse.api.description import TOKEN_PATH
from meterhouse.api.operation import Body, Given, Resource
from meterhouse.api.schemas import COUNT, TEXT, Schema, nullable, ref, whole
from meterhouse.core.reading import shown

FORM = "application/x-www-form-urlencoded"
GRANT = "client_credentials"
_FIELDS = ("grant_type", "client_id", "client_secret", "audience", "scope", "resource")
SCHEMAS: dict[str, Schema] = {
    "TokenRequest": {
        "type": "object",
        "properties": {
            "grant_type": {**TEXT, "enum": [GRANT]},
            "client_id": TEXT,
            "client_secret": {**TEXT, "format": "password"},
            "audience": {**nullable(TEXT), "description": "The base URL of this server"},
            "resource": {**nullable(TEXT), "description": "The same, as RFC 8707 calls it"},
            "scope": {**nullable(TEXT), "description": "Separated by spaces; all, unless given"},
        },
        "required": ["grant_type"],
    },
    "Token": whole(
        {
            "access_token": TEXT,
            "token_type": {**TEXT, "enum": ["Bearer"]},
            "expires_in": COUNT,
            "scope": TEXT,
        }
    ),
}
resource = Resource("Tokens", about="How clients get in", schemas=SCHEMAS)


@resource.post(
    TOKEN_PATH,
    guard=OPEN,
    body=Body(ref("TokenRequest"), types=("application/json", FORM), required=False),
    answers={200: Given("A token", ref("Token"))},
    refusals=(401, 429),
)
def issue_token(call: ThisCall) -> Response:
    """Get a bearer token for client credentials."""
    form = _form(call) | basic_credentials(call.request)
    call.request.app.state.token_limit.take(_who(call, form))
    _check(form)
    return answer(dict(call.context.authority.issue(form)))


def _form(call: Call) -> dict[str, str]:
    """Return the fields of the request, whatever its media type; none of an empty one."""
    if not call.body.strip():
        return {}
    if call.request.headers["content-type"].split(";")[0].strip().lower() == FORM:
        pairs = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise TokenRefused("invalid_request", "A parameter is given more than once")
        return {name: value for name, value in pairs if name in _FIELDS}
    body = read_json(call.body)
    if not isinstance(body, Mapping):
        message = f"The body is {shown(body)[:1]}…, not a JSON object"
        raise TokenRefused("invalid_request", message, hint="Send an object or a form")
    given = {name: body[name] for name in _FIELDS if body.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, str):
            # Not shown: it may be the secret.
            raise TokenRefused("invalid_request", f"The parameter {name} is not a text")
    return given


def basic_credentials(request: Request) -> dict[str, str]:
    """Return the credentials of a Basic header (RFC 6749, 2.3.1)."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        text = b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        raise TokenRefused("invalid_request", "The Basic header cannot be read") from None
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise TokenRefused("invalid_request", "The Basic header has no colon")
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}


def _check(form: Mapping[str, str]) -> None:
    """Refuse what is wrong with any client."""
    if "grant_type" not in form:
        raise TokenRefused("invalid_request", "The parameter grant_type is missing")
    if form["grant_type"] != GRANT:
        # Not shown: it may be the secret in the wrong place.
        message = "The grant type is not supported"
        raise TokenRefused("unsupported_grant_type", message, hint=f"Use {GRANT}")
    for name in ("client_id", "client_secret"):
        if not form.get(name):
            hint = "Send it in the body, or both in a Basic header"
            raise TokenRefused("invalid_request", f"The parameter {name} is missing", hint=hint)


def _who(call: Call, form: Mapping[str, str]) -> str:
    """Return whom the limit of requests counts: an address, and who it says that it is."""
    client = call.request.client
    return f"{client.host if client else ''} {form.get('client_id', '')[:200]}"
