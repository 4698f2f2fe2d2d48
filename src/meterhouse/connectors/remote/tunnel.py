"""A way out for libraries that open their own connections: every one of them is judged.

Such a library looks hosts up by itself and follows redirects, so judging its first URL would say
nothing about where it ends up. It is given this proxy instead, on the loopback of this process: it
asks for each connection (``CONNECT host:port``), the guard resolves and judges the host, and the
connection goes to an address that was judged. TLS is between the library and the server; nothing of
it is seen here. Nobody else may use it: it wants a password that only the library is given.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

from meterhouse.connectors.http.guard import Guard
from meterhouse.streams.ports import HttpFailed

_HEAD_BYTES_MAX = 16 << 10
_BLOCK_BYTES = 256 << 10
_CONNECT_SECONDS = 10.0
#: A connection over which nothing goes for so long is let go.
_IDLE_SECONDS = 300.0
_USER = "meterhouse"


class Tunnel:
    """The proxy. It lives as long as ``opened`` does."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        password = secrets.token_urlsafe(24)  # house: allow clock (a password of this process)
        login = base64.b64encode(f"{_USER}:{password}".encode())
        self._login = b"Basic " + login
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        port = self._listening.getsockname()[1]
        #: what a library is given as its proxy
        self.url = f"http://{_USER}:{password}@127.0.0.1:{port}"
        #: why connections were refused, for messages
        self.refusals: list[HttpFailed] = []

    @contextmanager
    def opened(self) -> Iterator[Tunnel]:
        """Listen until the block ends, and then let every connection go."""
        thread = Thread(target=self._accept, name="tunnel", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with self._lock:
                self._closed = True
                left = list(self._open)
            # Closing alone would not wake the thread that waits for a connection.
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            for one in left:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return  # It is closed.
            Thread(target=self._serve, args=[asking], name="tunnel", daemon=True).start()

    def _serve(self, asking: socket.socket) -> None:
        with self._held(asking), suppress(OSError):
            asking.settimeout(_CONNECT_SECONDS)
            head = _head(asking)
            status, target = self._asked_for(head)
            if target is None:
                asking.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            with self._held(target):
                asking.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _relay(asking, target)

    @contextmanager
    def _held(self, one: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(one)
        try:
            if not self._closed:
                yield
        finally:
            with self._lock:
                self._open.discard(one)
            one.close()

    def _asked_for(self, head: bytes) -> tuple[str, socket.socket | None]:
        """Return the connection that is asked for, or the status that refuses it."""
        line, *headers = head.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        authority = rest.partition(" ")[0]
        given = next((h[20:].strip() for h in headers if _is_login(h)), "")
        if not hmac.compare_digest(given.encode("latin-1"), self._login):
            return "407 Proxy Authentication Required", None
        if method != "CONNECT":
            return "405 Method Not Allowed", None
        try:
            # The one reading of a host and a port that there is.
            target = self._guard.target(f"https://{authority}")
            addresses = self._guard.addresses(target.host, target.port)
        except HttpFailed as error:
            self.refusals.append(error)
            return "403 Forbidden", None
        for address in addresses:
            with suppress(OSError):
                found = socket.create_connection((address, target.port), _CONNECT_SECONDS)
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return "", found
        return "502 Bad Gateway", None


def _is_login(header: str) -> bool:
    return header.lower().startswith("proxy-authorization:")


def _head(asking: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        fresh = asking.recv(4096)
        if not fresh or len(head) > _HEAD_BYTES_MAX:
            raise OSError("no request")
        head += fresh
    return head


def _relay(left: socket.socket, right: socket.socket) -> None:
    """Carry bytes both ways until both sides have ended, or nothing comes any more."""
    other = {left: right, right: left}
    with selectors.DefaultSelector() as selector:
        for side in other:
            side.settimeout(_IDLE_SECONDS)
            selector.register(side, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(_IDLE_SECONDS)
            if not ready:
                return
            for key, _ in ready:
                side = key.fileobj
                assert isinstance(side, socket.socket)
                data = side.recv(_BLOCK_BYTES)
                if data:
                    other[side].sendall(data)
                    continue
                selector.unregister(side)
                with suppress(OSError):
                    other[side].shutdown(socket.SHUT_WR)
