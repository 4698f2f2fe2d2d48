"""Applications: programs that may use the API, and which scopes each was given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.revision import revision_of
from meterhouse.core.scope import SCOPES, ordered_scopes, scope_problems

NAME_CHARS_MAX = 80
_WRITABLE = ("name", "scopes")
_READ_ONLY = ("id", "clientId", "revision", "createdAt", "updatedAt")


@dataclass(frozen=True, slots=True)
class Application:
    """An application. Its client secret is kept elsewhere, as a keyed hash."""

    id: str
    client_id: str
    name: str
    scopes: frozenset[str]
    created_at: Instant
    updated_at: Instant

    @property
    def revision(self) -> str:
        """The name of what a client may write of it."""
        return revision_of({"name": self.name, "scopes": list(ordered_scopes(self.scopes))})

    def merged(self, patch: JsonValue, *, at: Instant) -> Application:
        """Return the application with a merge patch applied. Raises ``DefinitionError``."""
        reading = Reading(patch, known=_WRITABLE, read_only=_READ_ONLY, what="merge patch")
        name = self.name if "name" not in reading.body else _name(reading)
        scopes = self.scopes if "scopes" not in reading.body else _scopes(reading)
        _refuse(reading.problems, what="The merge patch")
        return replace(self, name=name, scopes=scopes, updated_at=at)

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return {
            "id": self.id,
            "name": self.name,
            "clientId": self.client_id,
            "scopes": list(ordered_scopes(self.scopes)),
            "revision": self.revision,
            "createdAt": instant_text(self.created_at),
            "updatedAt": instant_text(self.updated_at),
        }


def read_application(
    body: JsonValue, *, id: str, client_id: str, at: Instant, all_scopes: bool = True
) -> Application:
    """Read a new application; with ``all_scopes``, one that names none has them all.

    Raises ``DefinitionError`` listing every problem.
    """
    reading = Reading(body, known=_WRITABLE, read_only=_READ_ONLY, what="application")
    name = _name(reading)
    if reading.body.get("scopes") is not None:
        scopes = _scopes(reading)
    else:
        scopes = frozenset(SCOPES)
        if not all_scopes:
            hint = 'name what it may do, such as ["read:meters"]'
            reading.fail("scopes", "is missing", hint)
    _refuse(reading.problems, what="The application")
    return Application(id, client_id, name, scopes, at, at)


def _name(reading: Reading) -> str:
    return reading.text("name", required=True, chars_max=NAME_CHARS_MAX) or ""


def _scopes(reading: Reading) -> frozenset[str]:
    given = reading.body.get("scopes")
    if not isinstance(given, list | tuple):
        reading.fail("scopes", f"is {shown(given)}, not a list", 'such as ["read:meters"]')
        return frozenset()
    reading.problems += scope_problems(given)
    return frozenset(scope for scope in given if isinstance(scope, str))


def _refuse(problems: list[Problem], *, what: str) -> None:
    if problems:
        raise DefinitionError(problems, what=what)
