"""Entity tags: the revision of a definition, and who may change it.

Under ``/v1`` a change needs ``If-Match``. The revision that it names goes into the transaction that
writes, and is compared there.
"""

from __future__ import annotations

import re

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


def not_modified(if_none_match: str | None, revision: str) -> bool:
    """Whether a client that has that tag has the present revision."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag(revision) in tags
