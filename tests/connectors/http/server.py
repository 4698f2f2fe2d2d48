"""A real HTTP server on this machine, with answers that tests choose, and a canary."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def route(self) -> str:
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Reply:
    """An answer. ``raw`` goes over the wire as it is instead."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    raw: Callable[[socket.socket], None] | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> "Reply":
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"content-type": "application/json"} | named)


Route = Callable[[Asked], Reply]


class Server:
    """Serves its routes from threads of its own, and remembers what it was asked."""

    def __init__(self, routes: dict[str, Route], tls: Any = None) -> None:
        self.routes = routes
        self.asked: list[Asked] = []
        #: The ports that clients called from: one for each connection.
        self.callers: set[int] = set()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _QuietServer(("127.0.0.1", 0), handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def answer(self, asked: Asked, *, caller: int) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self.callers.add(caller)
        route = self.routes.get(asked.route) or self.routes.get("*")
        return route(asked) if route is not None else Reply.of({"no": asked.route}, 404)

    def count(self, route: str) -> int:
        return sum(asked.route == route for asked in self.asked)

    @contextmanager
    def serving(self) -> Iterator["Server"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # A client that hangs up is what some tests are about.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # Head and body in one packet: the second would wait for the first.
    owner: Server

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        reply = self.owner.answer(asked, caller=self.client_address[1])
        if reply.raw is not None:
            reply.raw(self.connection)
            self.close_connection = True
        else:
            self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if reply.status != 204 and self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        pass


def in_turn(*replies: Reply) -> Route:
    """Answer with one after the other; the last one stays."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_: Asked) -> Reply:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


class Canary:
    """Listens on all addresses of the loopback network, and counts whoever connects."""

    def __init__(self) -> None:
        self._connections = 0
        self._socket = socket.create_server(("0.0.0.0", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if connection.recv(4) == b"stop":
                    return
                self._connections += 1

    def count(self) -> int:
        """Stop listening and return how many connected."""
        if self._thread.is_alive():
            # Everything that connected before is taken before this one.
            with socket.create_connection(("127.0.0.1", self.port)) as last:
                last.sendall(b"stop")
                self._thread.join()
            self._socket.close()
        return self._connections
