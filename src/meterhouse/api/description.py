"""The description of the API in OpenAPI 3.1, made of what the operations declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from meterhouse.api.answer import JSON
from meterhouse.api.authority import KERNEL_SCOPES
from meterhouse.api.operation import KERNEL_SECURITY, SECURITY, Resource
from meterhouse.api.problems import MEDIA_TYPE
from meterhouse.api.schemas import SHARED
from meterhouse.core.scope import SCOPES

TOKEN_PATH = "/authentication/v1/oauth/token"  # noqa: S105 (a path)
KERNEL_TOKEN_PATH = "/kernel/token"  # noqa: S105 (a path)
#: What the framework would describe its own errors by.
_UNUSED = ("HTTPValidationError", "ValidationError")
_ABOUT = """Usage metering: meter types, meters, streams, runs and what they leave behind.

Numbers are exact: they are read and written as decimals, with up to 20 digits before the point and
18 after it. Use a JSON reader that keeps them so. Errors are problem documents (RFC 9457)."""


def describe(app: FastAPI, resources: Sequence[Resource]) -> dict[str, Any]:
    """Return the document."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        tags=[{"name": resource.tag, "description": resource.about} for resource in resources],
        servers=[{"url": "/", "description": "This server"}],
    )
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.get("schemas", {}) | SHARED
    for name in _UNUSED:
        schemas.pop(name, None)
    for resource in resources:
        schemas |= resource.schemas
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        SECURITY: _security(SCOPES, TOKEN_PATH),
        KERNEL_SECURITY: _security(_kernel_scopes(), KERNEL_TOKEN_PATH),
    }
    for path in document["paths"].values():
        for operation in path.values():
            _tidy(operation)
    return document


def _kernel_scopes() -> list[str]:
    return [scope for scopes in KERNEL_SCOPES.values() for scope in scopes.split()]


def _security(scopes: Sequence[str], token_path: str) -> Mapping[str, Any]:
    described = {scope: scope.replace(":", " ").replace("_", " ") for scope in scopes}
    flow = {"tokenUrl": token_path, "scopes": described}
    return {"type": "oauth2", "flows": {"clientCredentials": flow}}


def _tidy(operation: dict[str, Any]) -> None:
    """Take out what the framework adds by itself to answers that we describe in full."""
    for response in operation["responses"].values():
        content = response.get("content", {})
        schema = content.get(JSON, {}).get("schema")
        if schema == {} or (schema is not None and MEDIA_TYPE in content):
            del content[JSON]
        if "content" in response and not content:
            del response["content"]
    for parameter in operation.get("parameters", ()):
        parameter.get("schema", {}).pop("title", None)
