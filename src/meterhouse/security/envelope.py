"""Envelopes: AES-256-GCM with a data key of its own each, which is sealed by the wallet's key.

A sealed value is bound to its place: moved to another purpose, id or version it does not open. To
change the wallet's key, data keys alone are sealed anew. Layout, in bytes:

    format 1 | id of the wallet's key 8 | nonce 12 | sealed data key 48 | nonce 12 | content + 16
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterhouse.app.access_ports import SealedValue
from meterhouse.core.problem import MeterhouseError
from meterhouse.security.wallet_key import ID_BYTES, KEY_BYTES, WalletKeyError, WalletKeys

_FORMAT = b"\x01"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_KEY_AT = len(_FORMAT) + ID_BYTES
_CONTENT_AT = _KEY_AT + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES
_BYTES_MIN = _CONTENT_AT + _NONCE_BYTES + _TAG_BYTES


class SealError(MeterhouseError):
    """A sealed value is not as it was sealed, or not where."""

    code = "seal_broken"


class _Parts(NamedTuple):
    """A sealed value taken apart; a box is a nonce and what was sealed with it."""

    key_id: bytes
    data_key_box: bytes
    content_box: bytes


@dataclass(slots=True)
class Envelope:
    """Seals and opens, in many threads at once.

    ``load`` is asked for the keys before each seal, and again where an unknown key has sealed:
    another process may have changed the wallet's key meanwhile.
    """

    load: Callable[[], WalletKeys]
    chance: Callable[[int], bytes]
    _keys: WalletKeys | None = field(default=None, repr=False)

    def seal(self, plain: bytes, *, purpose: str, id: str, version: int) -> bytes:
        """Return the sealed content."""
        place = _place(purpose, id, version)
        data_key = self.chance(KEY_BYTES)
        return self._wrapped(data_key, place) + self._boxed(data_key, plain, place)

    def open(self, sealed: SealedValue) -> bytes:
        """Return what was sealed. ``WalletKeyError`` where its key is not given, ``SealError``."""
        parts = _parts(sealed)
        place = _place(sealed.purpose, sealed.id, sealed.version)
        return _unboxed(self._data_key(parts, place, sealed), parts.content_box, place, sealed)

    def reseal(self, sealed: SealedValue) -> bytes:
        """Return the content with its data key sealed by the wallet's first key."""
        parts = _parts(sealed)
        place = _place(sealed.purpose, sealed.id, sealed.version)
        return self._wrapped(self._data_key(parts, place, sealed), place) + parts.content_box

    def _wrapped(self, data_key: bytes, place: bytes) -> bytes:
        keys = self._keys = self.load()
        key_id, key = keys.first
        return _FORMAT + key_id + self._boxed(key, data_key, _of_key(place))

    def _boxed(self, key: bytes, plain: bytes, place: bytes) -> bytes:
        nonce = self.chance(_NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plain, place)

    def _data_key(self, parts: _Parts, place: bytes, sealed: SealedValue) -> bytes:
        key = self._wallet_key(parts.key_id, sealed)
        return _unboxed(key, parts.data_key_box, _of_key(place), sealed)

    def _wallet_key(self, key_id: bytes, sealed: SealedValue) -> bytes:
        keys = self._keys
        if keys is None or key_id not in keys.by_id:
            keys = self._keys = self.load()
        key = keys.by_id.get(key_id)
        if key is None:
            given = ", ".join(id.hex() for id in keys.by_id)
            message = (
                f"The {sealed.purpose} {sealed.id} was sealed by the wallet key {key_id.hex()}, "
                f"and {keys.source} has {given}"
            )
            hint = "Add that key there, after the others, separated by a space or a line break"
            raise WalletKeyError(message, hint=hint)
        return key


def _parts(sealed: SealedValue) -> _Parts:
    content = sealed.content
    if len(content) < _BYTES_MIN or not content.startswith(_FORMAT):
        raise _broken(sealed)
    return _Parts(
        content[len(_FORMAT) : _KEY_AT], content[_KEY_AT:_CONTENT_AT], content[_CONTENT_AT:]
    )


def _unboxed(key: bytes, box: bytes, place: bytes, sealed: SealedValue) -> bytes:
    try:
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], place)
    except InvalidTag:
        raise _broken(sealed) from None


def _broken(sealed: SealedValue) -> SealError:
    message = f"The sealed {sealed.purpose} {sealed.id} was changed, or moved from another place"
    return SealError(message, hint="Put the ledger back from a backup, or write it anew")


def _place(purpose: str, id: str, version: int) -> bytes:
    """What is bound in. Lengths go before texts, so that no two places are written alike."""
    texts = (purpose.encode(), id.encode("utf-8", "surrogatepass"), str(version).encode())
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def _of_key(place: bytes) -> bytes:
    """The place of the data key, which is not that of the content."""
    return b"data key\x00" + place
