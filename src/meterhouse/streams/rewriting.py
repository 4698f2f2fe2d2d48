"""Rewriting a document on its way in: the API that its nodes call, and the secret they use.

Exports name the API of the place that they come from. Works on documents alone: nothing here asks
whether a node is valid, and the document that comes in is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown

HTTP_NODE = "transforms/http"
OAUTH2 = "oauth2"
_SIMPLE_KINDS = ("basic", "bearer")
#: Where the original's API is known to live.
KNOWN_BASES = ("https://api.digitalroute.io", "https://api.us.digitalroute.io")
#: An address of the API, wherever it is: what comes before its own paths is the base.
_API_PATHS = re.compile(
    r"(https?://[^/?#\s$@{}]+(?:/[^?#\s$@{}]*?)?)/(?:usage-metering|authentication)/v\d"
)
_BASE = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?")

Node = Mapping[str, Any]


def with_api_base(document: Mapping[str, Any], base: str) -> tuple[dict[str, Any], int]:
    """Return the document with its HTTP nodes on another API, and how many were changed.

    ``uri``, ``accessTokenURL`` and ``audience`` are changed where they begin with a known base, or
    with one that an address of the API in the same document shows.
    """
    if not _BASE.fullmatch(base):
        problem = Problem("apiBase", f"is {shown(base)}", "use an address such as http://host:8080")
        raise DefinitionError([problem], what="The API's base")
    bases = sorted({*KNOWN_BASES, *_bases_in(document)}, key=len, reverse=True)
    new = base.rstrip("/")

    def moved(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        for old in bases:
            rest = text.removeprefix(old)
            if rest != text and (not rest or rest[0] in "/?#"):
                return new + rest
        return text

    def change(params: dict[str, Any]) -> dict[str, Any]:
        if "uri" in params:
            params["uri"] = moved(params["uri"])
        oauth = params.get("oAuth2Authentication")
        if isinstance(oauth, Mapping):
            changed = {n: moved(v) if n in _OAUTH_FIELDS else v for n, v in oauth.items()}
            params["oAuth2Authentication"] = changed
        return params

    return _changed(document, change)


_OAUTH_FIELDS = ("accessTokenURL", "audience")


def with_secret(
    document: Mapping[str, Any], secret_id: str, *, kind: str = OAUTH2
) -> tuple[dict[str, Any], int]:
    """Return the document with a secret chosen for its nodes of that kind, and how many there are.

    A password that stood in the document itself is taken out.
    """
    wanted = kind if kind in _SIMPLE_KINDS else OAUTH2

    def change(params: dict[str, Any]) -> dict[str, Any]:
        if str(params.get("authType", "")).lower() == wanted:
            params["secretsWalletEntry"] = {"secretId": secret_id, "secretType": kind}
            basic = params.get("basicAuthentication")
            if isinstance(basic, Mapping):
                kept = {name: value for name, value in basic.items() if name != "password"}
                params["basicAuthentication"] = kept
        return params

    return _changed(document, change)


def _changed(
    document: Mapping[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> tuple[dict[str, Any], int]:
    """Return the document with other parameters of its HTTP nodes; keys keep their order."""
    listed = document.get("nodes")
    if not isinstance(listed, list):
        return dict(document), 0
    nodes: list[Any] = []
    count = 0
    for node in listed:
        params = _http_params(node)
        if params is not None:
            new = change(dict(params))
            count += new != params
            node = {**node, "params": new}
        nodes.append(node)
    return {**document, "nodes": nodes}, count


def _http_params(node: Any) -> Mapping[str, Any] | None:
    if not isinstance(node, Mapping) or node.get("type") != HTTP_NODE:
        return None
    params = node.get("params")
    return params if isinstance(params, Mapping) else None


def _bases_in(document: Mapping[str, Any]) -> set[str]:
    """Return the bases that addresses of the API in HTTP nodes show."""
    found: set[str] = set()
    listed = document.get("nodes")
    for node in listed if isinstance(listed, list) else ():
        params = _http_params(node) or {}
        oauth = params.get("oAuth2Authentication")
        token_url = oauth.get("accessTokenURL") if isinstance(oauth, Mapping) else None
        for text in (params.get("uri"), token_url):
            if isinstance(text, str) and (match := _API_PATHS.match(text)):
                found.add(match[1])
    return found
