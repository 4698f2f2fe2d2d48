"""What the secrets wallet holds: types of secrets, and their credentials.

A value never shows itself: not in ``repr``, and so in no log, error or trace. Where the values are
kept, and how they are sealed, is the business of ``store`` and ``security``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from typing import Any

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.revision import revision_of
from meterhouse.core.webhook_signature import KEY_HINT, signing_key

VALUE_CHARS_MAX = 20_000
NAME_CHARS_MAX = 30
DESCRIPTION_CHARS_MAX = 200
#: What a name may have beside letters and digits.
_NAME_MARKS = frozenset(" -_.()")
_WRITABLE = ("name", "description", "type", "credentials")
_READ_ONLY = ("id", "version", "revision", "numberOfStreams", "streams", "createdAt", "updatedAt")


class SecretType(Enum):
    """The kinds of credentials. Values are the ``secretType`` of stream documents."""

    OAUTH2 = "oauth2"
    BASIC = "basic"
    BEARER = "bearer"
    AZURE_SAS = "azureSas"
    AWS = "aws"
    SSH_KEY = "sshKey"
    WEBHOOK_SIGNING = "webhookSigning"


#: Fields that must be given, and fields that may be, by type. OAuth 2.0 with a password: below.
_FIELDS: dict[SecretType, tuple[tuple[str, ...], tuple[str, ...]]] = {
    SecretType.OAUTH2: (("clientId", "clientSecret"), ("username", "password", "authentication")),
    SecretType.BASIC: (("username", "password"), ()),
    SecretType.BEARER: (("token",), ()),
    SecretType.AZURE_SAS: (("sasToken",), ("account",)),
    SecretType.AWS: (("accessKeyId", "secretAccessKey"), ("sessionToken", "region")),
    SecretType.SSH_KEY: (("privateKey",), ("username", "passphrase")),
    SecretType.WEBHOOK_SIGNING: (("key",), ("previousKey",)),
}
#: The ways of OAuth 2.0 that a secret can hold the credentials of.
GRANTS = ("client_credentials", "password")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The values of one secret, by field. ``repr`` shows the type alone."""

    type: SecretType
    values: Mapping[str, str] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str | None:
        """Return a value that may be absent."""
        return self.values.get(name)

    @property
    def grant(self) -> str:
        """How an OAuth 2.0 secret asks for tokens: ``client_credentials`` or ``password``."""
        return self.values.get("authentication", GRANTS[0])


def read_credentials(type_: SecretType, body: object) -> Credentials:
    """Read the ``credentials`` object of a secret.

    Raises ``DefinitionError`` listing every problem; no message shows a value.
    """
    if not isinstance(body, Mapping):
        problem = Problem("", "is not a JSON object", "write the credentials between { and }")
        raise DefinitionError([problem], what="The credentials")
    reading = Reading(body, what="credentials")
    required, optional = _FIELDS[type_]
    if type_ is SecretType.OAUTH2 and reading.body.get("authentication") == "password":
        required = (*required, "username", "password")
        optional = ("authentication",)
    reading.only((*required, *optional), what="credentials")
    values: dict[str, str] = {}
    for name in (*required, *optional):
        value = reading.body.get(name)
        if value is None or value == "":
            if name in required:
                reading.fail(name, "is missing", f"a secret of type {type_.value} needs it")
        elif not isinstance(value, str):
            reading.fail(name, "is not text", "write it as a JSON string")
        elif len(value) > VALUE_CHARS_MAX:
            reading.fail(name, f"has {len(value)} characters", f"at most {VALUE_CHARS_MAX}")
        else:
            values[name] = value
    if values.get("authentication", GRANTS[0]) not in GRANTS:
        reading.fail("authentication", "is not a known way", f"one of {', '.join(GRANTS)}")
    _check_signing_keys(reading, type_, values)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The credentials")
    return Credentials(type_, values)


def _check_signing_keys(reading: Reading, type_: SecretType, values: Mapping[str, str]) -> None:
    keys = values if type_ is SecretType.WEBHOOK_SIGNING else {}
    for name, value in keys.items():
        try:
            signing_key(value)
        except ValueError as error:
            reading.fail(name, str(error), KEY_HINT)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as everybody may see it. ``version`` counts its credentials."""

    id: str
    name: str
    type: SecretType
    created_at: Instant
    updated_at: Instant
    description: str | None = None
    version: int = 1

    @property
    def revision(self) -> str:
        """The name of what a client may write of it; its version stands for the values."""
        return revision_of([self.name, self.description, self.type.value, self.version])

    def merged(self, patch: JsonValue, *, at: Instant) -> tuple[Secret, Credentials | None]:
        """Return the secret with a merge patch applied, and its new credentials if there are any.

        The type stays: functions of streams rely on it. Raises ``DefinitionError``.
        """
        reading = Reading(
            patch, known=_WRITABLE, read_only=_READ_ONLY, what="merge patch", hides=True
        )
        body = reading.body
        name = self.name if "name" not in body else _name(reading)
        description = self.description if "description" not in body else _description(reading)
        if body.get("type", self.type.value) != self.type.value:
            reading.fail("type", f"is {self.type.value}, and stays so", "create another secret")
        credentials = None
        if "credentials" in body:
            credentials = _credentials(reading, self.type)
        if reading.problems:
            raise DefinitionError(reading.problems, what="The merge patch")
        version = self.version if credentials is None else self.version + 1
        changed = replace(self, name=name, description=description, version=version, updated_at=at)
        return changed, credentials

    def to_api(self) -> dict[str, Any]:
        """Return the API's object, which has no values."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "type": self.type.value,
            "version": self.version,
            "revision": self.revision,
            "createdAt": instant_text(self.created_at),
            "updatedAt": instant_text(self.updated_at),
        }


def read_secret(body: JsonValue, *, id: str, at: Instant) -> tuple[Secret, Credentials]:
    """Read a new secret with its credentials.

    Raises ``DefinitionError`` listing every problem; no message shows a value.
    """
    reading = Reading(body, known=_WRITABLE, read_only=_READ_ONLY, what="secret", hides=True)
    name = _name(reading)
    description = _description(reading)
    type_ = _type(reading)
    credentials = None if type_ is None else _credentials(reading, type_)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The secret")
    assert type_ is not None and credentials is not None
    return Secret(id, name, type_, at, at, description), credentials


def read_type(text: str) -> SecretType:
    """Return the type of that name. Raises ``DefinitionError``."""
    reading = Reading({"type": text})
    type_ = _type(reading)
    if type_ is None:
        raise DefinitionError(reading.problems, what="The secret")
    return type_


def _name(reading: Reading) -> str:
    name = reading.text("name", required=True, chars_max=NAME_CHARS_MAX) or ""
    wrong = [mark for mark in dict.fromkeys(name) if not mark.isalnum() and mark not in _NAME_MARKS]
    if wrong:
        hint = "use letters, digits, spaces and - _ . ( )"
        reading.fail("name", f"has {shown(''.join(wrong))}", hint)
    elif name != name.strip():
        reading.fail("name", "has spaces around it", "remove them")
    return name


def _description(reading: Reading) -> str | None:
    return reading.text("description", chars_max=DESCRIPTION_CHARS_MAX)


def _type(reading: Reading) -> SecretType | None:
    given = reading.body.get("type")
    names = [type_.value for type_ in SecretType]
    if isinstance(given, str) and given in names:
        return SecretType(given)
    near = get_close_matches(given.lower(), names, n=1) if isinstance(given, str) else []
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}"
    reading.fail("type", "is missing" if given is None else "is no type that there is", hint)
    return None


def _credentials(reading: Reading, type_: SecretType) -> Credentials | None:
    try:
        return read_credentials(type_, reading.body.get("credentials"))
    except DefinitionError as error:
        reading.problems += [problem.at("credentials") for problem in error.problems]
        return None
