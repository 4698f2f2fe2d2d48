"""Client secrets: 256 random bits each, of which the ledger has a keyed hash.

The key of the hash is in the ledger too, sealed: who has the ledger alone cannot even test a guess,
and a change of the wallet's key leaves every client secret as it is.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from meterhouse.app.access_ports import (
    PEPPER,
    Applications,
    ClientSecretHashes,
    SealedValue,
    Sealer,
)
from meterhouse.core.instant import Instant

SECRET_BYTES = 32
PEPPER_BYTES = 32
#: Says what it is, so that a scanner for leaked secrets finds it.
PREFIX = "mhs_"
#: Stands for a hash that there is not: no secret is known that has it, and none is accepted by it.
_NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class Pepper:
    """The key of the hashes: random, sealed in the ledger, made when it is first asked for."""

    lend: Callable[[], AbstractContextManager[Applications]]
    sealer: Sealer
    chance: Callable[[int], bytes]

    def __call__(self) -> bytes:
        """Return the key."""
        with self.lend() as applications:
            return self.sealer.open(applications.client_secret_pepper(self._made))

    def _made(self, id: str) -> SealedValue:
        plain = self.chance(PEPPER_BYTES)
        content = self.sealer.seal(plain, purpose=PEPPER, id=id, version=1)
        return SealedValue(PEPPER, id, 1, content)


@dataclass(slots=True)
class ClientSecrets:
    """Makes, hashes and compares client secrets. ``pepper`` is called when first needed."""

    pepper: Callable[[], bytes]
    chance: Callable[[int], bytes]
    _key: bytes | None = field(default=None, repr=False)

    def new_secret(self) -> str:
        """Return a secret that was never used."""
        return PREFIX + base64.urlsafe_b64encode(self.chance(SECRET_BYTES)).rstrip(b"=").decode()

    def hash(self, client_secret: str) -> bytes:
        """Return the keyed hash of a secret."""
        if self._key is None:
            self._key = self.pepper()
        text = client_secret.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")

    def matches(self, client_secret: str, hashes: ClientSecretHashes, *, at: Instant) -> bool:
        """Whether it is one of the secrets. Both are compared always, also where there is none."""
        given = self.hash(client_secret)
        current = hmac.compare_digest(given, hashes.current or _NO_HASH)
        previous = hmac.compare_digest(given, hashes.previous or _NO_HASH)
        in_time = at < (hashes.previous_until or at)
        return (current & (hashes.current is not None)) | (
            previous & (hashes.previous is not None) & in_time
        )
