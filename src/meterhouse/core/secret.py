"""What the secrets wallet holds: types of secrets, and their credentials.

A value never shows itself: not in ``repr``, and so in no log, error or trace. Where the values are
kept, and how they are sealed, is the business of ``store`` and ``security``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading

VALUE_CHARS_MAX = 20_000


class SecretType(Enum):
    """The kinds of credentials. Values are the ``secretType`` of stream documents."""

    OAUTH2 = "oauth2"
    BASIC = "basic"
    BEARER = "bearer"
    AZURE_SAS = "azureSas"
    AWS = "aws"
    SSH_KEY = "sshKey"


#: Fields that must be given, and fields that may be, by type. OAuth 2.0 with a password: below.
_FIELDS: dict[SecretType, tuple[tuple[str, ...], tuple[str, ...]]] = {
    SecretType.OAUTH2: (("clientId", "clientSecret"), ("username", "password", "authentication")),
    SecretType.BASIC: (("username", "password"), ()),
    SecretType.BEARER: (("token",), ()),
    SecretType.AZURE_SAS: (("sasToken",), ("account",)),
    SecretType.AWS: (("accessKeyId", "secretAccessKey"), ("sessionToken", "region")),
    SecretType.SSH_KEY: (("privateKey",), ("username", "passphrase")),
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
    if reading.problems:
        raise DefinitionError(reading.problems, what="The credentials")
    return Credentials(type_, values)
