"""Revisions: a short name of what a client may write of a definition; equal bodies, equal names."""

from __future__ import annotations

from hashlib import sha256

from meterhouse.core.json_text import JsonValue, canonical_text
from meterhouse.core.problem import ConflictError

_CHARS = 32
#: The revision of what is not there.
NO_REVISION = "none"


class StaleRevision(ConflictError):
    """A definition has changed since the client has read it."""

    code = "revision_stale"


def revision_of(body: JsonValue) -> str:
    """Return the revision of what a client may write.

    >>> revision_of({"name": "a", "n": 1}) == revision_of({"n": 1, "name": "a"})
    True
    """
    return sha256(canonical_text(body).encode()).hexdigest()[:_CHARS]


def check_revision(present: str, *, expected: str | None, what: str) -> None:
    """Refuse a change of what is not as the client has read it; ``None`` asks for nothing."""
    if expected is not None and expected != present:
        message = f"{what} has changed: its revision is {present}, not {expected}"
        raise StaleRevision(message, hint="Read it again and repeat the change")
