"""Clients of Kernel: programs that read or add files of datasets, and what each may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from meterhouse.core.country import is_country
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown
from meterhouse.datasets.scope import scope_problems

PURPOSE_CHARS_MAX = 200
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_WRITABLE = ("clientId", "scopes", "purpose", "ob")
_PATCHABLE = ("scopes", "purpose", "ob")
_READ_ONLY = ("id", "createdAt", "updatedAt")


@dataclass(frozen=True, slots=True)
class KernelClient:
    """A client. Its secret is kept elsewhere, as a keyed hash.

    ``purpose`` says why it reads personal data. With an ``ob`` it has to do with that operating
    business only.
    """

    id: str
    client_id: str
    scopes: tuple[str, ...]
    purpose: str | None
    ob: str | None
    created_at: Instant
    updated_at: Instant

    def changed(self, patch: JsonValue, *, at: Instant) -> KernelClient:
        """Return the client with a merge patch applied. Raises ``DefinitionError``."""
        reading = Reading(patch, known=_PATCHABLE, read_only=_READ_ONLY, what="merge patch")
        body = reading.body
        found = replace(
            self,
            scopes=_scopes(reading) if "scopes" in body else self.scopes,
            purpose=_purpose(reading) if "purpose" in body else self.purpose,
            ob=_ob(reading) if "ob" in body else self.ob,
            updated_at=at,
        )
        if reading.problems:
            raise DefinitionError(reading.problems, what="The merge patch")
        return found

    def to_api(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "id": self.id,
            "clientId": self.client_id,
            "scopes": list(self.scopes),
            "purpose": self.purpose,
            "ob": self.ob,
            "createdAt": instant_text(self.created_at),
            "updatedAt": instant_text(self.updated_at),
        }


def read_client(body: Mapping[str, Any], *, id: str, at: Instant) -> KernelClient:
    """Read a new client. Raises ``DefinitionError`` listing every problem."""
    reading = Reading(body, known=_WRITABLE, read_only=_READ_ONLY, what="client")
    client_id = reading.text("clientId", required=True) or ""
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        hint = "use up to 80 letters, digits, hyphens, dots and underscores: aura-bot-es-pro"
        reading.fail("clientId", f"is {shown(client_id)}", hint)
    scopes, purpose, ob = _scopes(reading), _purpose(reading), _ob(reading)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The client")
    return KernelClient(id, client_id, scopes, purpose, ob, at, at)


def _scopes(reading: Reading) -> tuple[str, ...]:
    given = reading.body.get("scopes")
    if not isinstance(given, list | tuple) or not given:
        hint = 'name what it may do, such as ["data:read", "data:Aura_Audit:read"]'
        what = "is missing" if given in (None, [], ()) else f"is {shown(given)}, not a list"
        reading.fail("scopes", what, hint)
        return ()
    reading.problems += scope_problems(given)
    return tuple(dict.fromkeys(scope for scope in given if isinstance(scope, str)))


def _purpose(reading: Reading) -> str | None:
    return reading.text("purpose", chars_max=PURPOSE_CHARS_MAX)


def _ob(reading: Reading) -> str | None:
    ob = reading.text("ob")
    if ob is not None and not is_country(ob):
        hint = "write the country of ISO 3166-1 alpha-2 that names of files begin with, such as ES"
        reading.fail("ob", f"is {shown(ob)}", hint)
    return ob
