"""Cursors: opaque and signed, so that a client can neither read nor make up a place in a list.

A cursor is good for the list and the filters that it was given for, and for nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.problems import ApiError
from meterhouse.core.json_text import canonical_text

_MAC_BYTES = 12


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes and reads the cursors of one list; ``path`` is the one that it has, decoded."""

    key: bytes
    path: str
    filters: Mapping[str, str | int | None]

    def after(self, cursor: str | None) -> str | None:
        """Return the ledger's own cursor."""
        if cursor is None:
            return None
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            mac, text = raw[:_MAC_BYTES], raw[_MAC_BYTES:].decode("ascii")
        except ValueError:
            mac, text = b"", ""
        # Two texts may decode to the same bytes: only the one that was given out is good.
        if not hmac.compare_digest(mac, self._mac(text)) or self.cursor(text) != cursor:
            hint = "Give the one of the page before, with the same filters; or leave it out"
            raise ApiError("cursor_invalid", "The cursor is not one of this list", hint=hint)
        return text

    def cursor(self, after: str | None) -> str | None:
        """Return the cursor that clients see."""
        if after is None:
            return None
        raw = self._mac(after) + after.encode("ascii")
        return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

    def page(self, body: Mapping[str, Any], after: str | None, *, limit: int) -> Response:
        """Answer one page of the list; ``after`` is the ledger's own cursor of the next one."""
        return answer(
            {**body, "next_cursor": self.cursor(after)}, headers=self.link(after, limit=limit)
        )

    def link(self, after: str | None, *, limit: int, parameter: str = "cursor") -> dict[str, str]:
        """Return the ``Link`` header of the next page (RFC 8288); ``parameter`` takes cursors."""
        cursor = self.cursor(after)
        if cursor is None:
            return {}
        given = {name: value for name, value in self.filters.items() if value is not None}
        query = urlencode({**given, "limit": limit, parameter: cursor})
        return {"Link": f'<{quote(self.path)}?{query}>; rel="next"'}

    def _mac(self, text: str) -> bytes:
        signed = canonical_text([self.path, dict(self.filters), text]).encode()
        return hmac.new(self.key, signed, hashlib.sha256).digest()[:_MAC_BYTES]
