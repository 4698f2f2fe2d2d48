"""Tokens: JWTs of RFC 9068, signed with ES256 by keys of our own that are replaced every 30 days.

Decides what a token of ours is. Everything of a token is distrusted until its signature is checked
with the key that our own table has under its `kid`; a token cannot bring or point to a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from meterhouse.app.access_ports import (
    SIGNING_KEY,
    SealedValue,
    Sealer,
    SigningKey,
    SigningKeys,
    TokenClaims,
)
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.core.instant import DAY, SECOND, Instant
from meterhouse.core.json_text import json_text
from meterhouse.core.scope import scopes_text

ALGORITHM = "ES256"
TYPE = "at+jwt"
TOKEN_SECONDS = 3600
KEY_DAYS = 30
#: A token with every scope there is has a fifth of this.
TOKEN_CHARS_MAX = 8192
_HEADER = frozenset({"alg", "typ", "kid"})
_KID = re.compile(r"[0-9A-Za-z-]{1,64}")


class Authority:
    """Issues tokens and checks them, for one service that is reached by some public URLs.

    Many threads may use one. ``lend`` gives each the ledger that it may use.
    """

    def __init__(
        self,
        lend: Callable[[], AbstractContextManager[SigningKeys]],
        sealer: Sealer,
        *,
        public_urls: Sequence[str],
        new_id: Callable[[], str],
    ) -> None:
        assert public_urls, "a service has a URL"
        self._lend = lend
        self._sealer = sealer
        self._urls = tuple(map(_without_slash, public_urls))
        self._new_id = new_id
        #: Keys that were opened before. Whether one still counts is asked of the ledger each time.
        self._opened: dict[str, ECKey] = {}

    @property
    def issuer(self) -> str:
        """The public URL under which tokens are issued: the first one."""
        return self._urls[0]

    @property
    def token_seconds(self) -> int:
        """How long a token lives."""
        return TOKEN_SECONDS

    def is_audience(self, audience: str) -> bool:
        """Whether tokens are issued for it; a slash at the end does not matter."""
        return _without_slash(audience) in self._urls

    def issue(
        self,
        *,
        client_id: str,
        scopes: frozenset[str],
        audience: str | None,
        id: str,
        at: Instant,
    ) -> str:
        """Return a signed token; the keys are changed on this occasion, when it is time."""
        assert audience is None or self.is_audience(audience)
        row = self._signing_key(at)
        issued = at // SECOND
        claims = {
            "iss": self.issuer,
            "sub": client_id,
            "aud": _without_slash(audience or self.issuer),
            "client_id": client_id,
            "scope": scopes_text(scopes),
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "jti": id,
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": row.kid}
        return jws.serialize_compact(header, json_text(claims), self._key(row), [ALGORITHM])

    def verify(self, token: str, *, at: Instant) -> TokenClaims:
        """Check a token; ``AccessRefused`` where anything is wrong with it."""
        signature = _extracted(token)
        key = self._trusted_key(_checked_header(signature.headers()), at)
        try:
            valid = jws.validate_compact(signature, key, [ALGORITHM])
        except (JoseError, ValueError, TypeError):
            valid = False
        if not valid:
            raise AccessRefused(AccessFault.BAD_SIGNATURE)
        return self._checked_claims(_json_object(signature.payload), at)

    def renew_keys(self, *, at: Instant) -> None:
        """Make a key that signs where there is none, or where its time has come."""
        self._signing_key(at)

    def public_keys(self, *, at: Instant) -> dict[str, Any]:
        """Return the JSON Web Key Set of the keys that tokens may be signed with."""
        with self._lend() as signing_keys:
            rows = signing_keys.signing_keys()
        return {"keys": [self._public(row) for row in rows if _verifies(row, at)]}

    # ------------------------------------------------------------ keys

    def _signing_key(self, at: Instant) -> SigningKey:
        with self._lend() as signing_keys:
            return signing_keys.rotate_signing_key(
                lambda: self._new_key(at),
                made_after=at - KEY_DAYS * DAY,
                retired_after=at - TOKEN_SECONDS * SECOND,
                at=at,
            )

    def _new_key(self, at: Instant) -> SigningKey:
        kid = self._new_id()
        # The library has its own chance, here as for each signature.
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        content = self._sealer.seal(pem, purpose=SIGNING_KEY, id=kid, version=1)
        return SigningKey(kid, at, None, SealedValue(SIGNING_KEY, kid, 1, content))

    def _key(self, row: SigningKey) -> ECKey:
        key = self._opened.get(row.kid)
        if key is None:
            key = ECKey.import_key(self._sealer.open(row.sealed))
            self._opened[row.kid] = key
        return key

    def _trusted_key(self, kid: str, at: Instant) -> ECKey:
        with self._lend() as signing_keys:
            row = signing_keys.signing_key(kid)
        if row is None or not _verifies(row, at):
            raise AccessRefused(AccessFault.UNKNOWN_KEY)
        return self._key(row)

    def _public(self, row: SigningKey) -> dict[str, Any]:
        body = self._key(row).as_dict(private=False)
        named = {name: body[name] for name in ("kty", "crv", "x", "y")}
        return {**named, "kid": row.kid, "use": "sig", "alg": ALGORITHM}

    # ------------------------------------------------------------ claims

    def _checked_claims(self, claims: Mapping[str, Any], at: Instant) -> TokenClaims:
        self._check_parties(claims)
        expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
        not_before = _seconds(claims, "nbf") if "nbf" in claims else issued
        if at >= expires * SECOND:
            raise AccessRefused(AccessFault.EXPIRED)
        if max(issued, not_before) * SECOND > at:
            raise AccessRefused(AccessFault.NOT_YET_VALID)
        client_id, scope, id = (_text(claims, name) for name in ("client_id", "scope", "jti"))
        if claims.get("sub") != client_id:
            raise AccessRefused(AccessFault.MALFORMED)
        return TokenClaims(client_id, frozenset(scope.split()), id, expires * SECOND)

    def _check_parties(self, claims: Mapping[str, Any]) -> None:
        issuer, audience = claims.get("iss"), claims.get("aud")
        if not isinstance(issuer, str) or _without_slash(issuer) not in self._urls:
            raise AccessRefused(AccessFault.WRONG_ISSUER)
        audiences = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(one, str) and self.is_audience(one) for one in audiences):
            raise AccessRefused(AccessFault.WRONG_AUDIENCE)


def _verifies(row: SigningKey, at: Instant) -> bool:
    """Whether a token signed by the key may still be good: until the last of them has ended."""
    return row.retired_at is None or at < row.retired_at + TOKEN_SECONDS * SECOND


def _without_slash(url: str) -> str:
    return url.removesuffix("/")


def _extracted(token: str) -> jws.CompactSignature:
    if not token:
        raise AccessRefused(AccessFault.MISSING)
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        raise AccessRefused(AccessFault.MALFORMED)
    try:
        return jws.extract_compact(token.encode("ascii"))
    except (JoseError, ValueError, TypeError, RecursionError):
        raise AccessRefused(AccessFault.MALFORMED) from None


def _checked_header(header: object) -> str:
    """Return the key id of a header as ours are; one with anything more is none of ours."""
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise AccessRefused(AccessFault.MALFORMED)
    if header["alg"] != ALGORITHM:
        raise AccessRefused(AccessFault.WRONG_ALGORITHM)
    if header.get("typ") != TYPE:
        raise AccessRefused(AccessFault.WRONG_TYPE)
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise AccessRefused(AccessFault.UNKNOWN_KEY)
    if set(header) != _HEADER:
        raise AccessRefused(AccessFault.MALFORMED)
    return kid


def _json_object(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise AccessRefused(AccessFault.MALFORMED)
    return claims


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise AccessRefused(AccessFault.MALFORMED)
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise AccessRefused(AccessFault.MALFORMED)
    return value
