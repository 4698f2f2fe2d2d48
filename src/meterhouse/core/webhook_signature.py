"""Signatures of webhooks as Standard Webhooks 1.0.0 has them: ``v1``, HMAC-SHA256.

Decides what a signing key may look like and what is signed: ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64
KEY_HINT = (
    f"write {PREFIX} and the base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} random bytes, such as"
    " `openssl rand -base64 32` prints them"
)


def signing_key(text: str) -> bytes:
    """Return the bytes of a key; its prefix may be left out. Raises ``ValueError`` without it.

    >>> len(signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("is no base64") from None
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise ValueError(f"has {len(key)} bytes")
    return key


def signatures(keys: Iterable[bytes], *, id: str, seconds: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: one signature for each key.

    ``seconds`` is the Unix time that ``webhook-timestamp`` says.
    """
    signed = f"{id}.{seconds}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
