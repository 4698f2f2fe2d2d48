"""The forwarder of ``writers/http``: records as requests, signed if asked, one lane each.

Decides which answers may change. The receiver being *away* (no connection, no answer in time, 429,
502, 503, 504) says nothing of the record, and neither does what an operator can mend: an address
that may not be called, 401, 403 and 407. 408, 425 and other 5xx may change, and count as attempts;
all others but 2xx will not change.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.http.keep_alive import KeepAlive
from meterhouse.connectors.http.tokens import Token, Tokens
from meterhouse.core.instant import SECOND, Instant
from meterhouse.core.json_text import JsonValue, Record, parse_json
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.core.webhook_signature import signatures, signing_key
from meterhouse.streams.forward import together_key
from meterhouse.streams.nodes.http_answer import failure
from meterhouse.streams.nodes.http_auth import chosen_credentials
from meterhouse.streams.nodes.http_request import UnfitRecord
from meterhouse.streams.nodes.http_writer import HttpWriterParams, read_http_writer
from meterhouse.streams.ports import (
    Accepted,
    BasicAuth,
    BearerAuth,
    ForwardItem,
    HttpAnswer,
    HttpAuth,
    HttpFailed,
    HttpRefused,
    HttpRequest,
    HttpTokenFailed,
    OAuth2Auth,
    Outcome,
    Refused,
    TryAgain,
)

_OK = range(200, 300)
_AWAY = frozenset({401, 403, 407, 429, 502, 503, 504})
_MAY_CHANGE = frozenset({408, 425, *range(500, 600)})
_UNAUTHORIZED = 401
#: A text that has the whole of a server's name, whatever fields of a record fill in behind it.
_SERVER = re.compile(r"https?://[^/?#]+[/?#]", re.IGNORECASE)
_MOVED = range(300, 400)
#: Metered records nest a little deeper than what they are made of.
_NESTING_MAX = 120
_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson"}
_OWN = {"user-agent": "meterhouse", "accept": "application/json, */*;q=0.5"}


@dataclass(frozen=True, slots=True)
class WebhookMeans:
    """What all lanes share. ``new_connection`` is given the seconds of one exchange."""

    guard: Guard
    tokens: Tokens
    clock: Callable[[], Instant]
    new_connection: Callable[[float], KeepAlive] = field(repr=False)


def open_webhook(
    settings: Mapping[str, JsonValue],
    credentials: Callable[[str], Credentials],
    *,
    means: WebhookMeans,
) -> Webhook:
    """Return the forwarder of a lane. Raises ``SecretMissing``, ``DefinitionError``."""
    reading = Reading(settings)
    params = read_http_writer(reading)
    if params is None:
        raise DefinitionError(reading.problems, what="The settings of a writer")
    keys: tuple[bytes, ...] = ()
    if params.signing_secret is not None:
        kind = SecretType.WEBHOOK_SIGNING
        secret = chosen_credentials(credentials, params.signing_secret, kind)
        texts = (secret["key"], secret.get("previousKey"))
        keys = tuple(signing_key(text) for text in texts if text)
    return Webhook(params, params.auth.authorized(credentials), keys, means)


class Webhook:
    """Sends the records of one lane."""

    def __init__(
        self,
        params: HttpWriterParams,
        auth: HttpAuth | None,
        keys: tuple[bytes, ...],
        means: WebhookMeans,
    ) -> None:
        self._params = params
        self._auth = auth
        self._keys = keys
        self._means = means
        self._connection = means.new_connection(params.seconds)
        #: The request is the same for all records, where it names no field of theirs.
        self._same = None if params.request.references else params.request.request({}, None)
        first = params.request.uri.parts[0]
        #: No record has chosen the server: it is not to blame where that may not be called.
        self._own_server = self._same is not None or (
            isinstance(first, str) and _SERVER.match(first) is not None
        )

    @property
    def batch(self) -> int:
        """So many records stand in one request, at most."""
        return self._params.batch

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Send records in one request; one by one, where the server refuses them together."""
        outcome = self._outcome(items)
        if not isinstance(outcome, Refused) or len(items) == 1:
            return [outcome] * len(items)
        outcomes: list[Outcome] = []
        for item in items:
            outcomes.append(self._outcome([item]))
            if isinstance(outcomes[-1], TryAgain):
                break
        return outcomes

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    # ------------------------------------------------------------ one request

    def _outcome(self, items: Sequence[ForwardItem]) -> Outcome:
        try:
            request = self._request(items)
        except UnfitRecord as error:
            return Refused(f"was not sent: {error}")
        try:
            answer = self._answer(request)
        except HttpRefused as error:
            reason = f"was not sent: {error}"
            return TryAgain(reason, away=True) if self._own_server else Refused(reason)
        except HttpTokenFailed as error:
            # An operator can mend that, and the record is not to blame.
            return TryAgain(str(error), away=True)
        except HttpFailed as error:
            failed = failure(request, error)
            mends = error.retriable or self._same is not None
            return TryAgain(str(failed), away=True) if mends else Refused(str(failed))
        return _judged(request, answer)

    def _request(self, items: Sequence[ForwardItem]) -> HttpRequest:
        params = self._params
        request = self._same
        if request is None:
            record: Record = parse_json(items[0].text, nesting_max=_NESTING_MAX)
            request = params.request.request(record, None)
        body = items[0].text
        media_type = "json"
        if params.batch > 1:
            texts = [item.text for item in items]
            media_type = params.batch_format
            many = b"[" + b",".join(texts) + b"]"
            body = many if media_type == "json" else b"\n".join([*texts, b""])
        key = together_key([item.key for item in items])
        headers = {
            **_OWN,
            "content-type": _TYPES[media_type],
            **request.headers,
            "idempotency-key": key,
            **self._signature(key, body),
        }
        return HttpRequest(request.method, request.url, headers, body)

    def _signature(self, key: str, body: bytes) -> dict[str, str]:
        if not self._keys:
            return {}
        seconds = self._means.clock() // SECOND
        return {
            "webhook-id": key,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signatures(self._keys, id=key, seconds=seconds, body=body),
        }

    # ------------------------------------------------------------ who sends it

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        match self._auth:
            case None:
                return self._once(request, None, ())
            case BasicAuth(username, password):
                pair = base64.b64encode(f"{username}:{password}".encode()).decode()
                return self._once(request, f"Basic {pair}", (pair, password))
            case BearerAuth(token, prefix):
                return self._once(request, f"{prefix} {token}".strip(), (token,))
            case OAuth2Auth() as auth:
                return self._with_token(request, auth)

    def _with_token(self, request: HttpRequest, auth: OAuth2Auth) -> HttpAnswer:
        tokens = self._means.tokens
        token = self._token(auth)
        answer = self._once(request, *_credit(auth, token))
        if answer.status != _UNAUTHORIZED:
            return answer
        # A kept one may have been withdrawn; what was fetched just now will not get better.
        tokens.drop(auth, token)
        if token.fresh:
            return answer
        return self._once(request, *_credit(auth, self._token(auth)))

    def _token(self, auth: OAuth2Auth) -> Token:
        try:
            return self._means.tokens.token(auth, self._post)
        except HttpRefused as error:
            raise HttpTokenFailed(str(error.args[0]), hint=error.hint) from error

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        # Of its own: the connection of the lane is to another server, most likely.
        connection = self._means.new_connection(self._params.seconds)
        try:
            return connection.send("POST", url, {**_OWN, **headers}, body)
        finally:
            connection.close()

    def _once(
        self, request: HttpRequest, authorization: str | None, secrets: tuple[str, ...]
    ) -> HttpAnswer:
        headers = dict(request.headers)
        if authorization is not None:
            headers["authorization"] = authorization
        body = request.body or b""
        return self._connection.send(request.method, request.url, headers, body, secrets=secrets)


def _credit(auth: OAuth2Auth, token: Token) -> tuple[str, tuple[str, ...]]:
    secrets = (token.text, auth.client_secret, *filter(None, [auth.password]))
    return f"{auth.prefix} {token.text}".strip(), secrets


def _judged(request: HttpRequest, answer: HttpAnswer) -> Outcome:
    status = answer.status
    if status in _OK:
        return Accepted()
    reason = str(failure(request, answer) or f"{request.method} answered {status}")
    if status in _MOVED:
        return Refused(f"{reason}: redirects are not followed")
    if status in _AWAY:
        return TryAgain(reason, answer.retry_after, away=True)
    if status in _MAY_CHANGE:
        return TryAgain(reason, answer.retry_after)
    return Refused(reason)
