"""Entity tags: the revision of a definition, and who may change it.

Under ``/v1`` a change needs ``If-Match``. The revision that it names goes into the transaction that
writes, and is compared there.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.call import Call
from meterhouse.api.problems import ApiError

_STRONG = re.compile(r'"([\x21\x23-\x7e]*)"')
_MATCHES_NONE = ""


def etag(revision: str) -> str:
    """Return the strong entity tag of a revision.

    >>> etag("ab12")
    '"ab12"'
    """
    return f'"{revision}"'


def expected_revision(if_match: str | None) -> str | None:
    """Return the revision that must be the present one; ``None`` for ``*``, any.

    A list of several tags is refused: nobody has read several.

    >>> expected_revision('"ab12"')
    'ab12'
    """
    if if_match is None or not if_match.strip():
        message = "The header If-Match is missing"
        hint = "Read the definition, and send its ETag as If-Match"
        raise ApiError("precondition_required", message, hint=hint)
    text = if_match.strip()
    if text == "*":
        return None
    found = _STRONG.fullmatch(text)
    # Weak tags match nothing here (RFC 9110, 13.1.1).
    return _MATCHES_NONE if found is None else found[1]


def tagged(body: Any, revision: str, *, status: int = 200, **headers: str) -> Response:
    """Answer a definition with its entity tag."""
    return answer(body, status=status, headers={"ETag": etag(revision), **headers})


def tagged_unless_known(call: Call, body: Any, revision: str) -> Response:
    """Answer the same; or by 304, where the request names the tag in ``If-None-Match``."""
    if _known(call.header("if-none-match"), revision):
        return Response(status_code=304, headers={"ETag": etag(revision)})
    return tagged(body, revision)


def _known(if_none_match: str | None, revision: str) -> bool:
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag(revision) in tags
