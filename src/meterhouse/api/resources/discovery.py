"""Discovery: where tokens come from (RFC 8414), what they are for (RFC 9728), who signs them."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import answer, text_answer
from meterhouse.api.authority import OPEN
from meterhouse.api.call import ThisCall
from meterhouse.api.description import TOKEN_PATH
from meterhouse.api.operation import Resource, one
from meterhouse.api.schemas import FREE_OBJECT, TEXT, Schema, array, whole
from meterhouse.core.scope import SCOPES

_SCOPES = sorted(SCOPES)
_PUBLIC = {"Cache-Control": "public, max-age=300"}
SCHEMAS: dict[str, Schema] = {
    "AuthorizationServer": {
        "type": "object",
        "properties": {"issuer": TEXT, "token_endpoint": TEXT, "jwks_uri": TEXT},
        "required": ["issuer", "token_endpoint"],
    },
    "ProtectedResource": {
        "type": "object",
        "properties": {"resource": TEXT, "authorization_servers": array(TEXT)},
        "required": ["resource", "authorization_servers"],
    },
    "PublicKeys": whole({"keys": array(FREE_OBJECT)}),
    "Description": {"type": "object", "required": ["openapi", "info", "paths"]},
}
resource = Resource("Discovery", about="What programs find out by themselves", schemas=SCHEMAS)


@resource.get(
    "/.well-known/oauth-authorization-server",
    guard=OPEN,
    answers=one("Where tokens come from", "AuthorizationServer"),
)
def get_authorization_server(call: ThisCall) -> Response:
    """Describe the authorization server (RFC 8414)."""
    context = call.context
    document = {
        "issuer": context.public_url,
        "token_endpoint": context.public_url + TOKEN_PATH,
        "jwks_uri": f"{context.public_url}/.well-known/jwks.json",
        "scopes_supported": _SCOPES,
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        **context.authority.metadata(),
    }
    return answer(document, headers=_PUBLIC)


@resource.get(
    "/.well-known/oauth-protected-resource",
    guard=OPEN,
    answers=one("What tokens are for", "ProtectedResource"),
)
def get_protected_resource(call: ThisCall) -> Response:
    """Describe this API as a protected resource (RFC 9728)."""
    url = call.context.public_url
    document = {
        "resource": url,
        "authorization_servers": [call.context.authority.metadata().get("issuer", url)],
        "jwks_uri": f"{url}/.well-known/jwks.json",
        "scopes_supported": _SCOPES,
        "bearer_methods_supported": ["header"],
        "resource_documentation": f"{url}/openapi.json",
    }
    return answer(document, headers=_PUBLIC)


@resource.get("/.well-known/jwks.json", guard=OPEN, answers=one("The public keys", "PublicKeys"))
def get_public_keys(call: ThisCall) -> Response:
    """Give the public keys that verify tokens (RFC 7517)."""
    return answer(dict(call.context.authority.jwks()), headers=_PUBLIC)


@resource.get("/openapi.json", guard=OPEN, answers=one("The description", "Description"))
def get_description(call: ThisCall) -> Response:
    """Describe this API in OpenAPI 3.1."""
    return text_answer(call.request.app.state.description(), headers=_PUBLIC)
