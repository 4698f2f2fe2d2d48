"""Access tokens of OAuth 2.0: fetched when they are needed, kept until shortly before they end."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import quote_plus, urlencode

from meterhouse.core.json_text import parse_json
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.ports import HttpAnswer, HttpTokenFailed, OAuth2Auth

#: A token is not used any more so many seconds before its end, or in its last tenth.
_MARGIN_SECONDS = 30
#: How long a token is kept whose endpoint does not say how long it lives.
_LIFE_SECONDS = 300
_LIFE_SECONDS_MAX = 86_400
_OK = 200
_SERVER_ERRORS = 500
_TOO_MANY = 429
#: Error codes of RFC 6749 are words; anything else could quote what was sent.
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_TOKEN = re.compile(r"[\x21-\x7e]+")

#: Sends a form (headers, body) to the token endpoint.
Post = Callable[[str, Mapping[str, str], bytes], HttpAnswer]


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; ``fresh`` where it was fetched for this very request."""

    text: str = field(repr=False)
    ends: float
    fresh: bool = False


class Tokens:
    """The access tokens that are in use, by what they were asked for with."""

    def __init__(self) -> None:
        self._kept: dict[OAuth2Auth, Token] = {}
        self._locks: dict[OAuth2Auth, Lock] = {}
        self._lock = Lock()

    def token(self, auth: OAuth2Auth, post: Post) -> Token:
        """Return a token that is in force; of several threads one fetches it."""
        with self._lock:
            lock = self._locks.setdefault(auth, Lock())
        with lock:
            kept = self._kept.get(auth)
            if kept is not None and time.monotonic() < kept.ends:
                return kept
            fetched = _fetch(auth, post)
            self._kept[auth] = Token(fetched.text, fetched.ends)
            return fetched

    def drop(self, auth: OAuth2Auth, token: Token) -> None:
        """Forget a token that was refused, unless another thread has a newer one already."""
        with self._lock:
            kept = self._kept.get(auth)
            if kept is not None and kept.text == token.text:
                del self._kept[auth]


def _fetch(auth: OAuth2Auth, post: Post) -> Token:
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    fields = {"grant_type": auth.grant}
    optional = {"audience": auth.audience, "scope": auth.scope}
    if auth.grant == "password":
        optional |= {"username": auth.username, "password": auth.password}
    if auth.in_body:
        optional |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
    else:
        # RFC 6749, 2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    fields |= {name: value for name, value in optional.items() if value is not None}
    asked = time.monotonic()
    answer = post(auth.token_url, headers, urlencode(fields).encode())
    return _token(auth, answer, asked)


def _token(auth: OAuth2Auth, answer: HttpAnswer, asked: float) -> Token:
    where = f"The token endpoint {shown_url(auth.token_url)}"
    body = _object(answer)
    if answer.status != _OK:
        code = body.get("error")
        said = f" ({code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
        later = answer.status >= _SERVER_ERRORS or answer.status == _TOO_MANY
        raise HttpTokenFailed(
            f"{where} answered {answer.status}{said}",
            hint="Check the secret, the audience and accessTokenURL",
            retriable=later,
        )
    text = body.get("access_token")
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise HttpTokenFailed(f"{where} answered {_OK} without an access_token")
    lasts = body.get("expires_in")
    if isinstance(lasts, str) and lasts.isdecimal():
        lasts = int(lasts)
    known = isinstance(lasts, int) and not isinstance(lasts, bool)
    seconds = min(lasts, _LIFE_SECONDS_MAX) if known else _LIFE_SECONDS
    return Token(text, asked + seconds - min(_MARGIN_SECONDS, seconds / 10), fresh=True)


def _object(answer: HttpAnswer) -> dict[str, object]:
    try:
        body = parse_json(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
