"""``HttpClient``: sends the requests of streams.

One exchange has one deadline, token and redirects included. Answers are read up to a cap.
Redirects are followed on the same host only. Nothing is remembered but tokens and connections:
no cookies.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from meterhouse.connectors.http.answer import (
    ANSWER_BYTES_MAX,
    Keep,
    keep_answer,
    read_answer,
)
from meterhouse.connectors.http.guard import TLS_HINT, Guard, Target
from meterhouse.connectors.http.tokens import Post, Token, Tokens
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.ports import (
    BasicAuth,
    BearerAuth,
    HttpAnswer,
    HttpFailed,
    HttpRefused,
    HttpRequest,
    HttpTimedOut,
    HttpUnreachable,
    OAuth2Auth,
)

if TYPE_CHECKING:
    import httpx

    from meterhouse.connectors.http.transport import GuardedTransport

REDIRECTS_MAX = 5
_PIECE_BYTES = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = 303
_KEEP_METHOD = frozenset({307, 308})
_OK, _UNAUTHORIZED = 200, 401
#: What follows a call through several servers.
_CORRELATOR = "x-correlator"
#: What goes along to another port or scheme of the same host.
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})
_OWN = {
    "user-agent": "meterhouse",
    "accept": "application/json, */*;q=0.5",
    "accept-encoding": "gzip, deflate",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for connecting and for a whole exchange; bytes of an answer."""

    connect_seconds: float = 10
    whole_seconds: float = 60
    answer_bytes: int = ANSWER_BYTES_MAX


class HttpClient:
    """Sends requests to addresses that the guard lets pass; an ``HttpCaller``.

    ``tls`` is what certificates are checked against; public authorities, unless given.
    """

    def __init__(
        self,
        guard: Guard | None = None,
        *,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard or Guard()
        self._limits = limits or Limits()
        self._connections = _Connections(self._guard, tls)
        self._tokens = Tokens()

    def send(self, request: HttpRequest) -> HttpAnswer:
        """Send one request, from any thread. Every status is an answer; else ``HttpFailed``."""
        return self._exchanged(request, None)

    def download(self, request: HttpRequest, keep: Keep) -> HttpAnswer:
        """Send one request, and give ``keep`` the body of a good answer (200) as it arrives.

        That answer has no body any more. ``keep`` may be called again where a request is repeated.
        """
        return self._exchanged(request, keep)

    def upload(self, request: HttpRequest, content: Path) -> HttpAnswer:
        """Send one request whose body is a file, piece by piece; anew where it is repeated."""
        return self._exchanged(request, None, content)

    def _exchanged(
        self, request: HttpRequest, keep: Keep | None, content: Path | None = None
    ) -> HttpAnswer:
        with (
            self._connections.borrowed() as transport,
            transport.deadline.within(self._limits.whole_seconds),
        ):
            exchange = _Exchange(transport, self._guard, self._limits, keep)
            exchange.content = content
            return exchange.authorized(request, self._tokens)

    def close(self) -> None:
        """Let idle connections go; those in use end with their exchange."""
        self._connections.retire()


# ---------------------------------------------------------------- connections


class _Lent:
    """A transport, and how many exchanges use it."""

    def __init__(self, transport: GuardedTransport) -> None:
        self.transport = transport
        self.users = 0
        self.retired = False


class _Connections:
    """The transport in use. A retired one is closed when the last exchange has ended."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext | None) -> None:
        self._guard = guard
        self._tls = tls
        self._lock = Lock()
        self._lent: _Lent | None = None

    @contextmanager
    def borrowed(self) -> Iterator[GuardedTransport]:
        with self._lock:
            lent = self._lent = self._lent or _Lent(self._new())
            lent.users += 1
        try:
            yield lent.transport
        finally:
            with self._lock:
                lent.users -= 1
                ended = lent.retired and lent.users == 0
            if ended:
                lent.transport.close()

    def retire(self) -> None:
        with self._lock:
            lent, self._lent = self._lent, None
            if lent is None:
                return
            lent.retired = True
            ended = lent.users == 0
        if ended:
            lent.transport.close()

    def _new(self) -> GuardedTransport:
        # Loaded with the first request: most commands and streams send none.
        from meterhouse.connectors.http.transport import GuardedTransport

        return GuardedTransport(self._guard, tls=self._tls)


# ---------------------------------------------------------------- one exchange


class _Exchange:
    """One request with all that it takes to get its answer."""

    #: the file that is its body, if it is one
    content: Path | None = None

    def __init__(
        self, transport: GuardedTransport, guard: Guard, limits: Limits, keep: Keep | None
    ) -> None:
        self._transport = transport
        self._guard = guard
        self._limits = limits
        self._keep = keep

    def authorized(self, request: HttpRequest, tokens: Tokens) -> HttpAnswer:
        """Send a request as whom it says."""
        match request.auth:
            case None:
                return self._followed(request, None, ())
            case BasicAuth(username, password):
                pair = base64.b64encode(f"{username}:{password}".encode()).decode()
                return self._followed(request, f"Basic {pair}", (pair, password))
            case BearerAuth(token, prefix):
                return self._followed(request, f"{prefix} {token}".strip(), (token,))
            case OAuth2Auth() as auth:
                return self._with_token(request, auth, tokens)

    def _with_token(self, request: HttpRequest, auth: OAuth2Auth, tokens: Tokens) -> HttpAnswer:
        post = self._posting(request)
        token = tokens.token(auth, post)
        answer = self._followed(request, *_credit(auth, token))
        if answer.status != _UNAUTHORIZED:
            return answer
        # A kept one may have been withdrawn; what was fetched just now will not get better.
        tokens.drop(auth, token)
        if token.fresh:
            return answer
        token = tokens.token(auth, post)
        return self._followed(request, *_credit(auth, token))

    def _posting(self, request: HttpRequest) -> Post:
        """Return what asks for tokens: followed by the same correlator as the request."""
        followed = {n.lower(): v for n, v in request.headers.items() if n.lower() == _CORRELATOR}

        def post(url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
            return self._once("POST", url, {**_OWN, **followed, **headers}, body)

        return post

    def _followed(
        self, request: HttpRequest, authorization: str | None, secrets: tuple[str, ...]
    ) -> HttpAnswer:
        method, url, body = request.method, request.url, self.content or request.body
        headers = {**_OWN, **{name.lower(): value for name, value in request.headers.items()}}
        headers |= {} if authorization is None else {"authorization": authorization}
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._once(method, url, headers, body, secrets=secrets, keep=self._keep)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            old, new = self._guard.target(url), urljoin(url, location)
            if self._moved(old, new):
                headers = {name: v for name, v in headers.items() if name in _HARMLESS}
                headers |= {"accept-encoding": _OWN["accept-encoding"]}
            url = new
            if answer.status not in _KEEP_METHOD and (
                answer.status == _SEE_OTHER or method == "POST"
            ):
                method, body = "HEAD" if method == "HEAD" else "GET", None
                headers.pop("content-type", None)
        raise HttpFailed(f"The server redirects more than {REDIRECTS_MAX} times")

    def _moved(self, old: Target, url: str) -> bool:
        """Whether a redirect leads to another port or scheme; another host is refused."""
        new = self._guard.target(url)
        if new.host != old.host:
            text = f"The server redirects to another host, {shown_url(url)}"
            raise HttpRefused(text, hint="Call that one, if it is the right one")
        if (old.scheme, new.scheme) == ("https", "http"):
            raise HttpRefused("The server redirects from https to http, where anybody can read")
        return new != old

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Path | None,
        *,
        secrets: tuple[str, ...] = (),
        keep: Keep | None = None,
    ) -> HttpAnswer:
        import httpx

        target = self._guard.target(url)
        try:
            request = self._request(method, url, headers, body, target)
            with _closing(self._transport.handle_request(request)) as response:
                if keep is not None and response.status_code == _OK:
                    return keep_answer(response, keep)
                return read_answer(response, bytes_max=self._limits.answer_bytes, secrets=secrets)
        except httpx.LocalProtocolError:
            # Its words quote the header, which may be the secret one.
            raise HttpFailed(
                "The request has a header that cannot be sent",
                hint="Check headers and the secret for line breaks and odd characters",
            ) from None
        except httpx.TimeoutException as error:
            text = f"No answer within {self._limits.whole_seconds:g} s"
            if isinstance(error, httpx.ConnectTimeout):
                text = f"{target.host} did not take the connection in time"
            raise HttpTimedOut(text) from error
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            hint = TLS_HINT if "SSL" in said else ""
            raise HttpUnreachable(f"{target.host}:{target.port}: {said}", hint=hint) from error

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Path | None,
        target: Target,
    ) -> httpx.Request:
        import httpx

        try:
            address = httpx.URL(url.partition("#")[0])
        except httpx.InvalidURL as error:
            raise HttpRefused(f"{shown_url(url)} is no URL: {error}") from error
        if not target.same(address.scheme, address.raw_host.decode("ascii"), address.port):
            # Two readings of one URL: whoever wrote it may have meant that.
            raise HttpRefused(f"{shown_url(url)} can be read in two ways")
        whole = self._limits.whole_seconds
        timeout = httpx.Timeout(whole, connect=self._limits.connect_seconds)
        fields = [(name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()]
        content: bytes | Iterator[bytes] | None
        if isinstance(body, Path):
            # With its length, it is sent as it is, and not in chunks.
            fields.append((b"content-length", str(body.stat().st_size).encode("ascii")))
            content = _pieces(body)
        else:
            content = body
        extensions = {"timeout": timeout.as_dict()}
        return httpx.Request(
            method, address, headers=fields, content=content, extensions=extensions
        )


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _credit(auth: OAuth2Auth, token: Token) -> tuple[str, tuple[str, ...]]:
    secrets = (token.text, auth.client_secret, *filter(None, [auth.password]))
    return f"{auth.prefix} {token.text}".strip(), secrets


@contextmanager
def _closing(response: httpx.Response) -> Iterator[httpx.Response]:
    try:
        yield response
    finally:
        response.close()
