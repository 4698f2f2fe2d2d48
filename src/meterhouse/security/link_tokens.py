"""Tokens of links: what a link opens, and a keyed hash of it. Nobody needs to log in with one.

The key is random and lies in the ledger, sealed by the wallet's key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from meterhouse.app.access_ports import SealedValue, Sealer
from meterhouse.app.billing.archive_ports import LINK_KEY, InvoiceHistory, Link
from meterhouse.core.instant import SECOND
from meterhouse.core.json_text import json_text

KEY_BYTES = 32
TOKEN_CHARS_MAX = 2_048
#: Keeps these hashes apart from all others that the key might ever make.
_PURPOSE = b"meterhouse.link/1\n"


@dataclass(frozen=True, slots=True)
class LinkKey:
    """The key of the hashes; made when it is first asked for."""

    lend: Callable[[], AbstractContextManager[InvoiceHistory]]
    sealer: Sealer
    chance: Callable[[int], bytes]

    def __call__(self) -> bytes:
        """Return the key."""
        with self.lend() as history:
            return self.sealer.open(history.link_key(self._made))

    def _made(self, id: str) -> SealedValue:
        plain = self.chance(KEY_BYTES)
        content = self.sealer.seal(plain, purpose=LINK_KEY, id=id, version=1)
        return SealedValue(LINK_KEY, id, 1, content)


@dataclass(frozen=True, slots=True)
class LinkTokens:
    """Makes tokens of links, and knows its own again. See ``LinkSigner``."""

    key: Callable[[], bytes]

    def token(self, link: Link) -> str:
        """Return the token of a link."""
        claims = [link.id, link.invoice, link.name, link.sha256, link.expires // SECOND]
        content = _text(json_text(claims).encode())
        return f"{content}.{self._signature(content)}"

    def link(self, token: str) -> Link | None:
        """Return the link of a token; ``None`` where it is none of ours, or was changed."""
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            return None
        content, _, signature = token.partition(".")
        # Texts are compared: of the several that stand for the same bytes, one is ours.
        if not hmac.compare_digest(signature, self._signature(content)):
            return None
        return _link(content)

    def _signature(self, content: str) -> str:
        return _text(hmac.digest(self.key(), _PURPOSE + content.encode(), "sha256"))


def _link(content: str) -> Link | None:
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        id_, invoice, name, sha256, expires = claims
    except (binascii.Error, ValueError, TypeError):
        # Signed by us, and of another version of this program.
        return None
    return Link(id_, invoice, name, sha256, expires * SECOND)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
