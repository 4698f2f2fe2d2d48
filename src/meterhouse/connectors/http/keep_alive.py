"""One connection that is kept: what a lane of a forwarder calls its server by.

Lean, because a backlog of a hundred thousand records is a hundred thousand exchanges: the standard
library's reading of answers on a socket of our own. The guard judges every address before anything
is connected, each exchange has one deadline, and redirects are not followed.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from urllib.parse import quote, urlsplit

from meterhouse.connectors.http.answer import retry_after
from meterhouse.connectors.http.guard import TLS_HINT, Guard, Target
from meterhouse.streams.ports import HttpAnswer, HttpFailed, HttpTimedOut, HttpUnreachable

CONNECT_SECONDS = 10.0
#: Of an answer, so much is read: what it says is for a person, if for anybody.
ANSWER_BYTES_MAX = 256 * 1024
_PORTS = {"http": 80, "https": 443}
_SAFE = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class _Late(Exception):
    """The deadline of an exchange is over."""


class _Timed:
    """A connection in which each step has what is left of the deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.until = 0.0
        self.heard = False

    def prepare(self) -> None:
        """Give the next step what is left of the deadline."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise _Late
        self.connection.settimeout(left)

    def receive(self, buffer: memoryview) -> int:
        """Read what comes next."""
        self.prepare()
        count = self.connection.recv_into(buffer)
        self.heard = self.heard or count > 0
        return count

    def makefile(self, *_: object) -> io.BufferedReader:
        """Return what one answer is read from; its end leaves the connection open."""
        return io.BufferedReader(_Answer(self))


class _Answer(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._timed.receive(buffer)


class KeepAlive:
    """Sends requests one after another over one connection, made anew where it was let go.

    ``tls`` is what certificates are checked against; public authorities, unless given.
    """

    def __init__(self, guard: Guard, *, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._seconds = seconds
        self._tls = tls
        self._held: tuple[Target, _Timed] | None = None
        self._closed = False

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        secrets: tuple[str, ...] = (),
    ) -> HttpAnswer:
        """Send one request. Every status is an answer; else ``HttpFailed``."""
        target = self._guard.target(url)
        message = _head(method, url, headers, target, len(body)) + body
        until = time.monotonic() + self._seconds
        if self._held is not None and self._held[0] == target:
            timed = self._held[1]
            try:
                return self._exchange(timed, message, method, until, secrets)
            except HttpUnreachable:
                # A kept connection may have been let go at the other side just now. Sending it a
                # second time is what the idempotency key is for.
                if timed.heard or self._closed:
                    raise
        self._drop()
        timed = _Timed(self._connect(target, until))
        self._held = (target, timed)
        if self._closed:
            self._drop()
            raise HttpUnreachable("The delivery was stopped")
        return self._exchange(timed, message, method, until, secrets)

    def close(self) -> None:
        """Let the connection go for good; an exchange of another thread ends."""
        self._closed = True
        held = self._held
        if held is not None:
            with suppress(OSError):
                held[1].connection.shutdown(socket.SHUT_RDWR)
        self._drop()

    def _drop(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held[1].connection.close()

    def _exchange(
        self, timed: _Timed, message: bytes, method: str, until: float, secrets: tuple[str, ...]
    ) -> HttpAnswer:
        timed.until, timed.heard = until, False
        try:
            timed.prepare()
            timed.connection.sendall(message)
            with HTTPResponse(timed, method=method) as response:  # type: ignore[arg-type]
                response.begin()
                content, whole = _content(response)
                headers = {name.lower(): value for name, value in response.getheaders()}
                if response.will_close or not whole:
                    self._drop()
        except (_Late, TimeoutError) as error:
            self._drop()
            raise HttpTimedOut(f"No answer within {self._seconds:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            self._drop()
            said = str(error) or type(error).__name__
            raise HttpUnreachable(f"The connection broke: {said}") from error
        return HttpAnswer(response.status, headers, content, retry_after(headers), secrets)

    # ------------------------------------------------------------ connecting

    def _connect(self, target: Target, until: float) -> socket.socket:
        failed: OSError | None = None
        for address in self._guard.addresses(target.host, target.port):
            left = min(until - time.monotonic(), CONNECT_SECONDS)
            if left <= 0:
                break
            try:
                connection = socket.create_connection((address, target.port), left)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._secured(connection, target) if target.scheme == "https" else connection
            except OSError as error:
                failed = error
        if failed is None or isinstance(failed, TimeoutError):
            raise HttpTimedOut(f"{target.host} did not take the connection in time") from failed
        said = failed.strerror or str(failed)
        hint = TLS_HINT if isinstance(failed, ssl.SSLError) else ""
        raise HttpUnreachable(f"{target.host}:{target.port}: {said}", hint=hint) from failed

    def _secured(self, connection: socket.socket, target: Target) -> socket.socket:
        try:
            return self._authorities().wrap_socket(connection, server_hostname=target.host)
        except OSError:
            connection.close()
            raise

    def _authorities(self) -> ssl.SSLContext:
        if self._tls is None:
            from meterhouse.connectors.http.transport import public_authorities

            self._tls = public_authorities()
        return self._tls


def _content(response: HTTPResponse) -> tuple[bytes, bool]:
    """Return the beginning of what an answer says, and whether that is all of it.

    Its status is known already, and decides: a body that breaks off changes nothing.
    """
    try:
        content = response.read(ANSWER_BYTES_MAX)
        return content, response.isclosed() or not response.read(1)
    except (_Late, OSError, HTTPException, ValueError):
        return b"", False


def _head(method: str, url: str, headers: Mapping[str, str], target: Target, length: int) -> bytes:
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe=_SAFE) + (
        f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    )
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != _PORTS[target.scheme]:
        host += f":{target.port}"
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"content-length: {length}"]
    for name, value in headers.items():
        if _UNFIT.search(value):
            # Its words would quote the value, which may be the secret one.
            raise HttpFailed(
                f"The header {name} has a line break or a control character",
                hint="Check headers and the secret",
            )
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8")
