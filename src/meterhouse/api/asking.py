"""The parameters of a request's address: those that the operation has, in UTF-8.

A misspelt filter would leave everything in, so an unknown parameter is refused under
``/v1`` and ``/kernel``. The original's paths let it pass, as they always did.
"""

from __future__ import annotations

from difflib import get_close_matches
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from meterhouse.api.problems import ApiError
from meterhouse.core.reading import shown

_OURS = ("/v1/", "/kernel/")


async def check_parameters(request: Request) -> None:
    """Refuse parameters that cannot be read, or that the operation does not have."""
    raw: bytes = request.scope["query_string"]
    if b"%" in raw:
        _check_text(raw)
    route = request.scope["route"]
    if not raw or not route.path.startswith(_OURS):
        return
    known = route.parameters
    for name in request.query_params:
        if name not in known:
            raise _unknown(name, known)


def parameters_of(route: APIRoute) -> list[str]:
    """Return the names of the parameters that an operation has."""
    fields = get_flat_params(route.dependant)
    return [field.alias for field in fields if isinstance(field.field_info, Query)]


def _check_text(raw: bytes) -> None:
    try:
        unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        message = "The parameters of the address are not UTF-8"
        hint = "Encode them as UTF-8, and then by percent signs"
        raise ApiError("request_malformed", message, hint=hint) from error


def _unknown(name: str, known: list[str]) -> ApiError:
    near = get_close_matches(name, known, n=1)
    if near:
        hint = f"Did you mean {near[0]}?"
    elif known:
        hint = f"It has: {', '.join(known)}"
    else:
        hint = "It has no parameters"
    message = f"This operation has no parameter {shown(name)}"
    return ApiError("parameter_unknown", message, hint=hint)
