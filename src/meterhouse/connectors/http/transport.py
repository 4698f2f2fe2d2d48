"""Connections: to the very addresses that the guard has judged, and within one deadline.

The pool of httpx is given a network of our own. A name is resolved by the guard when a connection
is made, and the connection goes to an address that it returned; Host and the name of the
certificate stay what they are in the URL. No proxy that the environment names is used, no .netrc.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import local
from typing import Any

import httpcore
import httpx

from meterhouse.connectors.http.guard import Guard

#: Idle connections are let go after so many seconds; before that most servers keep them.
KEEP_ALIVE_SECONDS = 4.0
CONNECTIONS_MAX = 100


class Deadline:
    """When the exchange of this thread has to be over, by a stop watch."""

    def __init__(self) -> None:
        self._of = local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Everything inside has to be over in so many seconds."""
        self._of.until = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._of.until

    def left(self, most: float | None, late: Callable[[str], Exception]) -> float | None:
        """Return the seconds that the next step may take. Raises ``late`` where none are left."""
        until: float | None = getattr(self._of, "until", None)
        if until is None:
            return most
        left = until - time.monotonic()
        if left <= 0:
            raise late("the answer was not complete in time")
        return left if most is None else min(most, left)


@cache
def public_authorities() -> ssl.SSLContext:
    """Return what certificates of public servers are checked against."""
    # Reading all certificates takes a while. SSL_CERT_FILE counts, as everywhere: it says whom
    # the operator trusts.
    return httpx.create_ssl_context()


class GuardedTransport(httpx.HTTPTransport):
    """The transport of httpx, over guarded connections."""

    def __init__(self, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        context = tls or public_authorities()
        #: To be set around each exchange.
        self.deadline = Deadline()
        super().__init__(verify=context, trust_env=False)
        super().close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_GuardedNetwork(guard, self.deadline),
        )


class _GuardedNetwork(httpcore.NetworkBackend):
    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._guard.addresses(host, port)
        failed: Exception | None = None
        for address in addresses:
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._network.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _TimedStream(stream, self._deadline)
        assert failed is not None
        raise failed

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise httpcore.UnsupportedProtocol("sockets of this machine are not called")


class _TimedStream(httpcore.NetworkStream):
    """A connection in which each step has what is left of the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, left)
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
