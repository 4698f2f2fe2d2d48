"""``secretsWalletEntry``: the secret that a node of a store, a broker or a database names.

The document has the id of the secret and never a value. What a preview of a document that nobody
has stored may not open, it does without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.world import Services

_FIELD = "secretsWalletEntry"


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """The secret that a node names, and the types that will do."""

    secret_id: str
    types: tuple[SecretType, ...]

    def obstacle(self, services: Services) -> Problem | None:
        """Say what keeps the node from having its secret; ``None`` where nothing does."""
        try:
            self.credentials(services)
        except MeterhouseError as error:
            return Problem(_FIELD, error.args[0], error.hint)
        return None

    def credentials(self, services: Services) -> Credentials:
        """Return the values of the secret. Raises ``MeterhouseError`` where there are none."""
        if services.credentials is None:
            raise MeterhouseError(
                f"The secret {shown(self.secret_id)} is not opened here",
                hint="Store the stream first: previews open secrets for stored streams only",
            )
        return self.opened(services.credentials)

    def opened(self, credentials_of: Callable[[str], Credentials]) -> Credentials:
        """Return the same; ``credentials_of`` has the values of a secret by its id."""
        name = shown(self.secret_id)
        try:
            credentials = credentials_of(self.secret_id)
        except MeterhouseError as error:
            hint = error.hint or "Name one that `meterhouse secret list` shows"
            raise MeterhouseError(f"names the secret {name}: {error.args[0]}", hint=hint) from error
        if credentials.type not in self.types:
            wanted = " or ".join(type_.value for type_ in self.types)
            text = f"names the secret {name}, of type {credentials.type.value}"
            raise MeterhouseError(text, hint=f"choose one of type {wanted}")
        return credentials


def read_wallet_entry(reading: Reading, types: Sequence[SecretType]) -> WalletEntry | None:
    """Read ``secretsWalletEntry``; ``None`` where there is none. Problems are noted."""
    if reading.body.get(_FIELD) is None:
        return None
    inner = Reading(reading.body[_FIELD], known=("secretId", "secretType"), what=_FIELD)
    secret_id = inner.text("secretId", required=True)
    given = inner.text("secretType")
    names = [type_.value for type_ in types]
    if given is not None and given not in names:
        inner.fail("secretType", f"is {shown(given)}", f"use {' or '.join(names)}")
    reading.problems += [problem.at(_FIELD) for problem in inner.problems]
    return None if secret_id is None else WalletEntry(secret_id, tuple(types))
