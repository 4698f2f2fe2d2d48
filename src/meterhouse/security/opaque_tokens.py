"""Opaque tokens: 256 random bits each, of which the ledger has a hash.

Nobody can try so many, so the hash needs no key: whoever reads the ledger learns no token.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

TOKEN_BYTES = 32
#: Says what it is, so that a scanner for leaked secrets finds it.
PREFIX = "mht_"


@dataclass(frozen=True, slots=True)
class OpaqueTokens:
    """Makes and hashes opaque tokens."""

    chance: Callable[[int], bytes]

    def new_token(self) -> str:
        """Return a token that was never used."""
        return PREFIX + base64.urlsafe_b64encode(self.chance(TOKEN_BYTES)).rstrip(b"=").decode()

    def hash(self, token: str) -> bytes:
        """Return the hash of a token."""
        return sha256(token.encode("utf-8", "surrogatepass")).digest()
